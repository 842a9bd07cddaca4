//! Options from one TOML file.
//!
//! The file's values become the defaults of clap's own arguments, so that they go through the same parsers and give the
//! same messages as a value on the command line, and so that clap's order (command line, environment, default) holds.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};
use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::Usage;

/// The environment variable behind `--config`.
const CONFIG_VARIABLE: &str = "KONTAIN_CONFIG";

/// The clap tree of `C`, checked in debug builds.
pub fn command<C: CommandFactory>() -> Command {
    C::command()
}

/// Puts the values of the configuration file that `arguments` or the environment name in as defaults.
///
/// # Errors
/// When the file cannot be read, or has a key that no option answers to.
pub fn with_defaults(command: Command, arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let Some(path) = config_path(arguments).or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from))
    else {
        return Ok(command);
    };
    let values = read(&path)?;
    Ok(apply(command, values).map_err(|message| Usage(format!("{}: {message}", path.display())))?)
}

/// Finds `--config FILE` or `--config=FILE` before clap runs, since clap's defaults depend on it.
fn config_path(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            return None;
        }
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(value) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(PathBuf::from(value));
        }
    }
    None
}

fn read(path: &Path) -> anyhow::Result<Dict> {
    // Figment takes a file that is not there for an empty one; a file that was asked for by name must exist.
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read the configuration file {}: {error}", path.display())))?;
    Figment::from(Toml::string(&text))
        .extract()
        .map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}

/// Makes each value the default of the options that bear its name.
fn apply(mut command: Command, values: Dict) -> Result<Command, String> {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let (tables, common): (Dict, Dict) =
        values.into_iter().partition(|(key, value)| names.contains(key) && value.as_dict().is_some());
    for (key, value) in &common {
        let values = texts(key, value)?;
        let mut known = 0;
        command = set_default(command, key, &values, &mut known);
        for name in &names {
            command = command.mut_subcommand(name, |sub| set_default(sub, key, &values, &mut known));
        }
        if known == 0 {
            return Err(format!("no option is called `{key}`"));
        }
    }
    for (name, table) in &tables {
        for (key, value) in table.as_dict().into_iter().flatten() {
            let values = texts(key, value)?;
            let mut known = 0;
            command = command.mut_subcommand(name, |sub| set_default(sub, key, &values, &mut known));
            if known == 0 {
                return Err(format!("`{name}` has no option that is called `{key}`"));
            }
        }
    }
    Ok(command)
}

/// Sets the default of the option `key`, if the command has it.
fn set_default(command: Command, key: &str, values: &[String], known: &mut usize) -> Command {
    let wanted = key.replace('_', "-");
    let id =
        command.get_arguments().find(|arg| arg.get_long() == Some(&wanted)).map(|arg| arg.get_id().clone());
    let Some(id) = id else { return command };
    *known += 1;
    command.mut_arg(id, |arg| with_values(arg, values))
}

fn with_values(arg: Arg, values: &[String]) -> Arg {
    match arg.get_action() {
        // `verbose = false` for a flag is the same as no key.
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count | ArgAction::Append | ArgAction::Set => {
            arg.default_values(
                values.iter().map(OsStr::new).map(OsString::from).map(clap::builder::OsStr::from),
            )
        }
        _ => arg,
    }
}

/// The text of a value, as it would stand on the command line; a list gives several.
fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(_, values) => values
            .iter()
            .map(|value| texts(key, value))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| all.concat()),
        Value::String(_, text) => Ok(vec![text.clone()]),
        Value::Bool(_, value) => Ok(vec![value.to_string()]),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .map(|text| vec![text])
            .ok_or_else(|| format!("`{key}`: not a number that an option can have")),
        _ => Err(format!("`{key}`: expected a text, a number, true or false, or a list of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Command {
        Command::new("x").subcommand(
            Command::new("serve")
                .arg(Arg::new("listen").long("listen").env("KONTAIN_TEST_NEVER_SET"))
                .arg(Arg::new("many").long("many").action(ArgAction::Append))
                .arg(Arg::new("flag").long("flag").action(ArgAction::SetTrue)),
        )
    }

    fn dict(text: &str) -> Dict {
        Figment::from(Toml::string(text)).extract().unwrap()
    }

    #[test]
    fn file_values_are_defaults_and_the_command_line_wins() {
        let text = "listen = \"a:1\"\n[serve]\nmany = [\"x\", \"y\"]\nflag = true";
        let command = apply(sample(), dict(text)).unwrap();
        let matches = command.clone().get_matches_from(["x", "serve"]);
        let serve = matches.subcommand_matches("serve").unwrap();
        assert_eq!(serve.get_one::<String>("listen").unwrap(), "a:1");
        assert_eq!(serve.get_many::<String>("many").unwrap().count(), 2);
        assert!(serve.get_flag("flag"));
        let matches = command.get_matches_from(["x", "serve", "--listen", "b:2"]);
        assert_eq!(matches.subcommand_matches("serve").unwrap().get_one::<String>("listen").unwrap(), "b:2");
    }

    #[test]
    fn unknown_keys_are_named() {
        assert!(apply(sample(), dict("lisen = \"a\"")).unwrap_err().contains("lisen"));
        assert!(apply(sample(), dict("[serve]\nx = 1")).unwrap_err().contains("`x`"));
    }

    #[test]
    fn config_option_is_found_in_both_forms() {
        let args =
            |list: &[&str]| config_path(list.iter().map(OsString::from).collect::<Vec<_>>().into_iter());
        assert_eq!(args(&["x", "--config", "f"]), Some("f".into()));
        assert_eq!(args(&["x", "serve", "--config=f"]), Some("f".into()));
        assert_eq!(args(&["x", "pack", "--", "--config=f"]), None);
    }
}
