//! One slot of the fake worker: blocking frames, and the little HTTP that canned answers need.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use km_vmm::protocol::call::{Call, Ended, Outcome, Started};
use km_vmm::protocol::{Frame, FrameDecoder, Kind, PAYLOAD_MAX};

/// The stream is over.
#[derive(Debug)]
pub struct SlotEnd;

/// A slot.
pub struct Slot {
    stream: UnixStream,
    decoder: FrameDecoder,
    input: Vec<u8>,
    /// Bytes of the request that were read beyond its head.
    rest: Vec<u8>,
    /// How the server ended the call, when it did while an answer was written.
    ended: Option<Kind>,
    deadline: Instant,
}

/// The control socket, which stands at descriptor 3: asked of the kernel, since a number alone is no owned descriptor.
pub fn control_descriptor() -> std::io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(own, km_vmm::protocol::CONTROL_FD, PidfdGetfdFlags::empty())?)
}

impl Slot {
    pub fn new(stream: OwnedFd) -> Self {
        Self {
            stream: stream.into(),
            decoder: FrameDecoder::new(),
            input: Vec::new(),
            rest: Vec::new(),
            ended: None,
            deadline: Instant::now(),
        }
    }

    pub fn next(&mut self) -> Result<Frame, SlotEnd> {
        loop {
            let mut input = self.input.as_slice();
            let frame = self.decoder.decode(&mut input).map_err(|_| SlotEnd)?;
            let used = self.input.len() - input.len();
            self.input.drain(..used);
            if let Some(frame) = frame {
                if frame.kind == Kind::Call {
                    let call: Call = frame.record().map_err(|_| SlotEnd)?;
                    self.deadline = Instant::now() + Duration::from_millis(call.deadline_ms);
                    (self.rest, self.ended) = (Vec::new(), None);
                }
                return Ok(frame);
            }
            let mut buffer = [0; 65536];
            let count = self.stream.read(&mut buffer).map_err(|_| SlotEnd)?;
            if count == 0 {
                return Err(SlotEnd);
            }
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    pub fn send(&mut self, frame: &Frame) -> Result<(), SlotEnd> {
        let bytes = frame.encode().map_err(|_| SlotEnd)?;
        self.stream.write_all(&bytes).map_err(|_| SlotEnd)
    }

    pub fn json<T: serde::Serialize>(&mut self, kind: Kind, record: &T) -> Result<(), SlotEnd> {
        let frame = Frame::json(kind, record).map_err(|_| SlotEnd)?;
        self.send(&frame)
    }

    pub fn started(&mut self) -> Result<(), SlotEnd> {
        self.json(Kind::Started, &Started { boot_us: 42 })
    }

    pub fn ended(&mut self, outcome: Outcome) -> Result<(), SlotEnd> {
        self.json(
            Kind::Ended,
            &Ended {
                outcome,
                boot_us: 42,
                first_byte_us: Some(50),
                run_us: 100,
                teardown_us: 10,
                dirty_pages: 20,
                touched_pages: 30,
                exits: 4,
                page_faults: 5,
            },
        )
    }

    pub fn log(&mut self, stream: u8, bytes: &[u8]) -> Result<(), SlotEnd> {
        self.send(&Frame::new(Kind::Log, [&[stream], bytes].concat()))
    }

    pub fn data(&mut self, bytes: &[u8]) -> Result<(), SlotEnd> {
        self.send(&Frame::new(Kind::Data, bytes.to_vec()))
    }

    pub fn eof(&mut self) -> Result<(), SlotEnd> {
        self.send(&Frame::empty(Kind::Eof))
    }

    /// Bytes of the request; nothing when the server ended the call.
    fn more(&mut self) -> Result<Vec<u8>, SlotEnd> {
        if !self.rest.is_empty() {
            return Ok(std::mem::take(&mut self.rest));
        }
        loop {
            let frame = self.next()?;
            match frame.kind {
                Kind::Data => return Ok(frame.payload),
                Kind::End => return Ok(Vec::new()),
                Kind::Finish | Kind::Cancel => {
                    self.ended = Some(frame.kind);
                    return Ok(Vec::new());
                }
                _ => {}
            }
        }
    }

    /// The head of the request.
    pub fn head(&mut self) -> Result<String, SlotEnd> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                self.rest = bytes.split_off(end + 4);
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            let more = self.more()?;
            if more.is_empty() {
                return Ok(String::new());
            }
            bytes.extend(more);
        }
    }

    /// Reads the body and counts it.
    pub fn body(&mut self, head: &str) -> Result<u64, SlotEnd> {
        let header = |name: &str| {
            head.lines().find_map(|line| {
                line.split_once(':')
                    .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim())
            })
        };
        if let Some(length) = header("content-length").and_then(|text| text.parse::<u64>().ok()) {
            let mut count = 0;
            while count < length {
                let more = self.more()?;
                if more.is_empty() {
                    break;
                }
                count += more.len() as u64;
            }
            return Ok(count);
        }
        if header("transfer-encoding").is_some() { self.chunked_body() } else { Ok(0) }
    }

    fn chunked_body(&mut self) -> Result<u64, SlotEnd> {
        let (mut buffer, mut count, mut left) = (Vec::new(), 0, 0);
        loop {
            if left > 0 && !buffer.is_empty() {
                let take = buffer.len().min(left);
                buffer.drain(..take);
                left -= take;
                continue;
            }
            if left == 0
                && let Some(end) = buffer.windows(2).position(|window| window == b"\r\n")
            {
                let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
                let size = usize::from_str_radix(line.trim(), 16).map_err(|_| SlotEnd)?;
                buffer.drain(..end + 2);
                if size == 0 {
                    return Ok(count);
                }
                count += size as u64;
                left = size + 2;
                continue;
            }
            let more = self.more()?;
            if more.is_empty() {
                return Ok(count);
            }
            buffer.extend(more);
        }
    }

    pub fn respond(&mut self, status: &str, body: &[u8]) -> Result<(), SlotEnd> {
        let head = format!("HTTP/1.1 {status}\r\nX-mIxEd: yes\r\nContent-Length: {}\r\n\r\n", body.len());
        self.data(&[head.as_bytes(), body].concat())
    }

    pub fn bytes(&mut self, count: u64) -> Result<(), SlotEnd> {
        self.data(format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n").as_bytes())?;
        let block = vec![b'z'; 65536];
        let mut left = count;
        while left > 0 {
            let take = left.min(65536) as usize;
            self.data(&block[..take])?;
            left -= take as u64;
        }
        Ok(())
    }

    pub fn chunks(&mut self, count: u64) -> Result<(), SlotEnd> {
        self.data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..count {
            self.data(b"5\r\nchunk\r\n")?;
        }
        self.data(b"0\r\n\r\n")
    }

    /// An answer with `count` header fields.
    pub fn fields(&mut self, count: u64) -> Result<(), SlotEnd> {
        let fields: String = (1..count).map(|number| format!("X-{number}: v\r\n")).collect();
        self.all(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nhi").as_bytes())
    }

    /// An answer whose head has `length` bytes.
    pub fn headed(&mut self, length: u64) -> Result<(), SlotEnd> {
        let (start, end) = ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: ", "\r\n\r\n");
        let value = "l".repeat(length as usize - start.len() - end.len());
        self.all(format!("{start}{value}{end}hi").as_bytes())
    }

    /// An answer with `count` trailer fields.
    pub fn trailed(&mut self, count: u64) -> Result<(), SlotEnd> {
        let fields: String = (0..count).map(|number| format!("X-{number}: v\r\n")).collect();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n";
        self.all(format!("{head}2\r\nhi\r\n0\r\n{fields}\r\n").as_bytes())
    }

    /// As many frames as the bytes need.
    fn all(&mut self, bytes: &[u8]) -> Result<(), SlotEnd> {
        bytes.chunks(PAYLOAD_MAX).try_for_each(|piece| self.data(piece))
    }

    pub fn events(&mut self) -> Result<(), SlotEnd> {
        self.data(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        for number in 0..2 {
            let event = format!("data: {number}\n\n");
            self.data(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
            std::thread::sleep(Duration::from_millis(100));
        }
        self.wait_for_cancel()
    }

    /// Switches protocols if asked to and sends everything back.
    pub fn echo_tunnel(&mut self, head: &str) -> Result<Outcome, SlotEnd> {
        if !head.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n") {
            self.respond("426 Upgrade Required", b"")?;
            return self.wait_for_end();
        }
        self.data(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
        loop {
            let bytes = self.more()?;
            if bytes.is_empty() {
                self.eof()?;
                return if self.ended.is_some() { Ok(Outcome::Cancelled) } else { self.wait_for_end() };
            }
            self.data(&bytes)?;
        }
    }

    /// Waits until the server is done with the machine.
    pub fn wait_for_end(&mut self) -> Result<Outcome, SlotEnd> {
        while self.ended.is_none() {
            self.more()?;
        }
        Ok(if self.ended == Some(Kind::Finish) { Outcome::Idle } else { Outcome::Cancelled })
    }

    /// Answers nothing until the server gives the call up.
    pub fn wait_for_cancel(&mut self) -> Result<(), SlotEnd> {
        while self.ended.is_none() {
            self.more()?;
        }
        Ok(())
    }
}
