//! Whether the pods could be placed, pulled and started; and if one is not ready, why.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use volume::readiness::JAIL_LACKS;

use super::Finding;

/// Why the image is not there, in the kubelet's words.
const PULL_REASONS: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Whether the nodes could pull the image.
pub fn image(pods: &[Pod]) -> Finding {
    let what = "image pull";
    let failed = statuses(pods).find_map(|status| {
        let (reason, message) = waiting(status)?;
        PULL_REASONS.contains(&reason).then(|| format!("{}: {reason} {message}", status.image))
    });
    if let Some(found) = failed {
        let fix = "push it there (skopeo copy oci:target/image:latest docker://…), correct image.repository and image.tag, \
                   or name a Secret in image.pullSecrets";
        return Finding::fail(what, found, fix);
    }
    match statuses(pods).find(|status| !status.image_id.is_empty()) {
        Some(status) => Finding::ok(what, status.image.clone()),
        None => Finding::warn(what, "no pod has come as far", "see what the other lines say"),
    }
}

fn statuses(pods: &[Pod]) -> impl Iterator<Item = &ContainerStatus> {
    pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten()
}

fn waiting(status: &ContainerStatus) -> Option<(&str, &str)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default()))
}

/// Those that should serve; pods on their way out and pods that were evicted do not count.
pub fn alive(pods: Vec<Pod>) -> Vec<Pod> {
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let counts = |pod: &Pod| {
        pod.metadata.deletion_timestamp.is_none() && !["Failed", "Succeeded"].contains(&&*phase(pod))
    };
    pods.into_iter().filter(counts).collect()
}

/// Whether a container runs without being ready: it can be asked why.
pub fn unready(pod: &Pod) -> impl Iterator<Item = &str> {
    let all = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
    let running = |status: &&ContainerStatus| {
        !status.ready && status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    all.unwrap_or_default().iter().filter(running).map(|status| status.name.as_str())
}

/// Whether a pod gets calls.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Why a pod is not ready, from its status and from what its containers answered; nothing when it is.
pub fn reason(pod: &Pod, answers: &[String]) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if is_ready(pod) {
        return None;
    }
    let unscheduled = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(condition) = unscheduled {
        return condition.message.clone().or_else(|| Some("no node was chosen".to_owned()));
    }
    let ended = statuses(std::slice::from_ref(pod)).find_map(|status| {
        let last = status.last_state.as_ref()?.terminated.as_ref()?;
        let told = last.message.as_deref().unwrap_or_default();
        let told = told.trim_end().lines().last().unwrap_or_default();
        Some(format!("{} ended with {}: {told}", status.name, last.exit_code))
    });
    let stuck = statuses(std::slice::from_ref(pod)).find_map(|status| {
        let (reason, message) = waiting(status)?;
        Some(format!("{} waits: {reason} {message}", status.name))
    });
    let answer = (!answers.is_empty()).then(|| answers.join("; "));
    answer.or(ended).or(stuck).or_else(|| Some("its containers are being started".to_owned()))
}

/// What pods that are ready say of their workers' jail: name and answer each.
pub fn jail(answers: &[(String, String)]) -> Finding {
    let what = "jail";
    let lacks = answers.iter().find_map(|(name, answer)| {
        let line = answer.lines().find(|line| line.contains(JAIL_LACKS))?;
        Some(format!("{name}: {line}"))
    });
    match lacks {
        Some(lacks) => Finding::warn(
            what,
            lacks,
            "nodes whose kernel has landlock and lets users make namespaces, and a seccomp profile of the pods that \
             allows unshare, mount, pivot_root and landlock",
        ),
        None if answers.is_empty() => {
            Finding::warn(what, "no server that is ready could be asked", "see what the other lines say")
        }
        None => Finding::ok(what, "holds in all its measures"),
    }
}

/// The finding from the reasons of those that are not ready.
pub fn finding(count: usize, reasons: &[(String, String)]) -> Finding {
    let what = "pods";
    let Some((name, reason)) = reasons.first() else {
        return if count == 0 {
            Finding::fail(
                what,
                "there are none",
                "kubectl describe replicasets: a quota or a policy may forbid them",
            )
        } else {
            Finding::ok(what, format!("{count} ready"))
        };
    };
    let found = format!("{} of {count} not ready; {name}: {reason}", reasons.len());
    let fix = if reason.contains("Insufficient") {
        "nodes with more room, or with a device plugin (see device)".to_owned()
    } else if reason.contains("/dev/kvm") && reason.to_lowercase().contains("permission") {
        "containerd with device_ownership_from_security_context = true, or the group of the nodes' /dev/kvm in device.groups"
            .to_owned()
    } else {
        format!("kubectl logs {name} --all-containers")
    };
    if reasons.len() == count { Finding::fail(what, found, fix) } else { Finding::warn(what, found, fix) }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::object;
    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> Pod {
        object(json!({"metadata": {"name": "p"}, "status": status}))
    }

    fn container(state: serde_json::Value) -> serde_json::Value {
        json!({"name": "server", "image": "r.example/kontain-faas:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": state})
    }

    #[test]
    fn a_failed_pull_is_told_with_the_image() {
        let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        let finding = image(&[pod(json!({"containerStatuses": [container(state)]}))]);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.found.contains("r.example/kontain-faas:1") && finding.found.contains("not found"));
        assert_eq!(image(&[]).verdict, Verdict::Warn);
    }

    #[test]
    fn what_keeps_a_pod_is_told() {
        let pending =
            pod(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "message": "0/1 nodes are available: 1 Insufficient devices.kubevirt.io/kvm."}]}));
        let why = reason(&pending, &[]).unwrap();
        let finding = finding(1, &[("p".to_owned(), why)]);
        assert!(
            finding.found.contains("Insufficient") && finding.fix.contains("device plugin"),
            "{finding:?}"
        );
        let running = pod(json!({"containerStatuses": [container(json!({"running": {}}))]}));
        assert_eq!(unready(&running).collect::<Vec<_>>(), ["server"]);
        assert_eq!(reason(&running, &["server: no /dev/kvm".to_owned()]).unwrap(), "server: no /dev/kvm");
        let ready = pod(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
        assert_eq!(reason(&ready, &[]), None);
    }

    #[test]
    fn gaps_in_the_jail_are_told() {
        let of = |answer: &str| jail(&[("p".to_owned(), answer.to_owned())]);
        assert_eq!(of("ready\n").verdict, Verdict::Ok);
        let finding = of("ready\nthe workers' jail lacks landlock (this kernel has no landlock)\n");
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.found.starts_with("p: the workers' jail lacks landlock"), "{finding:?}");
        assert_eq!(jail(&[]).verdict, Verdict::Warn);
    }

    #[test]
    fn pods_that_leave_do_not_count() {
        let gone: Pod =
            object(json!({"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        assert!(alive(vec![gone, pod(json!({"phase": "Failed"}))]).is_empty());
        assert_eq!(super::finding(0, &[]).verdict, Verdict::Fail);
    }
}
