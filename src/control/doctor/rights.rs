//! Whether the downloader's account may do what it has to, and nothing that it should not.

use super::Finding;

const WHAT: &str = "rights";

/// One thing that an account may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Verb of the request, as RBAC has it.
    pub verb: &'static str,
    /// API group; empty for the first one.
    pub group: &'static str,
    /// Kind of object.
    pub resource: &'static str,
    /// Part of the object; empty for all of it.
    pub subresource: &'static str,
    /// In which namespaces.
    pub place: Place,
    /// Whether the downloader needs it, or should not have it.
    pub needed: bool,
}

/// Namespaces that a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Those whose Images are published.
    Watched,
    /// The namespace that the installation lives in.
    Own,
}

impl Right {
    const fn needed(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { verb, group, resource, subresource: "", place: Place::Watched, needed: true }
    }

    const fn surplus(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { needed: false, ..Self::needed(verb, group, resource) }
    }

    fn words(&self) -> String {
        let part = if self.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{part}{}", self.verb, self.resource, self.subresource)
    }
}

/// Every right that the downloader uses whatever its Images name; the chart grants these and, for Secrets, [`SECRETS`].
pub const ASKED: [Right; 12] = [
    Right::needed("list", "build.kontain.app", "images"),
    Right::needed("watch", "build.kontain.app", "images"),
    Right { subresource: "status", ..Right::needed("patch", "build.kontain.app", "images") },
    Right::needed("create", "events.k8s.io", "events"),
    Right { place: Place::Own, ..Right::needed("get", "", "pods") },
    Right::surplus("list", "", "secrets"),
    Right::surplus("update", "", "secrets"),
    Right::surplus("update", "build.kontain.app", "images"),
    Right::surplus("delete", "build.kontain.app", "images"),
    Right::surplus("create", "", "pods"),
    Right::surplus("list", "", "pods"),
    Right::surplus("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
];

/// What is asked for the namespaces whose Images name Secrets.
pub const SECRETS: Right = Right::needed("get", "", "secrets");

/// What is asked so that functions are kept from the cluster's own addresses, and in which namespace; nodes are in none.
pub const ADDRESSES: [(Right, Option<&str>); 3] = [
    (Right::needed("watch", "", "nodes"), None),
    (Right::needed("watch", "", "services"), Some("default")),
    (Right::needed("watch", "discovery.k8s.io", "endpointslices"), Some("default")),
];

/// The finding for rights of [`ADDRESSES`] that an account has not.
pub fn addresses(account: &str, without: &[Right]) -> Option<Finding> {
    if without.is_empty() {
        return None;
    }
    let words: Vec<String> = without.iter().map(Right::words).collect();
    let found = format!(
        "{account} may not {}: functions are not kept from the addresses of other nodes, where their Images or the operator open them",
        words.join(", ")
    );
    let fix = "helm upgrade with rbac.clusterAddresses=true, or name them in server.egress.deny";
    Some(Finding::warn("addresses", found, fix))
}

/// The finding for namespaces in which the downloader may not read the Secrets that Images name.
pub fn secrets(role: &str, home: &str, account: &str, without: &[String]) -> Option<Finding> {
    let first = without.first()?;
    let found =
        format!("{home}/{account} may not get the secrets that Images name in {}", without.join(", "));
    let fix = format!(
        "kubectl -n {first} create rolebinding {role} --clusterrole={role} --serviceaccount={home}:{account}, or the chart's downloader.secretNamespaces"
    );
    Some(Finding::fail("secrets", found, fix))
}

/// The finding from what the API server said to each question.
pub fn finding(account: &str, answers: &[(Right, bool)]) -> Finding {
    let named = |needed: bool| -> Vec<String> {
        let wrong = answers.iter().filter(|(right, allowed)| right.needed == needed && *allowed != needed);
        wrong.map(|(right, _)| right.words()).collect()
    };
    let (missing, surplus) = (named(true), named(false));
    if !missing.is_empty() {
        let fix = "helm upgrade with rbac.create=true, or bind the rules of deploy/chart/templates/_helpers.tpl to it";
        return Finding::fail(WHAT, format!("{account} may not {}", missing.join(", ")), fix);
    }
    if !surplus.is_empty() {
        let fix = "remove the other bindings of this account";
        return Finding::warn(WHAT, format!("{account} may also {}", surplus.join(", ")), fix);
    }
    Finding::ok(WHAT, format!("{account} may do what it has to, and no more"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn missing_and_surplus_rights_are_named() {
        let exact: Vec<(Right, bool)> = ASKED.iter().map(|right| (*right, right.needed)).collect();
        assert_eq!(finding("a", &exact).verdict, Verdict::Ok);
        let mut less = exact.clone();
        less[2].1 = false;
        let less = finding("a", &less);
        assert!(less.verdict == Verdict::Fail && less.found.contains("patch images/status"), "{less:?}");
        let mut more = exact;
        more[5].1 = true;
        let more = finding("a", &more);
        assert!(secrets("r", "h", "a", &[]).is_none());
        assert!(addresses("a", &[]).is_none());
        let told = addresses("a", &[ADDRESSES[0].0]).unwrap();
        assert!(told.verdict == Verdict::Warn && told.found.contains("watch nodes"), "{told:?}");
        let told = secrets("r", "h", "a", &["x".into(), "y".into()]).unwrap();
        assert!(told.found.contains("x, y") && told.fix.contains("-n x create rolebinding r"), "{told:?}");
        assert!(more.verdict == Verdict::Warn && more.found.contains("list secrets"), "{more:?}");
    }
}
