//! A worker process from outside, one thread and blocking: for `km bake`, tests and measurements.
//!
//! The server has its own, with an event loop; this one shows the protocol at its simplest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use serde::Serialize;

use crate::protocol::{
    Assign, Assigned, Boot, CONTROL_FD, Call, Charged, ControlError, Ended, Frame, FrameDecoder, FrameError,
    FromWorker, Hello, Kind, NotReady, PAYLOAD_MAX, Prepared, Ready, Refused, Snapshotted, ToWorker, packet,
};

/// What went wrong with a worker.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It cannot be started or spoken to.
    #[error("speak with the worker")]
    Io(#[from] io::Error),
    /// Its control messages are none.
    #[error("understand the worker")]
    Control(#[from] ControlError),
    /// Its frames are none.
    #[error("understand the worker")]
    Frame(#[from] FrameError),
    /// The wrong descriptors would meet in the child.
    #[error("start the worker")]
    Descriptors(#[from] command_fds::FdMappingCollision),
    /// Its control socket or stream has ended.
    #[error("the worker has left (its last words are on standard error)")]
    Gone,
    /// It refuses the function.
    #[error("the worker refuses the function: {}", .0.message)]
    Refused(Refused),
    /// The program did not become ready.
    #[error("the program {}", .0.message)]
    NotReady(NotReady),
    /// A call or a preparation ended where an answer was expected.
    #[error("it ended: {:?}", .0.outcome)]
    Ended(Box<Ended>),
    /// It said something else than it should.
    #[error("unexpected {0} from the worker")]
    Unexpected(String),
}

/// A worker process; killed when dropped.
pub struct Worker {
    child: Child,
    socket: OwnedFd,
    /// What it said first.
    pub hello: Hello,
}

impl Worker {
    /// Starts `PROGRAM worker` and waits until it is in its jail.
    ///
    /// # Errors
    /// It cannot be started, or does not come up.
    pub fn spawn(program: &Path) -> Result<Self, ClientError> {
        let (socket, theirs) = packet::control_pair()?;
        let mut command = Command::new(program);
        // A pipe: a worker may write no file, and standard error of this process may be one.
        command.arg("worker").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.fd_mappings(vec![FdMapping { parent_fd: theirs, child_fd: CONTROL_FD }])?;
        let mut child = command.spawn()?;
        drop(command);
        if let Some(mut words) = child.stderr.take() {
            std::thread::spawn(move || io::copy(&mut words, &mut io::stderr()));
        }
        let mut worker = Self { child, socket, hello: Hello::default() };
        match worker.receive()? {
            FromWorker::Hello(hello) => worker.hello = hello,
            other => return Err(ClientError::Unexpected(format!("{other:?}"))),
        }
        Ok(worker)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it its function.
    ///
    /// # Errors
    /// It refuses.
    pub fn assign(
        &self,
        assign: Assign,
        rootfs: &File,
        snapshot: Option<&File>,
    ) -> Result<Assigned, ClientError> {
        let mut fds = vec![rootfs.as_fd()];
        fds.extend(snapshot.map(AsFd::as_fd));
        self.send(&ToWorker::Assign(Box::new(assign)), &fds)?;
        match self.receive()? {
            FromWorker::Assigned(assigned) => Ok(assigned),
            FromWorker::Refused(refused) => Err(ClientError::Refused(refused)),
            other => Err(ClientError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Opens a slot.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn slot(&self, index: u8) -> Result<SlotClient, ClientError> {
        let (ours, theirs) = packet::slot_pair()?;
        self.send(&ToWorker::Slot { index, has_broker: false }, &[theirs.as_fd()])?;
        let stream = UnixStream::from(ours);
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        Ok(SlotClient { stream, decoder: FrameDecoder::new(), input: Vec::new(), taken: 0, log: Vec::new() })
    }

    fn send(&self, message: &ToWorker, fds: &[BorrowedFd<'_>]) -> Result<(), ClientError> {
        Ok(packet::send(&self.socket, &message.encode()?, fds)?)
    }

    fn receive(&self) -> Result<FromWorker, ClientError> {
        let packet = packet::receive_of_worker(&self.socket)?;
        if packet.bytes.is_empty() {
            return Err(ClientError::Gone);
        }
        Ok(FromWorker::decode(&packet.bytes)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have left already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A slot from outside: its stream, and what the program prints.
pub struct SlotClient {
    stream: UnixStream,
    decoder: FrameDecoder,
    input: Vec<u8>,
    taken: usize,
    /// What the program has printed since this was emptied.
    pub log: Vec<u8>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Every byte that the program sent.
    pub response: Vec<u8>,
    /// How the machine ended.
    pub ended: Ended,
}

impl SlotClient {
    /// Sends a frame.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), ClientError> {
        self.send_frame(&Frame::new(kind, payload.to_vec()))
    }

    /// Sends a frame as it is.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn send_frame(&mut self, frame: &Frame) -> Result<(), ClientError> {
        Ok(self.stream.write_all(&frame.encode()?)?)
    }

    /// Sends a frame with a record.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn send_record<T: Serialize>(&mut self, kind: Kind, record: &T) -> Result<(), ClientError> {
        self.send_frame(&Frame::json(kind, record)?)
    }

    /// Receives the next frame that is not a log.
    ///
    /// # Errors
    /// The worker is gone or silent.
    pub fn receive(&mut self) -> Result<Frame, ClientError> {
        loop {
            let mut rest = &self.input[self.taken..];
            let frame = self.decoder.decode(&mut rest)?;
            self.taken = self.input.len() - rest.len();
            if let Some(frame) = &frame {
                frame.header()?.of_call()?;
            }
            match frame {
                Some(frame) if frame.kind == Kind::Log => self.log.extend_from_slice(frame.log()?.1),
                Some(frame) => return Ok(frame),
                None => {
                    self.input.resize(PAYLOAD_MAX, 0);
                    let count = self.stream.read(&mut self.input)?;
                    self.input.truncate(count);
                    self.taken = 0;
                    if count == 0 {
                        return Err(ClientError::Gone);
                    }
                }
            }
        }
    }

    /// Makes a shell.
    ///
    /// # Errors
    /// The worker cannot.
    pub fn prepare(&mut self) -> Result<Prepared, ClientError> {
        self.send(Kind::Prepare, &[])?;
        let frame = self.receive()?;
        if frame.kind == Kind::Prepared { Ok(frame.record()?) } else { Err(unexpected(&frame)) }
    }

    /// Boots the program until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn boot(&mut self, timeout: Duration) -> Result<Ready, ClientError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.send_record(Kind::Boot, &Boot { timeout_ms, memory: Charged::default() })?;
        self.ready()
    }

    fn ready(&mut self) -> Result<Ready, ClientError> {
        let frame = self.receive()?;
        if frame.kind == Kind::Ready { Ok(frame.record()?) } else { Err(unexpected(&frame)) }
    }

    /// Sends a request that a program answers and then closes the connection or is known to be done: the response ends
    /// where `done` says so, or at its end.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn call(
        &mut self,
        call: &Call,
        request: &[u8],
        done: impl FnMut(&[u8]) -> bool,
    ) -> Result<Answer, ClientError> {
        Ok(self.call_timed(call, request, done)?.0)
    }

    /// The same, with the moment at which the response was whole.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn call_timed(
        &mut self,
        call: &Call,
        request: &[u8],
        mut done: impl FnMut(&[u8]) -> bool,
    ) -> Result<(Answer, Instant), ClientError> {
        let (response, ended) = self.exchange(call, request, &mut done)?;
        let whole = Instant::now();
        let ended = match ended {
            Some(ended) => ended,
            None => self.wait_for_end()?,
        };
        Ok((Answer { response, ended }, whole))
    }

    /// Passes over everything up to the end of the call.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn wait_for_end(&mut self) -> Result<Ended, ClientError> {
        loop {
            let frame = self.receive()?;
            if frame.kind == Kind::Ended {
                return Ok(frame.record()?);
            }
        }
    }

    /// The same while baking: the program is ready again afterwards.
    ///
    /// # Errors
    /// The worker is gone, or the program does not come to rest again.
    pub fn warm_up(
        &mut self,
        call: &Call,
        request: &[u8],
        mut done: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<u8>, ClientError> {
        let (response, _) = self.exchange(call, request, &mut done)?;
        loop {
            let frame = self.receive()?;
            match frame.kind {
                Kind::Ready => return Ok(response),
                Kind::Eof | Kind::Data => {}
                _ => return Err(unexpected(&frame)),
            }
        }
    }

    fn exchange(
        &mut self,
        call: &Call,
        request: &[u8],
        done: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(Vec<u8>, Option<Ended>), ClientError> {
        let mut message = Frame::json(Kind::Call, call)?.encode()?;
        for piece in request.chunks(PAYLOAD_MAX) {
            Frame::new(Kind::Data, piece.to_vec()).encode_into(&mut message)?;
        }
        self.stream.write_all(&message)?;
        let mut response = Vec::new();
        loop {
            let frame = self.receive()?;
            match frame.kind {
                Kind::Started => {}
                Kind::Data => response.extend_from_slice(&frame.payload),
                Kind::Eof => break,
                Kind::Ended => return Ok((response, Some(frame.record()?))),
                _ => return Err(unexpected(&frame)),
            }
            if frame.kind == Kind::Data && done(&response) {
                break;
            }
        }
        self.send(Kind::Finish, &[])?;
        Ok((response, None))
    }

    /// Writes the snapshot of what was booted.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn snapshot(&mut self) -> Result<Snapshotted, ClientError> {
        self.send(Kind::Snapshot, &[])?;
        let frame = self.receive()?;
        if frame.kind == Kind::Snapshotted { Ok(frame.record()?) } else { Err(unexpected(&frame)) }
    }
}

fn unexpected(frame: &Frame) -> ClientError {
    match frame.kind {
        Kind::NotReady => frame.record().map_or_else(ClientError::from, ClientError::NotReady),
        Kind::Ended => {
            frame.record().map_or_else(ClientError::from, |ended| ClientError::Ended(Box::new(ended)))
        }
        kind => ClientError::Unexpected(format!("{kind:?} frame")),
    }
}
