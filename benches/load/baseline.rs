//! What the same call costs when the program is started as a process for it, with no isolation at all.

use super::summary::Durations;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a program may take to listen.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts the program `count` times, each time until it has answered one call, and gives the times from the start to the
/// end of the answer.
///
/// # Errors
/// The program does not start, listen or answer.
pub fn processes(command: &[String], count: usize) -> anyhow::Result<Durations> {
    let mut durations = Durations::default();
    for _ in 0..count {
        durations.add(once(command)?);
    }
    Ok(durations)
}

fn once(command: &[String]) -> anyhow::Result<Duration> {
    let port = free_port()?;
    let begun = Instant::now();
    let (program, arguments) = command.split_first().context("a command has a program")?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let _child = KilledOnDrop(child);
    let mut stream = connect(port, begun)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 1024];
    // The head and the greeting come in one or two pieces; that there is one is what counts.
    let got = stream.read(&mut answer)?;
    if !answer[..got].starts_with(b"HTTP/1.1 200") {
        bail!("{program} answered {:?}", String::from_utf8_lossy(&answer[..got]));
    }
    Ok(begun.elapsed())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn connect(port: u16, begun: Instant) -> anyhow::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > LIMIT => bail!("nothing listens on {address}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
