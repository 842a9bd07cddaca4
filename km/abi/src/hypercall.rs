//! Hypercalls: what the library OS asks of the monitor, and how the monitor answers.
//!
//! The guest writes a [`HyperPage`] and rings a doorbell with a 32-bit `OUT` to one of the four ports of
//! [`Port`]. The monitor copies the page once, checks the copy, carries out [`HyperPage::ops`] in order, writes
//! their results and its [`HyperPage::events`] back, and resumes the guest. Of the registers it looks at the instruction
//! pointer alone: a program that uses these ports by its own code is ended as by SIGSEGV.
//!
//! Bytes travel over *streams*, which have numbers:
//! * [`STDIN`], [`STDOUT`], [`STDERR`];
//! * [`INLAY`] brings what the monitor puts in;
//! * [`REPLY`] takes the answer of programs that ask for their call by a system call, or what a build step has changed;
//! * from [`FIRST_CONNECTION`] on: connections that the monitor opens to a port on which the program listens;
//! * from [`FIRST_OUTBOUND`] on: connections that the program opens ([`OpCode::Connect`]); the library OS numbers them.
//!
//! A stream of datagrams carries each behind its length, 16 bits little-endian. An operation moves whole ones alone.
//!
//! A stream is *armed* at first and whenever an [`OpCode::Read`] brought less than was asked for. When it is armed
//! and has bytes or has ended, the monitor puts an [`EventKind::Readable`] and disarms it; the inline bytes of an
//! [`EventKind::Open`] do not disarm it, so what did not fit is announced. Reading the end arms nothing. A
//! [`OpCode::Write`] that is taken in part stops its stream until the [`EventKind::Writable`]: later operations of
//! the same doorbell on that stream do nothing and answer [`AGAIN`], so that a batch may end with the stream's
//! shutdown or close. Events come with every doorbell but [`Port::Exit`] and [`Port::Panic`]; the inline bytes of
//! several follow each other in the input buffer.

mod exit;

pub use exit::{End, Exit, UnknownEnd};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How often a program that computes is interrupted to look for other work, in nanoseconds.
pub const TICK_NS: u64 = 10_000_000;
/// Operations in a [`HyperPage`] at most.
pub const OPS_MAX: usize = 16;
/// Events in a [`HyperPage`] at most.
pub const EVENTS_MAX: usize = 16;
/// Listening ports that a guest reports at most.
pub const LISTENERS_MAX: usize = 16;
/// Longest transfer of one operation in bytes; a longer one is an error of the guest.
pub const TRANSFER_MAX: u64 = 1 << 20;
/// Stream of the program's standard input.
pub const STDIN: u32 = 0;
/// Stream of the program's standard output.
pub const STDOUT: u32 = 1;
/// Stream of the program's standard error.
pub const STDERR: u32 = 2;
/// Stream from which the library OS reads a [`crate::records::Inlay`].
pub const INLAY: u32 = 3;
/// Stream to which the answer of a program goes that took its call by a system call.
pub const REPLY: u32 = 4;
/// Number of the first stream that is a connection.
pub const FIRST_CONNECTION: u32 = 16;
/// Number of the first stream that the program opens.
pub const FIRST_OUTBOUND: u32 = 1 << 16;
/// A deadline that never comes.
pub const NEVER: u64 = u64::MAX;

/// Doorbell ports. Anything else, another width or a string instruction, ends the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Port {
    /// Carry out the operations and return at once.
    Submit = 0x500,
    /// Carry out the operations, then wait until there is an event or [`Idle::deadline_ns`] has come.
    Idle = 0x501,
    /// Carry out the operations; the machine has ended as [`HyperPage::exit`] says.
    Exit = 0x502,
    /// The library OS cannot go on; operation 0 is a [`OpCode::Write`] of the message to stderr. It lacks memory if
    /// [`HyperPage::exit`] says [`End::OutOfMemory`]; anything else there means nothing.
    Panic = 0x503,
}

/// First port of the doorbell range, for the I/O permission bitmap.
pub const PORT_FIRST: u16 = Port::Submit as u16;
/// Last port of the doorbell range.
pub const PORT_LAST: u16 = Port::Panic as u16;

impl TryFrom<u16> for Port {
    type Error = u16;

    fn try_from(port: u16) -> Result<Self, u16> {
        match port {
            0x500 => Ok(Self::Submit),
            0x501 => Ok(Self::Idle),
            0x502 => Ok(Self::Exit),
            0x503 => Ok(Self::Panic),
            other => Err(other),
        }
    }
}

/// What an [`Op`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum OpCode {
    /// Take up to `len` bytes at `gpa` for `stream`; the result is how many were taken (0: full, an event
    /// [`EventKind::Writable`] follows when there is room again). With [`OWN_BYTES`] as `offset`, the library OS keeps nothing of what
    /// is not taken.
    Write = 1,
    /// Put up to `len` bytes of `stream` at `gpa`; the result is how many came, 0 at the end, [`AGAIN`] when
    /// there are none now (an event [`EventKind::Readable`] follows). After one that brought less than was asked for, further ones of
    /// this doorbell on the stream bring nothing, so that several are filled without a gap.
    Read = 2,
    /// The program writes no more to `stream`: the peer sees the end after what was written.
    ShutdownWrite = 3,
    /// The program has closed `stream`; it is gone for both sides.
    Close = 4,
    /// Put `len` bytes of the rootfs image from byte `offset` on at `gpa`.
    RootfsRead = 5,
    /// Connect `stream`, a new one, to the [`crate::outbound::Endpoint`] at `gpa`. The result is 0, and an event says what
    /// comes of it ([`EventKind::Connected`], [`EventKind::Failed`]); or an error of Linux, negative. What is written before is
    /// taken after.
    Connect = 6,
    /// Set a socket option of `stream`: `offset` has the level in its upper half and the name in its lower one, the value
    /// is the 32-bit number in `len`. The result is 0, or an error of Linux, negative.
    SetOption = 7,
}

impl TryFrom<u32> for OpCode {
    type Error = u32;

    fn try_from(code: u32) -> Result<Self, u32> {
        match code {
            1 => Ok(Self::Write),
            2 => Ok(Self::Read),
            3 => Ok(Self::ShutdownWrite),
            4 => Ok(Self::Close),
            5 => Ok(Self::RootfsRead),
            6 => Ok(Self::Connect),
            7 => Ok(Self::SetOption),
            other => Err(other),
        }
    }
}

/// `offset` of a [`OpCode::Write`] from the program's own memory, where what is not taken stays.
pub const OWN_BYTES: u64 = 1;

/// Result of an operation that must wait.
pub const AGAIN: i64 = -11;
/// Result of an operation on a stream whose peer is gone.
pub const BROKEN: i64 = -32;
/// Result of an operation that names an unknown stream or lies outside of memory.
pub const INVALID: i64 = -22;

/// One operation, 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Op {
    /// Number of an [`OpCode`]; any other ends the machine.
    pub code: u32,
    /// The stream, where the operation has one.
    pub stream: u32,
    /// Guest-physical address of the bytes, in RAM.
    pub gpa: u64,
    /// How many bytes there are at `gpa`, at most [`TRANSFER_MAX`].
    pub len: u64,
    /// Position in the rootfs image, for [`OpCode::RootfsRead`]; more of a write, a socket option.
    pub offset: u64,
    /// Written by the monitor: a count, or a negative error of this module; on streams from [`FIRST_OUTBOUND`] on, of Linux.
    pub result: i64,
}

/// What an [`Event`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// This machine is a new clone: the clone record has a fresh seed, generation and clock. Always the first event.
    Restored = 1,
    /// A client connected to `port` of the program; `stream` is the new connection, `value` bytes of it are in the
    /// input buffer already (they precede what [`OpCode::Read`] gives).
    Open = 2,
    /// `stream` has bytes or has ended; `value` as for [`EventKind::Open`].
    Readable = 3,
    /// `stream` takes bytes again.
    Writable = 4,
    /// The peer of `stream` is gone; what is written is lost.
    Hangup = 5,
    /// The input buffer holds `value` [`TouchEntry`]s: make those pages present, touch them, change nothing that the program
    /// could see, and be idle again.
    Touch = 6,
    /// [`INLAY`] holds `value` bytes, a [`crate::records::Inlay`], to be put in before the program's next instruction.
    Inlay = 7,
    /// A snapshot is about to be taken: note what a clone has to make fresh, and be idle again without running the program.
    Search = 8,
    /// `stream` is connected; `value` bytes of the input buffer are its own [`crate::outbound::Endpoint`], as the program is
    /// to see it.
    Connected = 9,
    /// `stream` has the error of Linux in `value`. One of datagrams goes on, any other is over.
    Failed = 10,
    /// On `stream`, which the program has opened, `value` bytes have come and are in the input buffer; there were no more. The
    /// next that come are announced once by [`EventKind::Readable`]; what comes after an [`OpCode::Read`] that brought less than
    /// was asked for comes so again.
    Arrived = 11,
    /// The peer of `stream`, which the program has opened, sends no more.
    Ended = 12,
}

impl TryFrom<u32> for EventKind {
    type Error = u32;

    fn try_from(kind: u32) -> Result<Self, u32> {
        match kind {
            1 => Ok(Self::Restored),
            2 => Ok(Self::Open),
            3 => Ok(Self::Readable),
            4 => Ok(Self::Writable),
            5 => Ok(Self::Hangup),
            6 => Ok(Self::Touch),
            7 => Ok(Self::Inlay),
            8 => Ok(Self::Search),
            9 => Ok(Self::Connected),
            10 => Ok(Self::Failed),
            11 => Ok(Self::Arrived),
            12 => Ok(Self::Ended),
            other => Err(other),
        }
    }
}

/// One event, 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// Number of an [`EventKind`]; the library OS passes over others.
    pub kind: u32,
    /// The stream, where the event has one.
    pub stream: u32,
    /// A number of bytes or entries, as [`EventKind`] says.
    pub value: u64,
    /// The port of the program, for [`EventKind::Open`].
    pub port: u32,
    /// Always 0: fills the structure up to whole words.
    pub reserved: u32,
}

/// A page of the working set, as an entry of a touch list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TouchEntry {
    /// Page-aligned virtual address; bit 0 set: the page is written in a call, clear: only read.
    pub address: u64,
}

/// A listening socket, as the bake wants to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Listener {
    /// TCP port on which the program listens.
    pub port: u16,
    /// 1 when a blocked thread waits for it (accept, poll, select, epoll), else 0.
    pub awaited: u16,
}

/// The program is loaded and has not executed an instruction yet.
pub const IDLE_AT_START: u32 = 1;
/// A thread waits for standard input.
pub const IDLE_READS_STDIN: u32 = 2;

/// What the guest says of itself when it goes idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Idle {
    /// Wake up at this CLOCK_MONOTONIC time of the guest at the latest; [`NEVER`] for no timer.
    pub deadline_ns: u64,
    /// CLOCK_MONOTONIC of the guest now.
    pub monotonic_ns: u64,
    /// Time-stamp counter as the guest reads it now.
    pub tsc: u64,
    /// Root of the page tables in use.
    pub cr3: u64,
    /// [`IDLE_AT_START`] and [`IDLE_READS_STDIN`], where they hold.
    pub flags: u32,
    /// How many threads all processes have together.
    pub threads: u32,
    /// Used entries of `listeners`.
    pub listener_count: u32,
    /// Zero.
    pub reserved: u32,
    /// The listening sockets; what lies beyond `listener_count` means nothing.
    pub listeners: [Listener; LISTENERS_MAX],
}

/// Where the program was when a kick took the CPU from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Interrupted {
    /// The program's instruction pointer: where it goes on.
    pub rip: u64,
    /// The program's stack pointer.
    pub rsp: u64,
    /// The program's flags (RFLAGS).
    pub rflags: u64,
}

/// Bytes of a process's name.
pub const NAME_MAX: usize = 16;

/// The process that got the CPU last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Running {
    /// Its number; 0 when none did yet.
    pub pid: u32,
    /// Zero.
    pub reserved: u32,
    /// Its name as in /proc/PID/comm, ended by a zero if it is shorter.
    pub name: [u8; NAME_MAX],
}

/// The page at [`crate::layout::HYPER_GPA`].
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HyperPage {
    /// Guest: used entries of `ops`.
    pub op_count: u32,
    /// Monitor: used entries of `events`.
    pub event_count: u32,
    /// Monitor, at any time while the vCPU is stopped: not 0 asks the library OS to look for work (timers, another
    /// runnable thread, output to hand over) before it returns to the program. The library OS clears it.
    pub tick: u32,
    /// Guest: how many ticks to leave out, since they would find no work unless events come. The monitor counts this down
    /// and does not interrupt the program meanwhile.
    pub rest: u32,
    /// Guest: what to carry out, in this order; the monitor adds the results.
    pub ops: [Op; OPS_MAX],
    /// Monitor: what has happened, in this order.
    pub events: [Event; EVENTS_MAX],
    /// Guest: valid at [`Port::Idle`].
    pub idle: Idle,
    /// Guest: valid at [`Port::Exit`] and [`Port::Panic`].
    pub exit: Exit,
    /// Monitor: valid when it has redirected the vCPU to [`crate::image::ImageHeader::interrupt_entry`].
    pub interrupted: Interrupted,
    /// Guest, until the first call: who has the CPU, for the message when the program never comes to rest.
    pub running: Running,
}

const _: () = {
    assert!(size_of::<Op>() == 40);
    assert!(size_of::<Event>() == 24);
    assert!(size_of::<Running>() == 8 + NAME_MAX);
    assert!(size_of::<Idle>() == 48 + 4 * LISTENERS_MAX);
    assert!(size_of::<HyperPage>() as u64 <= crate::layout::PAGE_SIZE);
};
