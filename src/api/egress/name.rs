//! Names of hosts as rules and queries have them: in lower case, without a trailing dot.

use std::fmt;
use std::str::FromStr;

/// Longest name (RFC 1035, 2.3.4, less the lengths of the first label and of the root).
const NAME_MAX: usize = 253;
/// Longest label.
const LABEL_MAX: usize = 63;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Letters beyond ASCII.
    #[error("`{0}` has letters beyond ASCII: write its punycode form, xn--…")]
    NotAscii(String),
    /// A star within.
    #[error("`{0}`: a `*` stands alone or first, like *.example.com")]
    Star(String),
    /// Anything else that RFC 1123 does not have.
    #[error(
        "`{0}` is no name: write labels of letters, digits and `-` with dots between, the last not a number"
    )]
    Syntax(String),
}

/// The name of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It ends with `suffix` and is longer by a label at least.
    #[must_use]
    pub fn is_below(&self, suffix: &Self) -> bool {
        self.stem(suffix.as_str()).is_some()
    }

    /// What stands before `.suffix`.
    #[must_use]
    pub fn stem(&self, suffix: &str) -> Option<&str> {
        self.0.strip_suffix(suffix)?.strip_suffix('.').filter(|stem| !stem.is_empty())
    }

    /// Its only label.
    pub fn is_one_label(&self) -> bool {
        !self.0.contains('.')
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !text.is_ascii() {
            return Err(NameError::NotAscii(shown(text)));
        }
        if text.contains('*') {
            return Err(NameError::Star(shown(text)));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        // A last label of a number is an address in one of its older spellings (WHATWG URL, host parsing).
        let last_is_number = name.rsplit('.').next().is_none_or(is_number);
        if name.len() > NAME_MAX || last_is_number || !name.split('.').all(is_label) {
            return Err(NameError::Syntax(shown(text)));
        }
        Ok(Self(name.into()))
    }
}

fn is_number(label: &str) -> bool {
    let hexadecimal =
        label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 1123, 2.1; and underscores, for names of services (RFC 2782) and for those that people give to containers.
fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(is_letter)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A text as it may stand in a message, whoever wrote it.
fn shown(text: &str) -> String {
    text.chars().take(NAME_MAX).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn case_and_trailing_dots_are_no_difference() {
        assert_eq!(name("Api.Example.COM."), name("api.example.com"));
        assert!("api.example.com..".parse::<Name>().is_err());
    }

    #[test]
    fn below_is_by_whole_labels() {
        let suffix = name("example.com");
        assert!(name("a.example.com").is_below(&suffix) && name("a.b.example.com").is_below(&suffix));
        assert!(!name("example.com").is_below(&suffix) && !name("badexample.com").is_below(&suffix));
        assert!(!name("example.com.evil.org").is_below(&suffix));
        assert_eq!(name("a.b.svc").stem("svc"), Some("a.b"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = vec!["a".repeat(49); 6].join(".");
        for text in [
            "", ".", "a..b", "-a.b", "a-.b", "a b", "a/b", "a:b", "a\0b", "1.2.3.4", "127.1", "a.0x7f", "1",
            &long, &longer,
        ] {
            assert!(matches!(text.parse::<Name>(), Err(NameError::Syntax(_))), "{text:?}");
        }
        assert!(matches!("ä.example".parse::<Name>(), Err(NameError::NotAscii(_))));
        assert!(matches!("a.*.b".parse::<Name>(), Err(NameError::Star(_))));
        assert!(!"a\n*".parse::<Name>().unwrap_err().to_string().contains('\n'));
    }
}
