//! Events: what happened to an Image, for people who look at it with `kubectl describe`.
//!
//! An Event's name is made of what it says and of the minute in which it is said. So creating is all that is needed:
//! what is said again within the minute is there already, and no replica needs the right to change an Event.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::ImageObject;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::object::reference;
use crate::source::Note;

/// In whose name they are told.
const CONTROLLER: &str = "kontain-faas";
/// Longest name of a replica that the API server takes here.
const INSTANCE_MAX: usize = 128;
/// What is said again within this time is said once.
const ONCE: Duration = Duration::from_secs(60);
/// Hexadecimal digits of the hash in a name.
const DIGITS: usize = 16;

/// The Event about something that happened to an object, as a replica tells it at a time.
pub fn event(object: &ImageObject, note: &Note, replica: &str, now: SystemTime) -> Event {
    let kind = if note.warning { "Warning" } else { "Normal" };
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let minute = (since.as_secs() / ONCE.as_secs()).to_string();
    let mut hash = Sha256::new();
    for part in [&object.uid, replica, kind, &note.reason, &note.text, &minute] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digits = hex::encode(hash.finalize());
    let name = object.name.function();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{}", &digits[..DIGITS])),
            namespace: Some(object.name.namespace().to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(note.action.to_owned()),
        event_time: Some(MicroTime(Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH))),
        note: Some(note.text.clone()),
        reason: Some(note.reason.clone()),
        regarding: Some(reference(object)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(replica.chars().take(INSTANCE_MAX).collect()),
        type_: Some(kind.to_owned()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_same_is_said_once_a_minute() {
        let name = "default/hello".parse().unwrap();
        let (uid, spec, metadata) = ("1".to_owned(), Value::Null, Value::Null);
        let (problem, place, status) = (None, None, None);
        let object =
            ImageObject { name, uid, generation: 1, version: 1, spec, problem, place, metadata, status };
        let note = |text: &str| Note {
            warning: false,
            reason: "Pulled".to_owned(),
            text: text.to_owned(),
            action: "Pull",
        };
        let name = |text: &str, replica: &str, secs: u64| {
            let now = UNIX_EPOCH + Duration::from_secs(secs);
            event(&object, &note(text), replica, now).metadata.name.unwrap()
        };
        let first = name("one", "a", 120);
        assert!(first.starts_with("hello.") && first.len() == "hello.".len() + DIGITS, "{first}");
        assert_eq!(first, name("one", "a", 179));
        for other in [name("one", "a", 180), name("two", "a", 120), name("one", "b", 120)] {
            assert_ne!(first, other);
        }
    }
}
