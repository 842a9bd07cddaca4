//! `WWW-Authenticate`: what a registry wants to see before it answers. A parser without I/O, to be tried with any bytes.

use std::collections::HashMap;

/// A challenge of one of the two kinds that registries use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from this place.
    Bearer {
        /// Where tokens are had.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What it is to allow.
        scope: Option<String>,
    },
}

/// The first usable challenge of a header's value; `None` if there is none.
#[must_use]
pub fn parse(value: &str) -> Option<Challenge> {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = parameters(rest);
    let realm = parameters.remove("realm").filter(|realm| !realm.is_empty())?;
    Some(Challenge::Bearer {
        realm,
        service: parameters.remove("service"),
        scope: parameters.remove("scope"),
    })
}

/// `name=value` and `name="quoted \"value\""`, separated by commas; parsing stops at the first that is neither.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let Some((value, after)) = value(after.trim_start()) else { break };
        found.entry(name.trim().to_ascii_lowercase()).or_insert(value);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, char) in quoted.char_indices() {
        match char {
            _ if escaped => {
                value.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &quoted[at + 1..])),
            _ => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_ones() {
        let header = r#"Bearer realm="https://auth.example/token",service="registry, the \"one\"",scope=repository:a/b:pull"#;
        assert_eq!(
            parse(header),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".to_owned(),
                service: Some("registry, the \"one\"".to_owned()),
                scope: Some("repository:a/b:pull".to_owned()),
            })
        );
        assert_eq!(parse("basic realm=x"), Some(Challenge::Basic));
    }

    #[test]
    fn odd_ones() {
        for header in
            ["", "Bearer", "Bearer realm=\"", "Bearer realm=", "Negotiate abc", "Bearer service=\"x\""]
        {
            assert_eq!(parse(header), None, "{header}");
        }
    }
}
