//! A worker without machines: speaks the worker protocol and answers canned HTTP, so that the server's front can be tested
//! where there is no KVM and against answers that no decent program gives.
//!
//! The path of a request says what happens; see [`answer`]. The program's command says how it boots; see [`boot`].

mod slot;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use km_vmm::protocol::call::{Boot, NotReady, NotReadyReason, Outcome, Prepared, Ready, Snapshotted};
use km_vmm::protocol::control::{
    Assign, Assigned, FromWorker, Hello, Jail, Measure, REQUIRED_MEASURES, Refused, RefusedReason, Role,
    ToWorker,
};
use km_vmm::protocol::{ConnectionId, Frame, Kind, packet};

use slot::{Slot, SlotEnd};

/// Serves as a worker until the server closes the control socket.
pub fn main() {
    let served = slot::control_descriptor().map_err(Into::into).and_then(|control| serve(&control));
    if let Err(end) = served {
        eprintln!("fake worker: {end}");
    }
}

fn serve(control: &OwnedFd) -> Result<(), Box<dyn std::error::Error>> {
    let say = |message: &FromWorker| -> Result<(), Box<dyn std::error::Error>> {
        Ok(packet::send(control.as_fd(), &message.encode()?, &[])?)
    };
    // It runs nobody's program and needs no jail, but a server takes no worker that does not speak of one.
    let measure = |name: &str| Measure { name: name.to_owned(), missing: None };
    let measures = REQUIRED_MEASURES.map(measure).into();
    say(&FromWorker::Hello(Hello {
        protocol_version: km_vmm::protocol::PROTOCOL_VERSION,
        abi_version: 1,
        build: "fake".into(),
        kvm: "fake".into(),
        jail: Jail { measures },
    }))?;
    let mut assigned: Option<(Assign, Option<OwnedFd>)> = None;
    loop {
        let mut packet = packet::receive(control.as_fd())?;
        if packet.bytes.is_empty() {
            return Ok(());
        }
        match ToWorker::decode(&packet.bytes)? {
            ToWorker::Assign(assign) => {
                let snapshot = if packet.fds.len() > 1 { packet.fds.pop() } else { None };
                if let Some(why) = refusal(&assign, snapshot.as_ref().map(AsFd::as_fd)) {
                    say(&FromWorker::Refused(Refused { reason: RefusedReason::Snapshot, message: why }))?;
                    return Ok(());
                }
                say(&FromWorker::Assigned(Assigned {
                    resident_bytes: 4096,
                    open_us: 1,
                    jail: Jail::default(),
                }))?;
                assigned = Some((*assign, snapshot));
            }
            ToWorker::Slot { .. } => {
                let (assign, snapshot) = assigned.as_ref().ok_or("a slot before the function")?;
                let stream = packet.fds.pop().ok_or("a slot without a stream")?;
                let (assign, snapshot) =
                    (assign.clone(), snapshot.as_ref().map(OwnedFd::try_clone).transpose()?);
                std::thread::spawn(move || run(Slot::new(stream), &assign, snapshot));
            }
            // Its machines hold no memory.
            ToWorker::NoMemory { .. } => {}
            ToWorker::Shutdown => return Ok(()),
        }
    }
}

/// A snapshot to serve from must be one that the fake wrote.
fn refusal(assign: &Assign, snapshot: Option<BorrowedFd<'_>>) -> Option<String> {
    let snapshot = snapshot.filter(|_| assign.role == Role::Serve)?;
    let mut bytes = [0; 4];
    let read = File::from(snapshot.try_clone_to_owned().ok()?).read_exact_at(&mut bytes, 0);
    (read.is_err() || &bytes != b"fake").then(|| "the snapshot is damaged".to_owned())
}

/// Drives one slot until its stream ends.
fn run(mut slot: Slot, assign: &Assign, snapshot: Option<OwnedFd>) {
    while let Ok(frame) = slot.next() {
        let done = match frame.kind {
            Kind::Prepare => prepare(&mut slot, assign),
            Kind::Boot => boot(&mut slot, assign, &frame),
            Kind::Call => call(&mut slot, assign),
            Kind::Snapshot => write_snapshot(&mut slot, snapshot.as_ref()),
            Kind::Cancel => slot.ended(Outcome::Cancelled),
            _ => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

/// No machine comes of the snapshot of `/unrestorable`.
fn prepare(slot: &mut Slot, assign: &Assign) -> Result<(), SlotEnd> {
    match assign.function.process.args.first().map(String::as_str) {
        Some("/unrestorable") => slot.ended(Outcome::Fault { message: "pages are missing".into() }),
        _ => slot.json(Kind::Prepared, &Prepared::default()),
    }
}

/// The command decides: `/silent` never listens, `/crash` exits, `/endless` starts for ever, anything else gets ready.
fn boot(slot: &mut Slot, assign: &Assign, frame: &Frame) -> Result<(), SlotEnd> {
    let _: Boot = frame.record().map_err(|_| SlotEnd)?;
    slot.log(1, b"booting\n")?;
    let not_ready = |reason, message: &str| NotReady { reason, message: message.into(), ports: Vec::new() };
    match assign.function.process.args.first().map(String::as_str) {
        Some("/silent") => {
            slot.json(Kind::NotReady, &not_ready(NotReadyReason::NotListening, "the program does not listen"))
        }
        Some("/crash") => {
            slot.log(2, b"no such module\n")?;
            // As the monitor has it: with what it has seen of the output.
            let message = "exited with status 1 while starting; last output: no such module";
            slot.json(Kind::NotReady, &not_ready(NotReadyReason::Exited, message))
        }
        Some("/endless") => loop {
            std::thread::park();
        },
        Some("/slow-boot") => {
            std::thread::sleep(std::time::Duration::from_secs(3));
            slot.json(Kind::Ready, &Ready::default())
        }
        _ => slot.json(Kind::Ready, &Ready::default()),
    }
}

fn write_snapshot(slot: &mut Slot, snapshot: Option<&OwnedFd>) -> Result<(), SlotEnd> {
    let file = snapshot.ok_or(SlotEnd)?.try_clone().map_err(|_| SlotEnd)?;
    File::from(file).write_all(b"fake snapshot").map_err(|_| SlotEnd)?;
    slot.json(
        Kind::Snapshotted,
        &Snapshotted { file_bytes: 13, data_bytes: 13, content_digest: "00".repeat(32), write_us: 1 },
    )
}

/// Answers one call, then waits until the server is done with the machine.
fn call(slot: &mut Slot, assign: &Assign) -> Result<(), SlotEnd> {
    slot.started()?;
    let head = slot.head()?;
    let outcome = match answer(slot, &head)? {
        Some(outcome) => return slot.ended(outcome),
        None => slot.wait_for_end()?,
    };
    if assign.role == Role::Bake { slot.json(Kind::Ready, &Ready::default()) } else { slot.ended(outcome) }
}

/// What happens, by path. `Some` ends the machine at once.
fn answer(slot: &mut Slot, head: &str) -> Result<Option<Outcome>, SlotEnd> {
    let target = head.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/");
    let mut parts = path.trim_matches('/').split('/');
    let (what, number) =
        (parts.next().unwrap_or_default(), parts.next().and_then(|text| text.parse().ok()).unwrap_or(0));
    match what {
        // The head of the request as the program saw it.
        "head" => slot.respond("200 OK", head.as_bytes())?,
        "discard" => {
            let count = slot.body(head)?;
            slot.respond("200 OK", format!("{count}\n").as_bytes())?;
        }
        "bytes" => slot.bytes(number)?,
        "chunks" => slot.chunks(number)?,
        "events" => slot.events()?,
        // So many header fields in all, or so many bytes of head.
        "fields" => slot.fields(number)?,
        "headed" => slot.headed(number)?,
        "trailed" => slot.trailed(number)?,
        "status" => slot.respond(&format!("{number} Any"), b"")?,
        "slow" => {
            std::thread::sleep(std::time::Duration::from_millis(number));
            slot.respond("200 OK", b"slow\n")?;
        }
        "log" => {
            slot.log(1, b"to stdout\npartial")?;
            slot.log(2, b"\x1b[31mred\n")?;
            slot.respond("200 OK", b"logged\n")?;
        }
        "flood" => {
            for _ in 0..number {
                slot.log(1, &[b'x'; 4096])?;
            }
            slot.respond("200 OK", b"flooded\n")?;
        }
        "old" => {
            slot.data(b"HTTP/1.0 200 OK\r\nX-mIxEd: yes\r\n\r\nuntil the end")?;
            slot.eof()?;
        }
        "socket" => return slot.echo_tunnel(head).map(Some),
        "hang" => slot.wait_for_cancel()?,
        "half" => {
            slot.data(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            slot.eof()?;
        }
        "half-exit" => {
            slot.data(b"HTTP/1.0 200 OK\r\n\r\nhalf")?;
            return Ok(Some(Outcome::Signaled { signal: 11 }));
        }
        "half-length-exit" => {
            slot.data(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            std::thread::sleep(std::time::Duration::from_millis(100));
            return Ok(Some(Outcome::Signaled { signal: 11 }));
        }
        "long-exit" => {
            slot.data(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
            slot.data(&[b'l'; 60_000])?;
            std::thread::sleep(std::time::Duration::from_millis(100));
            return Ok(Some(Outcome::Signaled { signal: 11 }));
        }
        // The bytes that the path has in hexadecimal.
        "raw" => {
            let bytes = path.rsplit('/').next().and_then(|text| hex::decode(text).ok());
            slot.data(&bytes.unwrap_or_default())?;
            slot.eof()?;
        }
        "garbage" => {
            slot.data(b"this is no HTTP\r\n\r\n")?;
            slot.eof()?;
        }
        "double" => slot.data(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")?,
        "nothing" => slot.eof()?,
        // Bytes of a connection that the call does not have.
        "stray" => {
            slot.send(&Frame { connection: ConnectionId(7), ..Frame::new(Kind::Data, b"HTTP".to_vec()) })?
        }
        "exit" => return Ok(Some(Outcome::Exited { status: 3 })),
        "segv" => return Ok(Some(Outcome::Signaled { signal: 11 })),
        "memory" => return Ok(Some(Outcome::OutOfMemory)),
        "fault" => return Ok(Some(Outcome::Fault { message: "triple fault at rip=0x7f001234".into() })),
        "abort" => std::process::abort(),
        _ => slot.respond("200 OK", b"hello\n")?,
    }
    Ok(None)
}
