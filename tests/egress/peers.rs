//! The peers beyond the machine, on documentation addresses of the test's own network.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

/// Where the peers listen.
pub const V4: &str = "192.0.2.1";
/// The same with IPv6.
pub const V6: &str = "2001:db8::1";
/// Port of the same, at which the functions listen in their machines.
pub const SAME: u16 = 8080;
/// An address at which nobody is told of connections, for those that must never be made.
pub const FORBIDDEN: &str = "192.0.2.66";
/// Port of the web server.
pub const WEB: u16 = 8000;

/// Connections that came to [`FORBIDDEN`].
pub static FORBIDDEN_CAME: AtomicUsize = AtomicUsize::new(0);

fn listen(host: &str, port: u16, serve: fn(TcpStream)) {
    let listener = TcpListener::bind((host, port)).expect("the address is the test's own");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
}

/// Starts all of them.
pub fn start() {
    for host in [V4, V6] {
        listen(host, 7001, echo);
        listen(host, 7002, |mut stream| drop(stream.read(&mut [0; 64])));
        listen(host, 7003, |mut stream| {
            drop(stream.read(&mut [0; 64]));
            reset(&stream);
        });
        listen(host, 7004, |mut stream| drop(stream.write_all(&vec![7; 1 << 20])));
        listen(host, 7005, count);
        listen(host, 7006, |stream| {
            thread::sleep(Duration::from_secs(600));
            drop(stream);
        });
        listen(host, WEB, web);
        listen(host, SAME, web);
        let socket = UdpSocket::bind((host, 7010)).expect("the address is the test's own");
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                drop(socket.send_to(&buffer[..count], from));
            }
        });
    }
    listen(FORBIDDEN, WEB, |_| {
        FORBIDDEN_CAME.fetch_add(1, Ordering::Relaxed);
    });
}

fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}

fn count(mut stream: TcpStream) {
    let mut all = Vec::new();
    if stream.read_to_end(&mut all).is_ok() {
        drop(stream.write_all(all.len().to_string().as_bytes()));
    }
}

fn reset(stream: &TcpStream) {
    let now = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream.as_fd(), sockopt::Linger, &now).expect("a socket may linger");
}

/// Answers each request with the peer's port, so that two connections have different answers; keeps the connection.
fn web(mut stream: TcpStream) {
    let from = stream.peer_addr().map(|peer| peer.port()).unwrap_or_default();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let body = format!("from beyond, port {from}\n");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
    drop(stream.shutdown(Shutdown::Both));
}
