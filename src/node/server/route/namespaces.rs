//! `/NAMESPACE/FUNCTION/…`: the first two parts of the path name the function.

use api::validate::{is_dns_label, is_dns_subdomain, is_reserved};

use super::{Dialect, Names, Route, Target};
use crate::server::problem::Problem;

/// `/NAMESPACE/FUNCTION/…`.
pub struct Namespaces;

impl Dialect for Namespaces {
    fn find(&self, _: &Names, target: Target<'_>) -> Option<Result<Route, Problem>> {
        let names = target.path.path().strip_prefix('/')?;
        let (namespace, after) = names.split_once('/')?;
        let function = after.split_once('/').map_or(after, |(function, _)| function);
        if !is_dns_label(namespace) || !is_dns_subdomain(function) || is_reserved(namespace) {
            return None;
        }
        let length = namespace.len() + 1 + function.len();
        let name = names.get(..length)?.to_owned();
        Route::below(target.path, length + 1, name).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::server::route::Names;
    use crate::server::route::tests::routed;

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
            let expected = (function.to_owned(), format!("/{function}"), rest.to_owned());
            assert_eq!(routed(&Names::default(), "h", path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn tricks_in_names_are_no_names() {
        for path in [
            "/",
            "//",
            "/a",
            "/a/",
            "//a/b",
            "/a//b",
            "/%61/b",
            "/a/%62",
            "/a/../b",
            "/./b",
            "/a/.",
            "/A/b",
            "/a/b%00",
            "/a/b%2fc",
            "*",
            "/system/b",
            "/ui/b",
        ] {
            assert_eq!(routed(&Names::default(), "h", path), Err(404), "{path}");
        }
    }
}
