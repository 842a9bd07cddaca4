//! `km syscalls`: the library OS's table, as text, JSON or Markdown.

use anyhow::Result;
use clap::{Args, ValueEnum};
use km_guest::syscall::row::{Row, Support};
use km_guest::syscall::table::FAMILIES;
use std::io::{Write, stdout};

/// How the table is written.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Columns for people.
    Text,
    /// An array of objects.
    Json,
    /// A table for the documentation.
    Md,
}

/// List the system calls.
#[derive(Args)]
pub struct SyscallsArgs {
    /// How to write the table
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Prints the table.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &SyscallsArgs) -> Result<()> {
    let mut rows: Vec<(&str, &Row)> =
        FAMILIES.iter().flat_map(|(family, rows)| rows.iter().map(|row| (*family, row))).collect();
    rows.sort_by_key(|(_, row)| row.number);
    let mut out = stdout().lock();
    match args.format {
        Format::Text => {
            for (family, row) in rows {
                writeln!(out, "{:4} {:24} {:12} {}", row.number, row.name, family, support(row))?;
            }
        }
        Format::Md => {
            writeln!(out, "| number | system call | family | support |\n|---:|---|---|---|")?;
            for (family, row) in rows {
                writeln!(out, "| {} | `{}` | {} | {} |", row.number, row.name, family, support(row))?;
            }
        }
        Format::Json => {
            let values: Vec<_> = rows.iter().map(|(family, row)| json(family, row)).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&values)?)?;
        }
    }
    Ok(())
}

fn support(row: &Row) -> String {
    match row.support {
        Support::Full => "full".to_owned(),
        Support::Partial(missing) => format!("partial: {missing}"),
        Support::Refused(errno, why) => format!("refused with {errno:?}: {why}"),
    }
}

fn json(family: &str, row: &Row) -> serde_json::Value {
    let (support, note, errno) = match row.support {
        Support::Full => ("full", None, None),
        Support::Partial(missing) => ("partial", Some(missing), None),
        Support::Refused(errno, why) => ("refused", Some(why), Some(format!("{errno:?}"))),
    };
    serde_json::json!({
        "number": row.number, "name": row.name, "family": family, "support": support, "note": note, "errno": errno,
    })
}
