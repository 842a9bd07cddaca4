//! The chart's rights are the ones that the downloader needs: without any of them something stops and is named, and
//! whatever else is asked in its name is refused.

use crate::common::apiserver::ApiServer;
use crate::common::registry::{Registry, USER};
use crate::kit::{Pod, image, prepare, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

/// All that it may do with resources: in every namespace, in those whose Secrets it was given, and in that of the installation.
const ANYWHERE: [&str; 6] = [
    "nodes list",
    "nodes watch",
    "events.events.k8s.io create",
    "images.build.kontain.app list",
    "images.build.kontain.app watch",
    "images.build.kontain.app/status patch",
];
const WHERE_IMAGES_NAME_SECRETS: [&str; 1] = ["secrets get"];
/// What it follows so that no function reaches the API server.
const OF_API_SERVER: [&str; 4] = [
    "endpointslices.discovery.k8s.io list",
    "endpointslices.discovery.k8s.io watch",
    "services list",
    "services watch",
];
const AT_HOME: [&str; 1] = ["pods get"];
/// What anybody may do who has a name: ask who he is, and what he may do.
const ANYBODY: &str = "selfsubject";

/// The role that has a right, as kubectl names it.
fn role_of(right: &str) -> [&'static str; 4] {
    if AT_HOME.contains(&right) {
        ["role", "kontain-faas-downloader-pods", "--namespace", "kontain-faas"]
    } else if WHERE_IMAGES_NAME_SECRETS.contains(&right) {
        ["clusterrole", "kontain-faas-secrets", "--namespace", "kontain-faas"]
    } else if OF_API_SERVER.contains(&right) {
        ["role", "kontain-faas-downloader-api-server", "--namespace", "default"]
    } else if right.starts_with("nodes ") {
        ["clusterrole", "kontain-faas-nodes", "--namespace", "kontain-faas"]
    } else {
        ["clusterrole", "kontain-faas-downloader", "--namespace", "kontain-faas"]
    }
}

/// Takes a verb out of the role that has it.
fn take_away(api: &ApiServer, right: &str) {
    let (resource, verb) = right.split_once(' ').expect("a resource and a verb");
    let (name, group) = match resource.split_once('/') {
        Some((whole, part)) => (format!("{}/{part}", whole.split('.').next().unwrap_or_default()), whole),
        None => (resource.split('.').next().unwrap_or_default().to_owned(), resource),
    };
    let group = group.split_once('.').map_or("", |(_, group)| group);
    let [kind, role, option, namespace] = role_of(right);
    let text = api.kubectl(&["get", kind, role, option, namespace, "-o", "json"]);
    let mut object: Value = serde_json::from_str(&text).expect("JSON");
    let rules = object["rules"].as_array_mut().expect("a role has rules");
    let rule = rules
        .iter_mut()
        .find(|rule| rule["apiGroups"][0] == group && rule["resources"][0] == name.as_str())
        .unwrap_or_else(|| panic!("no rule for {right}"));
    let verbs = rule["verbs"].as_array_mut().expect("a rule has verbs");
    let before = verbs.len();
    verbs.retain(|known| known != verb);
    assert_eq!(verbs.len(), before - 1, "{right} is not given");
    // A rule without a verb is none.
    rules.retain(|rule| rule["verbs"] != Value::Array(Vec::new()));
    api.kubectl_with(&["replace", "-f", "-"], &object.to_string());
}

/// What the API server lets the downloader do in a namespace: `resource verb`, once for each verb.
fn allowed(api: &ApiServer, namespace: &str) -> BTreeSet<String> {
    let list = api.try_kubectl("downloader", &["auth", "can-i", "--list", "--namespace", namespace], "");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let mut found = BTreeSet::new();
    for line in list.lines().skip(1) {
        let verbs = line.rsplit_once('[').map_or("", |(_, verbs)| verbs.trim_end_matches(']'));
        match line.split_whitespace().next().unwrap_or_default() {
            // Paths that are no resources: what there is may be read, as by anybody.
            path if path.starts_with('[') => assert_eq!(verbs, "get", "{line}"),
            resource if resource.starts_with(ANYBODY) => {}
            resource => found.extend(verbs.split_whitespace().map(|verb| format!("{resource} {verb}"))),
        }
    }
    found
}

fn set(rights: &[&[&str]]) -> BTreeSet<String> {
    rights.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn each_right_is_needed() {
    let Some(api) = ApiServer::start_or_skip("rights that are missing") else { return };
    prepare(&api);
    let registry = Registry::open();
    registry.push("app:1", "one", "amd64");
    let app = registry.reference("app:1");
    let (server, user, password) = (
        format!("--docker-server={}", registry.host),
        format!("--docker-username={}", USER.0),
        format!("--docker-password={}", USER.1),
    );
    api.kubectl(&["create", "secret", "docker-registry", "pull", &server, &user, &password]);
    let mut pod = Pod::new(&api);
    let options = ["--insecure-registry", registry.host.as_str()];
    let mut tried = BTreeSet::new();
    let mut without = |right: &str, provoke: &mut dyn FnMut()| {
        take_away(&api, right);
        tried.insert(right.to_owned());
        provoke();
        crate::kit::grant(&api);
    };
    let logged = |pod: &Pod<'_>, words: &str| {
        wait_for(&format!("{words:?} in the log"), || pod.logs().contains(words).then_some(()));
    };

    without("images.build.kontain.app list", &mut || {
        pod.download(api.address, &options);
        let told = wait_for("why it is not ready", || {
            Some(pod.health("/readyz"))
                .filter(|(status, text)| *status == 503 && text.contains("cannot list"))
        });
        assert!(told.1.contains("images"), "{}", told.1);
    });
    wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));

    // A watch that runs is not asked again; the next one is.
    without("images.build.kontain.app watch", &mut || logged(&pod, "cannot watch resource"));
    api.apply(&image("watched", &app, ""));
    pod.condition("watched", "Pulled", "True");

    without("secrets get", &mut || {
        api.apply(&image("private", &app, "  imagePullSecrets: [{name: pull}]\n"));
        let told = pod.condition("private", "Pulled", "False");
        assert_eq!(told["reason"], "Forbidden", "{told}");
        assert!(told["message"].as_str().unwrap_or_default().contains("create rolebinding"), "{told}");
    });
    pod.condition("private", "Pulled", "True");

    without("images.build.kontain.app/status patch", &mut || {
        api.apply(&image("untold", &app, ""));
        logged(&pod, "cannot patch resource \\\"images/status\\\"");
        assert!(pod.image("untold").expect("it is there")["status"]["conditions"].is_null());
    });
    pod.condition("untold", "Pulled", "True");

    without("events.events.k8s.io create", &mut || {
        api.apply(&image("silent", &app, ""));
        logged(&pod, "cannot create resource \\\"events\\\"");
        // Nothing waits for an Event.
        pod.condition("silent", "Pulled", "True");
    });

    // Whom functions must not reach: told of once, and nothing waits for it.
    let of_nodes = ["nodes list", "nodes watch"];
    for right in of_nodes.into_iter().chain(OF_API_SERVER) {
        without(right, &mut || {
            let mut other = Pod::named(&api, "pod-c");
            other.download(api.address, &options);
            let (resource, verb) = right.split_once(' ').expect("a resource and a verb");
            let resource = resource.split('.').next().unwrap_or_default();
            logged(&other, &format!("cannot {verb} resource \\\"{resource}\\\""));
            logged(&other, "name them with --egress-own");
        });
    }
    let service = api.kubectl(&["get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"]);
    wait_for("the address of the API server on the volume", || {
        let known = std::fs::read_to_string(pod.volume().join("cluster-addresses.json")).ok()?;
        known.contains(&format!("\"{service}\"")).then_some(())
    });

    // The entry of a replica whose pod nobody knows goes as soon as this may be asked.
    without("pods get", &mut || {
        let mut other = Pod::named(&api, "pod-b");
        other.download(api.address, &options);
        wait_for("the entry of the other replica", || {
            pod.image("watched")?["status"]["replicas"].to_string().contains("pod-b").then_some(())
        });
        drop(other);
        logged(&pod, "cannot get resource \\\"pods\\\"");
        let replicas = pod.image("watched").expect("it is there")["status"]["replicas"].to_string();
        assert!(replicas.contains("pod-b"), "{replicas}");
    });
    wait_for("the end of the entry", || {
        let replicas = pod.image("watched")?["status"]["replicas"].to_string();
        (!replicas.contains("pod-b")).then_some(())
    });
    let all = set(&[&ANYWHERE, &OF_API_SERVER, &WHERE_IMAGES_NAME_SECRETS, &AT_HOME]);
    assert_eq!(tried, all, "each right is tried");
}

#[test]
fn what_is_not_needed_is_refused() {
    let Some(api) = ApiServer::start_or_skip("rights that are refused") else { return };
    prepare(&api);
    assert_eq!(allowed(&api, "default"), set(&[&ANYWHERE, &OF_API_SERVER, &WHERE_IMAGES_NAME_SECRETS]));
    // Whoever takes the downloader over reads no Secret of a namespace that did not give it any.
    assert_eq!(allowed(&api, "kube-system"), set(&[&ANYWHERE]));
    assert_eq!(allowed(&api, "kontain-faas"), set(&[&ANYWHERE, &AT_HOME]));

    // Not only in words: the requests themselves.
    api.apply(&image("app", "r.example/app:1", ""));
    let before = api.kubectl(&["get", "kimg", "app", "-o", "json"]);
    api.kubectl(&["create", "secret", "generic", "a", "--from-literal=b=c"]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: kontain-faas}\nspec: {containers: [{name: a, image: a}]}\n";
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
        subjects: [{kind: ServiceAccount, name: kontain-faas, namespace: kontain-faas}]\n";
    api.kubectl(&["create", "secret", "generic", "a", "--from-literal=b=c", "--namespace", "kube-system"]);
    let requests: [(&[&str], &str); 17] = [
        (&["get", "secret", "a", "--namespace", "kube-system"], ""),
        (&["get", "secrets", "--all-namespaces"], ""),
        (&["get", "secrets"], ""),
        (&["delete", "secret", "a"], ""),
        (&["create", "secret", "generic", "b"], ""),
        (&["get", "kimg", "app"], ""),
        (&["delete", "kimg", "app"], ""),
        (&["patch", "kimg", "app", "--type=merge", "-p", r#"{"spec":{"image":"r.example/evil:1"}}"#], ""),
        (&["create", "-f", "-"], &image("evil", "r.example/evil:1", "")),
        (&["get", "pods", "--namespace", "kontain-faas"], ""),
        (&["get", "pod", "a", "--namespace", "default"], ""),
        (&["create", "-f", "-"], pod),
        (&["create", "-f", "-"], binding),
        (&["get", "events"], ""),
        (&["get", "configmaps", "--namespace", "kontain-faas"], ""),
        (&["delete", "node", "a"], ""),
        (&["create", "token", "kontain-faas", "--namespace", "kontain-faas"], ""),
    ];
    for (words, input) in requests {
        let ended = api.try_kubectl("downloader", words, input);
        let said = String::from_utf8_lossy(&ended.stderr).to_lowercase();
        assert!(ended.status != 0 && said.contains("forbidden"), "{words:?} {input}: {said}");
    }
    assert_eq!(api.kubectl(&["get", "kimg", "app", "-o", "json"]), before);
    // What it may, it can: read a secret whose name it was told.
    let secret = api.try_kubectl("downloader", &["get", "secret", "a", "-o", "name"], "");
    assert_eq!(secret.status, 0, "{}", String::from_utf8_lossy(&secret.stderr));
}
