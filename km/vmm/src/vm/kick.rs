//! Stopping a running vCPU: from another thread (a deadline, a client that went away) and by a regular tick.
//!
//! A signal to the vCPU's thread makes KVM_RUN return. A POSIX timer sends it every [`TICK`] while a guest runs, so that a
//! guest with several threads can switch them. A kick that comes just before KVM_RUN is lost; the next tick makes up for
//! it, and no state has to be shared with the signal handler.
#![allow(unsafe_code, reason = "no crate has timers that send their signal to one thread")]

use km_abi::hypercall::TICK_NS;
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::time::TimeSpec;
use nix::unistd::{Pid, gettid};
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// How often a running guest is asked to look for other work.
pub const TICK: Duration = Duration::from_nanos(TICK_NS);
/// The signal; nothing else of the process uses it.
const SIGNAL: Signal = Signal::SIGUSR2;

extern "C" fn ignore(_signal: i32) {}

/// Lets [`SIGNAL`] interrupt system calls without any other effect. Once per process.
///
/// # Errors
/// As sigaction(2).
pub fn install() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, so it is async-signal-safe and leaves every invariant alone.
    unsafe { sigaction(SIGNAL, &action) }.map(|_| ())
}

/// A way to stop one vCPU from another thread.
#[derive(Clone, Debug, Default)]
pub struct Kick(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cancelled: AtomicBool,
    thread: AtomicI32,
}

impl Kick {
    /// Makes the machine's run end with [`super::Stop::Cancelled`], now or when it is run next.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let thread = self.0.thread.load(Ordering::SeqCst);
        if thread != 0 {
            // A thread that is gone has no guest to stop.
            let _ = tgkill(thread);
        }
    }

    /// Whether [`Self::cancel`] was called.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Notes that the calling thread runs the vCPU from now on, or that none does.
    pub(super) fn running(&self, runs: bool) {
        // SAFETY: gettid(3) has no conditions. In musl it reads a field of the thread; nix would make a system call.
        let thread = if runs { unsafe { libc::gettid() } } else { 0 };
        self.0.thread.store(thread, Ordering::SeqCst);
    }
}

fn tgkill(thread: i32) -> nix::Result<()> {
    // SAFETY: the system call takes three integers; a wrong thread of this process ignores the signal.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, Pid::this().as_raw(), thread, SIGNAL as i32) };
    Errno::result(result).map(|_| ())
}

/// The timer of a thread that runs vCPUs; it stays in that thread.
#[derive(Debug)]
pub struct Ticker(libc::timer_t);

impl Ticker {
    /// A timer for the calling thread, not armed.
    ///
    /// # Errors
    /// As timer_create(2).
    pub fn new() -> nix::Result<Self> {
        let mut timer = ptr::null_mut();
        // SAFETY: zeros are a valid sigevent; the fields that this way of notifying needs are set, and the call fills
        // in `timer`.
        let result = unsafe {
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = SIGNAL as i32;
            event.sigev_notify_thread_id = gettid().as_raw();
            libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer)
        };
        Errno::result(result).map(|_| Self(timer))
    }

    /// Ticks from now on.
    ///
    /// # Errors
    /// As timer_settime(2).
    pub fn start(&mut self) -> nix::Result<()> {
        self.set(TICK)
    }

    /// Ticks no more.
    ///
    /// # Errors
    /// As timer_settime(2).
    pub fn stop(&mut self) -> nix::Result<()> {
        self.set(Duration::ZERO)
    }

    fn set(&mut self, period: Duration) -> nix::Result<()> {
        let time = *TimeSpec::from_duration(period).as_ref();
        let value = libc::itimerspec { it_interval: time, it_value: time };
        // SAFETY: the timer exists until it is dropped, and the value is valid for the call.
        let result = unsafe { libc::timer_settime(self.0, 0, &raw const value, ptr::null_mut()) };
        Errno::result(result).map(|_| ())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: made by `new`, deleted once. It cannot fail.
        unsafe { libc::timer_delete(self.0) };
    }
}
