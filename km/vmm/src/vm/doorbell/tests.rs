//! Doorbell ranges against guests that ring wrongly.

use super::*;
use km_abi::layout::MEMORY_MIN;
use proptest::prelude::*;
use zerocopy::FromZeros;

/// One stream, 1, that takes 5 bytes at a time and gives "hello".
#[derive(Default)]
struct Echo {
    written: Vec<u8>,
}

impl GuestStreams for Echo {
    fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer {
        if stream != 1 {
            return Transfer::Unknown;
        }
        let count = bytes.len().min(5);
        self.written.extend_from_slice(&bytes[..count]);
        Transfer::Done(count)
    }

    fn read(&mut self, _stream: u32, buffer: &mut [u8]) -> Transfer {
        let count = buffer.len().min(5);
        buffer[..count].copy_from_slice(&b"hello"[..count]);
        Transfer::Done(count)
    }

    fn shutdown_write(&mut self, _stream: u32) -> Transfer {
        Transfer::Broken
    }

    fn close(&mut self, _stream: u32) -> Transfer {
        Transfer::Again
    }

    fn poll(&mut self, _arrivals: &mut Arrivals) {}
}

fn ring(ops: &[Op], op_count: u32) -> (Result<Vec<i64>, DoorbellError>, GuestMemory, Echo) {
    let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
    let rootfs = Rootfs::open(tempfile::tempfile().unwrap(), &[]).unwrap();
    let mut page = HyperPage::new_zeroed();
    page.op_count = op_count;
    page.ops[..ops.len()].copy_from_slice(ops);
    memory.write(0x30_0000, b"some bytes").unwrap();
    memory.store(HYPER_GPA, &page).unwrap();
    let mut echo = Echo::default();
    let answer = Doorbell::default().answer(&memory, &rootfs, &mut echo);
    let results = answer.map(|_| {
        let page: HyperPage = memory.load(HYPER_GPA).unwrap();
        page.ops[..ops.len()].iter().map(|op| op.result).collect()
    });
    (results, memory, echo)
}

fn op(code: OpCode, stream: u32, len: u64) -> Op {
    Op { code: code as u32, stream, gpa: 0x30_0000, len, offset: 0, result: 7 }
}

#[test]
fn operations_are_carried_out_in_order() {
    let ops =
        [op(OpCode::Write, 1, 10), op(OpCode::Read, 1, 8), op(OpCode::Write, 2, 1), op(OpCode::Close, 1, 0)];
    let (results, memory, echo) = ring(&ops, 4);
    assert_eq!(results.unwrap(), [5, 5, INVALID, AGAIN]);
    assert_eq!(echo.written, b"some ");
    assert_eq!(&memory.load::<[u8; 10]>(0x30_0000).unwrap(), b"hellobytes");
}

#[test]
fn nothing_overtakes_a_write_that_was_taken_in_part() {
    let ops = [op(OpCode::Write, 1, 10), op(OpCode::Write, 1, 2), op(OpCode::ShutdownWrite, 1, 0)];
    let (results, _, echo) = ring(&ops, 3);
    assert_eq!(results.unwrap(), [5, AGAIN, AGAIN]);
    assert_eq!(echo.written, b"some ");
}

#[test]
fn reads_of_a_doorbell_leave_no_gap() {
    let ops = [op(OpCode::Read, 1, 5), op(OpCode::Read, 1, 8), op(OpCode::Read, 1, 5)];
    let (results, ..) = ring(&ops, 3);
    assert_eq!(results.unwrap(), [5, 5, AGAIN]);
}

#[test]
fn a_guest_that_breaks_the_rules_is_told_apart() {
    assert!(matches!(ring(&[], 17).0, Err(DoorbellError::TooMany(17))));
    let unknown = Op { code: 99, ..Op::default() };
    assert!(matches!(ring(&[unknown], 1).0, Err(DoorbellError::UnknownOperation(99))));
    assert!(matches!(ring(&[op(OpCode::Write, 1, u64::MAX)], 1).0, Err(DoorbellError::TooLong(_))));
    for gpa in [MEMORY_MIN - 5, MEMORY_MIN, u64::MAX - 3, u64::MAX] {
        for code in [OpCode::Write, OpCode::Read, OpCode::RootfsRead] {
            let op = Op { gpa, ..op(code, 1, 10) };
            assert!(matches!(ring(&[op], 1).0, Err(DoorbellError::Memory(_))), "{gpa:#x}");
        }
    }
}

proptest! {
    #[test]
    fn no_page_makes_the_monitor_panic(bytes in proptest::collection::vec(any::<u8>(), size_of::<HyperPage>()), count in 0u32..20) {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        let rootfs = Rootfs::open(tempfile::tempfile().unwrap(), &[]).unwrap();
        memory.write(HYPER_GPA, &bytes).unwrap();
        memory.store(HYPER_GPA, &count).unwrap();
        let _ = Doorbell::default().answer(&memory, &rootfs, &mut Echo::default());
    }
}
