//! A way to the API server that can be cut, and that can fall silent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Open = 0,
    /// Connections are cut, new ones closed at once.
    Cut = 1,
    /// Connections stay, nothing comes back through them; new ones pass.
    Stalled = 2,
}

/// The way. It ends with the process of the test.
pub struct Proxy {
    /// Where it is entered.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    /// Connections from before this number are stalled.
    stalled: AtomicUsize,
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A way to this address.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let state = Arc::new(State {
            mode: AtomicU8::new(0),
            stalled: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.mode.load(Ordering::Relaxed) == Mode::Cut as u8 {
                    continue;
                }
                let number = shared.accepted.fetch_add(1, Ordering::Relaxed) + 1;
                let Ok(server) = TcpStream::connect(target) else { continue };
                let mut open = shared.open.lock().expect("nobody panics with it");
                open.extend([
                    client.try_clone().expect("a descriptor"),
                    server.try_clone().expect("a descriptor"),
                ]);
                drop(open);
                let (back, forth) =
                    (server.try_clone().expect("a descriptor"), client.try_clone().expect("a descriptor"));
                let (one, two) = (shared.clone(), shared.clone());
                std::thread::spawn(move || pump(client, server, None, number, &one));
                std::thread::spawn(move || pump(back, forth, Some(()), number, &two));
            }
        });
        Self { address, state }
    }

    /// Lets bytes through, or not.
    pub fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::Relaxed);
        let mut open = self.state.open.lock().expect("nobody panics with it");
        match mode {
            Mode::Open => self.state.stalled.store(0, Ordering::Relaxed),
            Mode::Stalled => {
                self.state.stalled.store(self.state.accepted.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            Mode::Cut => {
                for stream in open.drain(..) {
                    stream.shutdown(Shutdown::Both).ok();
                }
            }
        }
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, answers: Option<()>, number: usize, state: &State) {
    let mut buffer = [0; 16384];
    while let Ok(size) = from.read(&mut buffer) {
        while answers.is_some() && number <= state.stalled.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if size == 0 || to.write_all(&buffer[..size]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
