//! From a request's path to a function: strict in the first two parts, blind to the rest.

use http::uri::PathAndQuery;

use api::validate::{is_dns_label, is_dns_subdomain};

/// A path that names a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// `namespace/function`.
    pub function: &'a str,
    /// What the function sees: at least `/`, the query included.
    pub rest: PathAndQuery,
}

/// Finds the function that a path names.
///
/// Names are taken as they are: an encoded character, a dot segment or an empty part is no name, so that two spellings
/// never mean the same function. What follows is the function's own and is not looked at.
pub fn route(uri: &PathAndQuery) -> Option<Route<'_>> {
    let path = uri.path();
    let names = path.strip_prefix('/')?;
    let (namespace, after) = names.split_once('/')?;
    let (function, rest) = after
        .split_once('/')
        .map_or((after, ""), |(function, _)| (function, &path[namespace.len() + function.len() + 2..]));
    if !is_dns_label(namespace) || !is_dns_subdomain(function) {
        return None;
    }
    let function = &names[..namespace.len() + 1 + function.len()];
    let query = uri.query();
    let rest = match (rest, query) {
        ("", None) | ("/", None) => PathAndQuery::from_static("/"),
        ("", Some(query)) => format!("/?{query}").parse().ok()?,
        (rest, None) => rest.parse().ok()?,
        (rest, Some(query)) => format!("{rest}?{query}").parse().ok()?,
    };
    Some(Route { function, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(path: &str) -> Option<(String, String)> {
        let uri: PathAndQuery = path.parse().ok()?;
        route(&uri).map(|route| (route.function.to_owned(), route.rest.to_string()))
    }

    #[test]
    fn names_and_rest() {
        let cases = [
            ("/default/hello", "default/hello", "/"),
            ("/default/hello/", "default/hello", "/"),
            ("/default/hello?a=1", "default/hello", "/?a=1"),
            ("/default/hello/?a=1", "default/hello", "/?a=1"),
            ("/default/hello/a/b?c=/d", "default/hello", "/a/b?c=/d"),
            ("/n/f.v2//x/../y", "n/f.v2", "//x/../y"),
            ("/n/f/%2e%2e/%00", "n/f", "/%2e%2e/%00"),
        ];
        for (path, function, rest) in cases {
            assert_eq!(routed(path), Some((function.into(), rest.into())), "{path}");
        }
    }

    #[test]
    fn tricks_in_names_are_no_names() {
        for path in [
            "/", "//", "/a", "/a/", "//a/b", "/a//b", "/%61/b", "/a/%62", "/a/../b", "/./b", "/a/.", "/A/b",
            "/a/b%00", "/a/b%2fc", "*",
        ] {
            assert_eq!(routed(path), None, "{path}");
        }
    }
}
