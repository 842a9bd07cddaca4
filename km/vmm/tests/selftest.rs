//! The ground under the library OS, tried on this host's KVM; prints what each thing costs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use km_abi::hypercall::{End, EventKind};
use km_abi::records::BootConfig;
use km_vmm::memory::Rootfs;
use km_vmm::vm::kick::Ticker;
use km_vmm::vm::{Arrivals, GuestStreams, Monitor, Stop, Transfer, Vm};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The event for a machine that rests comes with the poll of this number.
const NEWS: u32 = 4;

/// Collects what the machine says.
#[derive(Default)]
struct Listener {
    said: Vec<u8>,
    /// Polls since the machine said that it rests.
    polls: u32,
}

impl Listener {
    fn heard(&self, word: &str) -> bool {
        String::from_utf8_lossy(&self.said).contains(word)
    }
}

impl GuestStreams for Listener {
    fn write(&mut self, _stream: u32, bytes: &[u8]) -> Transfer {
        self.said.extend_from_slice(bytes);
        Transfer::Done(bytes.len())
    }

    fn read(&mut self, _stream: u32, _buffer: &mut [u8]) -> Transfer {
        Transfer::Again
    }

    fn shutdown_write(&mut self, _stream: u32) -> Transfer {
        Transfer::Unknown
    }

    fn close(&mut self, _stream: u32) -> Transfer {
        Transfer::Unknown
    }

    fn poll(&mut self, arrivals: &mut Arrivals) {
        if self.heard("resting") {
            self.polls += 1;
        }
        if self.polls == NEWS {
            assert!(arrivals.push(EventKind::Writable, 1));
        }
    }
}

fn monitor() -> Option<Monitor> {
    let monitor = Monitor::open(km_vmm::SELFTEST_IMAGE);
    monitor.map_err(|error| eprintln!("SKIPPED, nothing was tested: {error}")).ok()
}

fn machine(monitor: &Monitor, config: &BootConfig) -> Vm {
    let rootfs = Arc::new(Rootfs::open(tempfile::tempfile().unwrap(), monitor.image().code()).unwrap());
    monitor.boot(64 << 20, &rootfs, config, [0; 32], 0).unwrap()
}

#[test]
fn a_library_os_that_cannot_go_on_says_whether_it_lacks_memory() {
    let Some(monitor) = monitor() else { return };
    let end = |way: &str| {
        let config = BootConfig { args: vec![way.into()], ..BootConfig::default() };
        machine(&monitor, &config).run(&mut Listener::default()).unwrap()
    };
    assert!(matches!(end("exhaust"), Stop::Ended(End::OutOfMemory)));
    let Stop::Broken(breakdown) = end("go on") else { panic!("it goes on") };
    assert!(breakdown.reason.contains("went on without the memory"), "{breakdown}");
}

#[test]
fn entries_faults_flushes_doorbells_and_kicks_work() {
    let Some(monitor) = monitor() else { return };
    let mut vm = machine(&monitor, &BootConfig::default());
    let mut ticker = Ticker::new().unwrap();
    let mut listener = Listener::default();
    ticker.start().unwrap();
    let end = loop {
        match vm.run(&mut listener).unwrap() {
            Stop::Idle(idle) => {
                thread::sleep(Duration::from_nanos(idle.deadline_ns - idle.monotonic_ns));
                vm.deliver(&Arrivals::default()).unwrap();
            }
            end => break end,
        }
    };
    ticker.stop().unwrap();
    println!("{}{:?}", String::from_utf8_lossy(&listener.said), vm.usage());
    match end {
        Stop::Ended(end) => assert_eq!(end, End::Exited { status: 0 }),
        Stop::Broken(breakdown) => panic!("{breakdown}"),
        other => panic!("{other:?}"),
    }
    assert!(listener.heard("kicked") && listener.heard("told"));
    // The machine was left alone until there was something to tell, and polled for it once more when it asked.
    assert!(listener.polls > NEWS, "{} polls", listener.polls);
}
