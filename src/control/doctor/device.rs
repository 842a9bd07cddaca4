//! Whether nodes offer `/dev/kvm` under the name that the pods ask for.

use k8s_openapi::api::core::v1::{Container, Node};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Finding;

const WHAT: &str = "device";

/// Compares what the server's container asks for with what nodes have.
pub fn finding(server: Option<&Container>, nodes: &[Node]) -> Finding {
    let privileged = server
        .and_then(|server| server.security_context.as_ref())
        .is_some_and(|security| security.privileged == Some(true));
    let Some(name) = server.and_then(asked) else {
        return if privileged {
            Finding::ok(WHAT, "the nodes' own /dev/kvm, in privileged pods; a node without it starts none")
        } else {
            Finding::fail(WHAT, "the pods ask for none", "helm upgrade with device.mode=plugin or hostPath")
        };
    };
    let offering = nodes.iter().filter(|node| offers(node).any(|(other, _)| other == name)).count();
    let found = format!("{offering} of {} nodes offer {name}", nodes.len());
    if offering > 0 {
        return Finding::ok(WHAT, found);
    }
    // Another plugin's name for the same thing.
    let other = nodes.iter().flat_map(offers).map(|(name, _)| name).find(|name| name.ends_with("/kvm"));
    Finding::fail(
        WHAT,
        found,
        match other {
            Some(other) => format!("helm upgrade with device.resource={other}, which nodes offer"),
            None => "install a device plugin that offers it (KubeVirt's, for one) on nodes that have /dev/kvm, name \
                     another in device.resource, or set device.mode=hostPath (privileged pods)"
                .to_owned(),
        },
    )
}

/// The resource of a device plugin among a container's limits; those have names with a domain.
fn asked(container: &Container) -> Option<&str> {
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    limits.keys().map(String::as_str).find(|name| name.contains('/'))
}

/// Resources of which a node has some.
fn offers(node: &Node) -> impl Iterator<Item = (&str, &Quantity)> {
    let all = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let all = all.into_iter().flatten().map(|(name, amount)| (name.as_str(), amount));
    all.filter(|(_, amount)| amount.0 != "0")
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::object;
    use super::*;
    use serde_json::json;

    fn node(resource: &str, amount: &str) -> Node {
        object(json!({"status": {"allocatable": {"cpu": "4", resource: amount}}}))
    }

    #[test]
    fn nodes_that_offer_it_are_counted() {
        let server: Container = object(json!({"name": "server",
            "resources": {"limits": {"memory": "1Gi", "devices.kubevirt.io/kvm": "1"}}}));
        let judged = |nodes: &[Node]| finding(Some(&server), nodes);
        let some = judged(&[node("devices.kubevirt.io/kvm", "100"), node("x/y", "1")]);
        assert_eq!((some.verdict, &*some.found), (Verdict::Ok, "1 of 2 nodes offer devices.kubevirt.io/kvm"));
        assert_eq!(judged(&[node("devices.kubevirt.io/kvm", "0")]).verdict, Verdict::Fail);
        let other = judged(&[node("squat.ai/kvm", "1")]);
        assert!(other.verdict == Verdict::Fail && other.fix.contains("device.resource=squat.ai/kvm"));
    }

    #[test]
    fn without_a_plugin_the_pod_is_privileged() {
        let plain: Container = object(json!({"name": "server"}));
        assert_eq!(finding(Some(&plain), &[]).verdict, Verdict::Fail);
        let privileged: Container =
            object(json!({"name": "server", "securityContext": {"privileged": true}}));
        assert_eq!(finding(Some(&privileged), &[]).verdict, Verdict::Ok);
    }
}
