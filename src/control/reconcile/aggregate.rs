//! What the replicas' entries say together. Whoever computes it gets the same, so that any replica may write it.

use std::collections::BTreeMap;

use api::FailureReason;
use api::status::{BAKED, Condition, ImageStatus, PULLED, READY, Replica, ReplicaPhase, SERVED, Truth};

/// The part of the status that all replicas own together.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Pulled, Baked and Ready.
    pub conditions: Vec<Condition>,
    /// What is served now.
    pub digest: Option<String>,
    /// One line for people.
    pub message: String,
}

/// Computes it. Times of conditions that did not change are kept from `old`; others get `now`.
pub fn aggregate(replicas: &[Replica], generation: i64, old: &[Condition], now: &str) -> Aggregate {
    let mut replicas: Vec<&Replica> = replicas.iter().collect();
    replicas.sort_by(|a, b| a.name.cmp(&b.name));
    let conditions = [PULLED, BAKED, READY].map(|kind| condition(kind, &replicas, generation, old, now));
    let message = conditions[2].message.clone();
    Aggregate { conditions: conditions.to_vec(), digest: digest(&replicas), message }
}

impl Aggregate {
    /// Whether the status says this already.
    pub fn is_in(&self, status: &ImageStatus) -> bool {
        let mut known = status.conditions.clone();
        known.retain(|condition| [PULLED, BAKED, READY].contains(&condition.kind.as_str()));
        known.sort_by_key(|condition| order(&condition.kind));
        known == self.conditions
            && status.digest == self.digest
            && status.message.as_deref() == Some(self.message.as_str())
    }
}

fn order(kind: &str) -> usize {
    [PULLED, BAKED, READY].iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}

fn condition(kind: &str, replicas: &[&Replica], generation: i64, old: &[Condition], now: &str) -> Condition {
    let judged: Vec<(Truth, &Replica)> =
        replicas.iter().map(|replica| (truth(kind, replica, generation), *replica)).collect();
    // One that fails counts more than one that does not know yet, and that more than all that are well.
    let worst = [Truth::False, Truth::Unknown, Truth::True]
        .into_iter()
        .find_map(|truth| judged.iter().find(|(judged, _)| *judged == truth));
    let (status, reason, message) = match worst {
        None => (Truth::Unknown, "NoReplica".to_owned(), "no replica works on this".to_owned()),
        Some((Truth::True, replica)) => (Truth::True, kind.to_owned(), good_message(kind, replica)),
        Some((truth, replica)) if replica.observed_generation != generation => {
            (*truth, "Waiting".to_owned(), on(replicas, replica, "has not seen this version yet"))
        }
        Some((truth, replica)) => (*truth, replica.reason.clone(), on(replicas, replica, &replica.message)),
    };
    let reason = if reason.is_empty() { "Unknown".to_owned() } else { reason };
    let before = old.iter().find(|condition| condition.kind == kind && condition.status == status);
    let last_transition_time =
        before.map_or_else(|| now.to_owned(), |condition| condition.last_transition_time.clone());
    Condition {
        kind: kind.to_owned(),
        status,
        observed_generation: generation,
        last_transition_time,
        reason,
        message,
    }
}

/// What a replica's phase means for a condition.
fn truth(kind: &str, replica: &Replica, generation: i64) -> Truth {
    use ReplicaPhase::{BakeFailed, Baking, PullFailed, Pulling, Ready, Stale};
    if replica.observed_generation != generation {
        return Truth::Unknown;
    }
    match (kind, replica.phase) {
        // Served by cold boots.
        (BAKED, Ready) if FailureReason::Disk.is(&replica.reason) => Truth::False,
        (_, Ready) | (PULLED, Baking | BakeFailed) | (BAKED | READY, Stale) => Truth::True,
        (PULLED, PullFailed | Stale) | (BAKED, BakeFailed) | (READY, PullFailed | BakeFailed) => Truth::False,
        (_, Pulling | Baking | PullFailed | BakeFailed | Stale) => Truth::Unknown,
    }
}

fn good_message(kind: &str, replica: &Replica) -> String {
    match kind {
        PULLED => "the image is on the volume".to_owned(),
        BAKED => "the program is ready to be called".to_owned(),
        // A replica that serves the newest that it can have says what it cannot.
        _ if replica.message.is_empty() => SERVED.to_owned(),
        _ => replica.message.clone(),
    }
}

/// The replica's message; with its name where there are several.
fn on(replicas: &[&Replica], replica: &Replica, message: &str) -> String {
    if replicas.len() > 1 { format!("{}: {message}", replica.name) } else { message.to_owned() }
}

/// The digest that most replicas serve; of several, that of the first replica.
fn digest(replicas: &[&Replica]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for digest in replicas.iter().filter_map(|replica| replica.digest.as_deref()) {
        *counts.entry(digest).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let served = replicas.iter().filter_map(|replica| replica.digest.as_deref());
    served.into_iter().find(|digest| counts[digest] == most).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReplicaPhase::{BakeFailed, Baking, PullFailed, Ready, Stale};

    fn replica(name: &str, phase: ReplicaPhase, generation: i64) -> Replica {
        Replica {
            name: name.into(),
            digest: Some("sha256:a".into()),
            phase,
            reason: format!("{phase:?}"),
            message: format!("{phase:?} on it"),
            observed_generation: generation,
        }
    }

    fn of(replicas: &[Replica], generation: i64) -> [(Truth, String); 3] {
        let found = aggregate(replicas, generation, &[], "now").conditions;
        [0, 1, 2].map(|index| (found[index].status, found[index].message.clone()))
    }

    #[test]
    fn the_worst_replica_counts() {
        let all = [replica("b", Ready, 2), replica("a", BakeFailed, 2)];
        let found = of(&all, 2);
        assert_eq!((found[0].0, found[1].0, found[2].0), (Truth::True, Truth::False, Truth::False));
        assert_eq!(found[2].1, "a: BakeFailed on it");
        assert_eq!(of(&[replica("a", Ready, 2)], 2)[2].0, Truth::True);
        assert_eq!(
            of(&[replica("a", PullFailed, 2)], 2).map(|one| one.0),
            [Truth::False, Truth::Unknown, Truth::False]
        );
        assert_eq!(
            of(&[replica("a", Stale, 2)], 2).map(|one| one.0),
            [Truth::False, Truth::True, Truth::True]
        );
        let unbaked = Replica { reason: FailureReason::Disk.word().to_owned(), ..replica("a", Ready, 2) };
        assert_eq!(of(&[unbaked], 2).map(|one| one.0), [Truth::True, Truth::False, Truth::True]);
        assert_eq!(of(&[], 1)[2].0, Truth::Unknown);
    }

    #[test]
    fn an_older_version_says_nothing_about_this_one() {
        let found = of(&[replica("a", Ready, 1), replica("b", Baking, 2)], 2);
        assert_eq!(found[2], (Truth::Unknown, "a: has not seen this version yet".into()));
    }

    #[test]
    fn times_change_with_the_status_alone_and_order_does_not_matter() {
        let (a, b) = (replica("a", Ready, 1), replica("b", Ready, 1));
        let first = aggregate(&[a.clone(), b.clone()], 1, &[], "then");
        let second = aggregate(&[b, a.clone()], 1, &first.conditions, "now");
        assert_eq!(first, second);
        let status = ImageStatus {
            conditions: first.conditions.iter().rev().cloned().collect(),
            digest: first.digest.clone(),
            message: Some(first.message.clone()),
            replicas: Vec::new(),
        };
        assert!(second.is_in(&status));
        let failed = aggregate(&[Replica { phase: BakeFailed, ..a }], 1, &first.conditions, "now");
        assert_eq!(failed.conditions[2].last_transition_time, "now");
        assert_eq!(failed.conditions[0].last_transition_time, "then");
        assert!(!failed.is_in(&status));
    }
}
