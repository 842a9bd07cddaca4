//! How long arguments and environment may be: as long as execve(2) takes them with the usual stack of 8 MiB.

/// Longest argument or variable in bytes, its NUL included (MAX_ARG_STRLEN).
pub const STRING_MAX: usize = 128 << 10;
/// Bytes of all of them, each with its NUL and a pointer to it: a quarter of the stack.
pub const ALL_MAX: usize = 2 << 20;
/// Characters of a string that a message shows.
const SHOWN: usize = 40;

/// Arguments or environment are beyond what a program can be started with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StringsError {
    /// One argument.
    #[error("argument {index} has {bytes} bytes: at most {} are possible", STRING_MAX - 1)]
    Argument {
        /// Which one, from 0: the command.
        index: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// One variable.
    #[error("the variable `{name}` of the environment has {bytes} bytes: at most {} are possible", STRING_MAX - 1)]
    Variable {
        /// Its name, as far as it is shown.
        name: String,
        /// Bytes of name and value with the sign between them.
        bytes: usize,
    },
    /// All of them together.
    #[error(
        "arguments and environment take {} bytes ({args} and {env}, 9 of each string beside its own): at most {ALL_MAX} \
         are possible",
        .args + .env
    )]
    All {
        /// Bytes of the arguments.
        args: usize,
        /// Bytes of the environment.
        env: usize,
    },
}

/// Checks what a program is to be started with.
///
/// # Errors
/// The first thing that is too long.
pub fn check<T: AsRef<[u8]>>(args: &[T], env: &[T]) -> Result<(), StringsError> {
    let too_long = |string: &&T| string.as_ref().len() >= STRING_MAX;
    if let Some((index, argument)) = args.iter().enumerate().find(|(_, argument)| too_long(argument)) {
        return Err(StringsError::Argument { index, bytes: argument.as_ref().len() });
    }
    if let Some(variable) = env.iter().find(too_long) {
        let bytes = variable.as_ref();
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned();
        return Err(StringsError::Variable { name, bytes: bytes.len() });
    }
    let (args, env) = (taken(args), taken(env));
    if args + env > ALL_MAX { Err(StringsError::All { args, env }) } else { Ok(()) }
}

fn taken<T: AsRef<[u8]>>(strings: &[T]) -> usize {
    strings.iter().map(|string| string.as_ref().len() + 1 + size_of::<u64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_up_to_the_limits_pass() {
        let of = |len: usize| "x".repeat(len);
        let none: [String; 0] = [];
        assert_eq!(check(&[of(STRING_MAX - 1)], &[of(STRING_MAX - 1)]), Ok(()));
        assert_eq!(
            check(&[of(1), of(STRING_MAX)], &none),
            Err(StringsError::Argument { index: 1, bytes: STRING_MAX })
        );
        let error = check(&none, &["NAME=".to_owned() + &of(STRING_MAX)]).unwrap_err().to_string();
        assert!(error.contains("`NAME`") && error.contains("131071"), "{error}");
        let many = vec![of(1015); ALL_MAX / 1024];
        assert_eq!(check(&many[1..], &many[..1]), Ok(()));
        let error = check(&[of(0)], &many).unwrap_err().to_string();
        assert!(error.contains("2097161 bytes (9 and 2097152"), "{error}");
    }
}
