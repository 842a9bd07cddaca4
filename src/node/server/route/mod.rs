//! From a request to a function. Each way to name one is a *dialect*: a file here, and a row of [`DIALECTS`].
//!
//! ```text
//! host, path ──► host.rs ──► openfaas.rs ──► namespaces.rs        the first that claims a target decides alone
//!                   │            │                │
//!                   └────────────┴── Route ───────┘               function, its prefix, the rest of the path
//! ```
//!
//! A dialect may add to what the function and the client see ([`Dialect::ask`], [`Dialect::answer`]). Names are taken as they are:
//! an encoded character, a dot segment or an empty part is no name, so that two spellings of a path never mean the same
//! function. What follows the name is the function's own and is not looked at.

mod host;
mod namespaces;
mod openfaas;

use std::fmt;

use api::image::DEFAULT_NAMESPACE;
use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

pub use self::host::Domain;
use super::problem::Problem;

/// Every dialect, in the order in which they are asked.
static DIALECTS: [&dyn Dialect; 3] = [&host::Host, &openfaas::OpenFaas, &namespaces::Namespaces];

/// What names mean on this server.
#[derive(Clone, Debug)]
pub struct Names {
    /// Domains below which functions have hosts of their own, the longest first.
    domains: Vec<Domain>,
    /// Namespace of functions that are named without one.
    namespace: String,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(Vec::new(), DEFAULT_NAMESPACE.to_owned())
    }
}

impl Names {
    /// Names below these domains; `namespace` is that of functions that are named without one.
    pub fn new(mut domains: Vec<Domain>, namespace: String) -> Self {
        // Of two that end alike the longer one is meant.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.as_str().len()));
        Self { domains, namespace }
    }

    /// Finds the dialect of a target, and in it the function.
    pub fn find(&self, target: Target<'_>) -> Routed {
        let claimed = DIALECTS.iter().find_map(|dialect| Some((*dialect, dialect.find(self, target)?)));
        let nothing = || Problem::not_found("the path names no function: /NAMESPACE/FUNCTION/…");
        let (dialect, found) = claimed.unwrap_or_else(|| (&namespaces::Namespaces, Err(nothing())));
        Routed { dialect, found }
    }
}

/// Where a request says that it goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The host that it names, as it was checked; its port may follow.
    pub host: &'a str,
    /// Path and query.
    pub path: &'a PathAndQuery,
}

/// A target that names a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `namespace/function`.
    pub function: String,
    /// The part of the path that names it, without a slash at its end; empty where its host does.
    pub prefix: String,
    /// What the function sees: at least `/`, the query included.
    pub rest: PathAndQuery,
}

impl Route {
    /// The route of a function that the first `prefix` bytes of a path name.
    fn below(path: &PathAndQuery, prefix: usize, function: String) -> Option<Self> {
        let (prefix, rest) = path.path().split_at_checked(prefix)?;
        let rest = match (rest, path.query()) {
            ("" | "/", None) => PathAndQuery::from_static("/"),
            ("", Some(query)) => format!("/?{query}").parse().ok()?,
            (rest, None) => rest.parse().ok()?,
            (rest, Some(query)) => format!("{rest}?{query}").parse().ok()?,
        };
        Some(Self { function, prefix: prefix.to_owned(), rest })
    }
}

/// What became of a target.
pub struct Routed {
    /// The dialect that claimed it.
    pub dialect: &'static dyn Dialect,
    /// The function, or the answer that the dialect gives instead.
    pub found: Result<Route, Problem>,
}

/// What a dialect has to know of a request once the answer is there.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// When it came, as the dialect writes it.
    pub started: Option<HeaderValue>,
    /// Its own `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// The client chose the call's id.
    pub has_id: bool,
}

/// Whose an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The function answered.
    Function,
    /// This server did, with a problem document.
    Platform,
}

/// A way to name a function. What a dialect does not say is as `/NAMESPACE/FUNCTION/…` has it.
pub trait Dialect: Sync {
    /// The function that a target names, or what to answer instead; nothing where the target is none of this dialect's.
    fn find(&self, names: &Names, target: Target<'_>) -> Option<Result<Route, Problem>>;

    /// Whether it takes a method; others are answered with 405.
    fn takes(&self, _: &Method) -> bool {
        true
    }

    /// Whether its functions have a host of their own, so that what they say to browsers of their origin is theirs to say.
    fn owns_host(&self) -> bool {
        false
    }

    /// Keeps of a request what the answer needs. `has_id`: the client chose the call's id.
    fn note(&self, _: &HeaderMap, _has_id: bool) -> Asked {
        Asked::default()
    }

    /// Adds to what the function sees.
    fn ask(&self, _: &mut HeaderMap, _: &Asked) {}

    /// Adds to what the client gets; `X-Call-Id` is there already.
    fn answer(&self, _: &mut http::response::Parts, _: Asked, _: Source) {}
}

impl fmt::Debug for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed").field("found", &self.found).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Function, prefix and rest, or the status that is answered instead.
    pub(super) fn routed(names: &Names, host: &str, path: &str) -> Result<(String, String, String), u16> {
        let path: PathAndQuery = path.parse().map_err(|_| 404u16)?;
        match names.find(Target { host, path: &path }).found {
            Ok(route) => Ok((route.function, route.prefix, route.rest.to_string())),
            Err(problem) => Err(problem.status.as_u16()),
        }
    }

    #[test]
    fn no_dialect_takes_what_is_anothers() {
        let names = Names::new(vec!["fn.example.com".parse().unwrap()], "default".to_owned());
        for (host, path, function) in [
            ("fn.example.com", "/a/b/c", "a/b"),
            ("fn.example.com", "/function/b/c", "default/b"),
            ("b.a.fn.example.com", "/a/b/c", "a/b"),
            ("b.a.fn.example.com", "/function/x/c", "a/b"),
            ("b.a.fn.example.com", "/async-function/x", "a/b"),
            ("b.a.fn.example.com", "/system/functions", "a/b"),
        ] {
            assert_eq!(routed(&names, host, path).unwrap().0, function, "{host}{path}");
        }
        for (path, status) in
            [("/async-function/b", 501), ("/system/functions", 404), ("/ui/", 404), ("/healthz/x", 404)]
        {
            assert_eq!(routed(&names, "fn.example.com", path), Err(status), "{path}");
        }
    }
}
