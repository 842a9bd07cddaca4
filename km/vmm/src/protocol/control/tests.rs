//! Control messages: limits, versions, and what is refused.

use super::*;
use crate::boot::strings::{ALL_MAX, STRING_MAX};
use proptest::prelude::*;

fn function() -> FunctionSpec {
    FunctionSpec {
        name: "default/hello".into(),
        snapshot_key: "00".repeat(32),
        memory_bytes: 64 << 20,
        wire: Wire::Http,
        port: 8080,
        process: ProcessSpec { args: vec!["/hello".into()], cwd: "/".into(), ..ProcessSpec::default() },
        snapshot: SnapshotMode::Ready,
    }
}

fn assign() -> Assign {
    function().to_serve(GivenSnapshot::Unverified)
}

#[test]
fn descriptors_follow_from_what_a_worker_is_given() {
    let without = FunctionSpec { snapshot: SnapshotMode::None, ..function() };
    let cases = [
        (function().to_serve(GivenSnapshot::Nothing), Role::Serve, 1, false),
        (function().to_serve(GivenSnapshot::Unverified), Role::Serve, 2, false),
        (function().to_serve(GivenSnapshot::Verified), Role::Serve, 2, true),
        (function().to_bake(), Role::Bake, 2, false),
        (without.to_bake(), Role::Bake, 1, false),
    ];
    for (assign, role, fds, verified) in cases {
        assert_eq!((assign.role, assign.fd_count(), assign.verified), (role, fds, verified));
        check_assign(&assign).unwrap();
    }
}

#[test]
fn messages_survive_the_wire() {
    let messages = [
        ToWorker::Assign(Box::new(assign())),
        ToWorker::Slot { index: 7, has_broker: false },
        ToWorker::Slot { index: 0, has_broker: true },
        ToWorker::NoMemory { machine: u64::MAX },
        ToWorker::Shutdown,
    ];
    for message in messages {
        let bytes = message.encode().unwrap();
        assert_eq!(ToWorker::decode(&bytes).unwrap(), message);
    }
    let refused = FromWorker::Refused(Refused { reason: RefusedReason::Snapshot, message: "flipped".into() });
    assert_eq!(FromWorker::decode(&refused.encode().unwrap()).unwrap(), refused);
    let grown = FromWorker::Grown(Grown { machine: 1, bytes: 1 << 30 });
    assert_eq!(FromWorker::decode(&grown.encode().unwrap()).unwrap(), grown);
}

#[test]
fn the_longest_page_list_fits_in_a_packet_and_a_longer_one_is_refused() {
    let list = vec![0xff; page_list::BYTES_MAX];
    let learned = FromWorker::Learned(Learned::new(&list));
    let bytes = learned.encode().unwrap();
    let FromWorker::Learned(learned) = FromWorker::decode(&bytes).unwrap() else { panic!("{bytes:?}") };
    assert_eq!(learned.bytes().unwrap(), list);
    let assign = ToWorker::Assign(Box::new(assign().with(Some(learned))));
    assert_eq!(ToWorker::decode(&assign.encode().unwrap()).unwrap(), assign);

    let long = FromWorker::Learned(Learned::new(&vec![0; page_list::BYTES_MAX + 3]));
    assert!(matches!(FromWorker::decode(&long.encode().unwrap()), Err(ControlError::Field("pages"))));
    assert_eq!(Learned { pages: "no base64".into() }.bytes(), None);
}

#[test]
fn fields_out_of_bounds_are_refused() {
    let wrong: [fn(&mut Assign); 7] = [
        |a| a.function.memory_bytes = 1,
        |a| a.function.memory_bytes += 1,
        |a| a.function.memory_bytes = u64::MAX,
        |a| a.function.port = 0,
        |a| a.function.process.args.clear(),
        |a| a.function.name = "x".repeat(TEXT_MAX + 1),
        |a| a.learned = Some(Learned::new(&vec![0; 2 * page_list::BYTES_MAX])),
    ];
    for change in wrong {
        let mut assign = assign();
        change(&mut assign);
        let bytes = ToWorker::Assign(Box::new(assign)).encode().unwrap();
        assert!(matches!(ToWorker::decode(&bytes), Err(ControlError::Field(_))));
    }
    assert!(ToWorker::decode(br#"{"type":"slot","index":8}"#).is_err());
    assert!(ToWorker::decode(br#"{"type":"format"}"#).is_err());
}

fn hello() -> Hello {
    let measure = |name: &str| Measure { name: name.to_owned(), missing: None };
    let measures = [REQUIRED_MEASURES[0], "landlock", REQUIRED_MEASURES[1]].map(measure).into();
    Hello { protocol_version: PROTOCOL_VERSION, jail: Jail { measures }, ..Hello::default() }
}

fn decoded(hello: &Hello) -> Result<FromWorker, ControlError> {
    FromWorker::decode(&FromWorker::Hello(hello.clone()).encode().unwrap())
}

#[test]
fn a_worker_without_its_filters_is_refused_and_told_why() {
    for name in REQUIRED_MEASURES {
        let mut open = hello();
        let at = open.jail.measures.iter().position(|measure| measure.name == name).unwrap();
        open.jail.measures[at].missing = Some("Operation not permitted".into());
        let error = decoded(&open).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is refused (Operation not permitted)")), "{error}");
        open.jail.measures.remove(at);
        assert!(matches!(decoded(&open), Err(ControlError::Jail { .. })), "{name}");
    }
    let mut less = hello();
    less.jail.measures[1].missing = Some("this kernel has no landlock".into());
    assert_eq!(decoded(&less).unwrap(), FromWorker::Hello(less));
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let hello = hello();
    assert_eq!(decoded(&hello).unwrap(), FromWorker::Hello(hello.clone()));
    let other = Hello { protocol_version: PROTOCOL_VERSION + 1, ..hello };
    assert!(matches!(decoded(&other), Err(ControlError::Version(7))));
    let without = br#"{"type":"hello","abi_version":4,"build":"","kvm":"","jail":{"measures":[]}}"#;
    assert!(matches!(FromWorker::decode(without), Err(ControlError::Version(0))));
}

#[test]
fn an_environment_that_does_not_fit_is_refused_by_the_sender() {
    let mut assign = assign();
    assign.function.process.env.push("X=".to_string() + &"y".repeat(CONTROL_MAX));
    assert!(matches!(ToWorker::Assign(Box::new(assign)).encode(), Err(ControlError::TooLong { .. })));
}

#[test]
fn arguments_and_environment_at_their_limit_fit_whatever_their_bytes_are() {
    let mut assign = assign();
    assign.function.process.env = vec!["\u{1}".repeat(STRING_MAX - 1); ALL_MAX / STRING_MAX];
    let bytes = ToWorker::Assign(Box::new(assign)).encode().unwrap();
    assert!(ToWorker::decode(&bytes).is_ok());
}

#[test]
fn what_a_worker_says_is_short() {
    let long = vec![b' '; PACKET_MAX + 1];
    assert!(matches!(FromWorker::decode(&long), Err(ControlError::TooLong { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = ToWorker::decode(&bytes);
        let _ = FromWorker::decode(&bytes);
    }

    #[test]
    fn no_cut_or_flip_makes_decoding_panic(cut in 0usize..600, at in 0usize..600, bit in 0u8..8) {
        let mut bytes = ToWorker::Assign(Box::new(assign())).encode().unwrap();
        bytes.truncate(cut);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let _ = ToWorker::decode(&bytes);
    }
}
