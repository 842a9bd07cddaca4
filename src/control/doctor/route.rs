//! Whether calls come in: an Ingress or a route of the Gateway API, and a controller that serves it.

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::core::DynamicObject;

use super::Finding;

const WHAT: &str = "ingress";
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Where an Ingress can be reached: scheme, address, and the host to ask for.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is `https`.
    pub tls: bool,
    /// Name or number of the controller's end.
    pub peer: String,
    /// The host of the calls.
    pub host: String,
}

/// The finding for an Ingress, or where to try it.
pub fn ingress(one: &Ingress, classes: &[IngressClass]) -> Result<Address, Finding> {
    class(one, classes)?;
    let spec = one.spec.clone().unwrap_or_default();
    let status = one.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let first = status.and_then(|balancer| balancer.ingress.as_ref()).and_then(|all| all.first());
    let Some(peer) = first.and_then(|one| one.ip.clone().or_else(|| one.hostname.clone())) else {
        let fix = "look at the ingress controller's log; where it gives no addresses, call its Service with the host's name";
        return Err(Finding::warn(WHAT, "no controller has given the Ingress an address", fix));
    };
    let host = spec.rules.iter().flatten().find_map(|rule| rule.host.clone()).unwrap_or_else(|| peer.clone());
    Ok(Address { tls: spec.tls.iter().flatten().next().is_some(), peer, host })
}

/// Fails when no controller can feel addressed.
fn class(one: &Ingress, classes: &[IngressClass]) -> Result<(), Finding> {
    let names = || classes.iter().filter_map(|class| class.metadata.name.as_deref()).collect::<Vec<_>>();
    let install =
        "install an ingress controller, or turn to the Gateway API with gateway.enabled=true".to_owned();
    let choose = |names: &[&str]| match names {
        [] => install.clone(),
        names => format!("helm upgrade with ingress.className={}", names.join(" or ")),
    };
    match one.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref()) {
        Some(name) if !names().contains(&name) => {
            Err(Finding::fail(WHAT, format!("there is no class {name}"), choose(&names())))
        }
        None if !classes.iter().any(is_default) => {
            Err(Finding::fail(WHAT, "the cluster has no default class", choose(&names())))
        }
        _ => Ok(()),
    }
}

fn is_default(class: &IngressClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|value| value == "true")
}

/// The finding for a route of the Gateway API.
pub fn http_route(route: &DynamicObject) -> Finding {
    let parents = route.data["status"]["parents"].as_array().cloned().unwrap_or_default();
    if parents.is_empty() {
        let fix = "name a Gateway of this cluster in gateway.parentRefs, and see its controller's log";
        return Finding::fail(WHAT, "no gateway has taken the HTTPRoute", fix);
    }
    for parent in &parents {
        let conditions = parent["conditions"].as_array().cloned().unwrap_or_default();
        if let Some(refused) = conditions.iter().find(|condition| condition["status"] == "False") {
            let (kind, told) = (&refused["type"], refused["message"].as_str().unwrap_or_default());
            let gateway = parent["parentRef"]["name"].as_str().unwrap_or_default();
            let found = format!("gateway {gateway}: not {}: {told}", kind.as_str().unwrap_or_default());
            return Finding::fail(
                WHAT,
                found,
                "correct gateway.parentRefs, or allow the namespace in the Gateway's listener",
            );
        }
    }
    Finding::ok(WHAT, format!("an HTTPRoute that {} gateways have taken", parents.len()))
}

/// The finding for a Service that neither an Ingress nor an HTTPRoute leads to.
pub fn none(service: &str) -> Finding {
    Finding::warn(
        WHAT,
        format!("none; calls reach Service {service} from within the cluster"),
        "helm upgrade with ingress.enabled=true or gateway.enabled=true",
    )
}

/// What an Ingress answered when it was tried.
pub fn tried(address: &Address, answer: &Result<u16, String>) -> Finding {
    let scheme = if address.tls { "https" } else { "http" };
    let url = format!("{scheme}://{} at {}", address.host, address.peer);
    match answer {
        Ok(200) => Finding::ok(WHAT, format!("{url} answers")),
        Ok(status) => {
            let fix = "502 and 503 mean that no pod is ready, 404 that the controller does not follow this Ingress: see its log";
            Finding::fail(WHAT, format!("{url} answers {status}"), fix)
        }
        Err(error) => Finding::warn(
            WHAT,
            format!("{url} cannot be reached from here: {error}"),
            "try from where your callers are; the controller's port may be closed, or be another one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::object;
    use super::*;
    use serde_json::json;

    fn made(class: Option<&str>, address: &serde_json::Value) -> Ingress {
        object(json!({"spec": {"ingressClassName": class, "rules": [{"host": "fn.example"}]},
            "status": {"loadBalancer": {"ingress": address}}}))
    }

    #[test]
    fn a_class_must_be_there() {
        let some = json!([{"ip": "10.0.0.1"}]);
        let plain: IngressClass = object(json!({"metadata": {"name": "nginx"}}));
        let default: IngressClass =
            object(json!({"metadata": {"name": "traefik", "annotations": {DEFAULT_CLASS: "true"}}}));
        let refused = ingress(&made(None, &some), std::slice::from_ref(&plain)).unwrap_err();
        assert!(refused.verdict == Verdict::Fail && refused.fix.contains("ingress.className=nginx"));
        assert_eq!(ingress(&made(Some("other"), &some), &[]).unwrap_err().verdict, Verdict::Fail);
        let address = ingress(&made(None, &some), &[plain, default]).unwrap();
        assert_eq!((&*address.peer, &*address.host, address.tls), ("10.0.0.1", "fn.example", false));
        assert_eq!(tried(&address, &Ok(200)).verdict, Verdict::Ok);
        assert_eq!(tried(&address, &Ok(503)).verdict, Verdict::Fail);
        assert_eq!(tried(&address, &Err("closed".to_owned())).verdict, Verdict::Warn);
    }

    #[test]
    fn an_address_must_be_given() {
        let class: IngressClass = object(json!({"metadata": {"name": "nginx"}}));
        assert_eq!(ingress(&made(Some("nginx"), &json!([])), &[class]).unwrap_err().verdict, Verdict::Warn);
    }

    #[test]
    fn a_route_must_be_taken() {
        let route = |parents: serde_json::Value| {
            let value = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {},
                "status": {"parents": parents}});
            http_route(&object(value)).verdict
        };
        assert_eq!(route(json!([])), Verdict::Fail);
        let parent = |status: &str| json!([{"parentRef": {"name": "edge"}, "conditions": [{"type": "Accepted", "status": status}]}]);
        assert_eq!(route(parent("True")), Verdict::Ok);
        assert_eq!(route(parent("False")), Verdict::Fail);
    }
}
