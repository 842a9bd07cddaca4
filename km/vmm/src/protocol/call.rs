//! The JSON records that frames of a slot's stream carry.

use serde::{Deserialize, Serialize};

use super::text;

/// [`super::Kind::Boot`]: boot the program instead of cloning a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// How long the program may take to become ready.
    pub timeout_ms: u64,
    /// The machine's memory as the node has it.
    #[serde(default)]
    pub memory: Charged,
}

/// What the node has charged a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charged {
    /// The node's number of the machine, for [`super::Grown`]; 0 where nobody charges for memory.
    pub machine: u64,
    /// Bytes charged so far.
    pub bytes: u64,
}

/// [`super::Kind::Call`]: a client connects to the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Id of the call, for messages.
    pub call_id: String,
    /// Milliseconds from now until the machine is destroyed.
    pub deadline_ms: u64,
    /// Port of the program that the client connects to.
    pub port: u16,
    /// The machine's memory as the node has it.
    #[serde(default)]
    pub memory: Charged,
}

/// [`super::Kind::Prepared`]: a shell is there and waits for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// Time to make the machine, in microseconds.
    pub create_us: u64,
    /// Time to touch the working set in it, in microseconds.
    pub prerun_us: u64,
    /// How many pages of the working set were touched.
    pub touched_pages: u64,
}

/// [`super::Kind::Ready`]: the program waits for a connection (or, with snapshot mode `start`, for its first
/// instruction).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Time since the machine was asked for (or since the last Finish), in microseconds.
    pub ready_us: u64,
    /// Where the program listens.
    pub ports: Vec<ListeningPort>,
    /// Threads of the program.
    pub threads: u32,
}

/// A listening socket of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListeningPort {
    /// TCP port on which the program listens.
    pub port: u16,
    /// A blocked thread waits for it.
    pub awaited: bool,
}

/// [`super::Kind::NotReady`]: the program did not become ready; the machine is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotReady {
    /// Why it did not, for machines.
    pub reason: NotReadyReason,
    /// One line for people that names the fix; cut when it is sent.
    #[serde(serialize_with = "text::short")]
    pub message: String,
    /// Where the program listens instead.
    pub ports: Vec<u16>,
}

/// Why a program did not become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotReadyReason {
    /// It waits, but on no listening socket.
    NotListening,
    /// It listens on another port.
    WrongPort,
    /// It listens, but works all the time.
    NeverIdle,
    /// It waits, but not for its standard input.
    NotReading,
    /// It ended, by itself or by a signal.
    Exited,
    /// The machine broke: a fault in the library OS, a triple fault, a refused hypercall, no memory.
    Fault,
    /// The node has no memory left for what it needs.
    NodeMemory,
}

/// [`super::Kind::Started`]: the first instruction of the call is about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// Time since the call was taken, in microseconds.
    pub boot_us: u64,
}

/// [`super::Kind::Snapshotted`]: the snapshot file is written and complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshotted {
    /// Length of the file; most of it may be holes.
    pub file_bytes: u64,
    /// Bytes in it that are not holes.
    pub data_bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub content_digest: String,
    /// Time to write it, in microseconds.
    pub write_us: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The machine came to rest after [`super::Kind::Finish`].
    Idle,
    /// The machine still worked when its time after [`super::Kind::Finish`] was over.
    Closed,
    /// The program called exit(2).
    Exited {
        /// Its exit status.
        status: u8,
    },
    /// A signal ended the program.
    Signaled {
        /// Number of the signal.
        signal: u8,
    },
    /// The machine broke: nothing that the program did is its end.
    Fault {
        /// One line, with the registers where there are any; cut when it is sent.
        #[serde(serialize_with = "text::short")]
        message: String,
    },
    /// [`Call::deadline_ms`] was over.
    Deadline,
    /// The server cancelled it.
    Cancelled,
    /// The library OS ran out of memory.
    OutOfMemory,
    /// The machine grew beyond what it was charged, and the node had no memory left.
    NodeOutOfMemory,
}

/// [`super::Kind::Ended`]: the call is over and its machine is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// How the call ended.
    pub outcome: Outcome,
    /// Call taken → first guest instruction of the call, in microseconds.
    pub boot_us: u64,
    /// Call taken → first byte of the response, in microseconds; nothing when there was none.
    pub first_byte_us: Option<u64>,
    /// Call taken → the machine stopped for good, in microseconds.
    pub run_us: u64,
    /// Time to destroy the machine, in microseconds.
    pub teardown_us: u64,
    /// Pages that the call (and the pre-run) wrote.
    pub dirty_pages: u64,
    /// Pages that the machine had mapped, written ones included.
    pub touched_pages: u64,
    /// Exits to the monitor.
    pub exits: u64,
    /// Page faults of the host that the call waited for: pages that no pre-run had shown to its machine.
    #[serde(default)]
    pub page_faults: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Frame, Kind};

    fn ended(outcome: Outcome) -> Ended {
        Ended {
            outcome,
            boot_us: 9,
            first_byte_us: None,
            run_us: 3,
            teardown_us: 400,
            dirty_pages: 10,
            touched_pages: 70,
            exits: 5,
            page_faults: 2,
        }
    }

    #[test]
    fn records_survive_the_wire() {
        let ended = ended(Outcome::Signaled { signal: 11 });
        let frame = Frame::json(Kind::Ended, &ended).unwrap();
        assert_eq!(frame.record::<Ended>().unwrap(), ended);
        assert!(frame.record::<Prepared>().is_err());
        let text = String::from_utf8(frame.payload).unwrap();
        assert!(text.starts_with(r#"{"outcome":{"type":"signaled","signal":11},"boot_us":9,"#), "{text}");
    }

    #[test]
    fn words_of_any_length_fit_in_their_frame() {
        // JSON writes six bytes for each of these.
        let words = "\u{1}".repeat(1 << 20);
        let outcome = Outcome::Fault { message: format!("it broke: {words} at last") };
        let frame = Frame::json(Kind::Ended, &ended(outcome)).unwrap();
        let Outcome::Fault { message } = frame.record::<Ended>().unwrap().outcome else {
            panic!("{frame:?}")
        };
        assert!(message.starts_with("it broke: ") && message.ends_with(" at last"), "{message:?}");
        let not_ready = NotReady { reason: NotReadyReason::Fault, message: words, ports: vec![] };
        let frame = Frame::json(Kind::NotReady, &not_ready).unwrap();
        assert_eq!(frame.record::<NotReady>().unwrap().reason, NotReadyReason::Fault);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let frame = Frame::new(Kind::Call, br#"{"call_id":"x","deadline_ms":1,"port":70000}"#.to_vec());
        assert!(frame.record::<Call>().is_err());
    }
}
