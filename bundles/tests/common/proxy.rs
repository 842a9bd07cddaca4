//! An HTTP proxy in front of a registry that does what it is told: answers itself, cuts, drips, changes, forwards.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came, the head only.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET /v2/…`.
    pub line: String,
    pub head: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Whether it asks for a blob itself, and not only about one.
    pub fn is_blob(&self) -> bool {
        self.line.starts_with("GET ") && self.line.contains("/blobs/")
    }
}

/// What to do with a request.
pub enum Action {
    /// Pass it on, and the answer back.
    Forward,
    /// Pass it on without the headers of these names.
    Without(&'static str),
    /// Pass the answer's head back and so many bytes of its body, then hang up.
    Cut(usize),
    /// Pass the answer back with one byte of the body changed.
    Flip(usize),
    /// Pass the answer back, the body one byte at a time with this pause between.
    Drip(Duration),
    /// Answer with this.
    Reply(String),
    /// Answer with a body that never ends.
    Endless,
}

type Handler = dyn Fn(&Request, &[Request]) -> Action + Send + Sync;

/// A running proxy; its thread ends with the test.
pub struct Proxy {
    pub host: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    /// Forwards to `upstream` what `handler` does not deal with. It sees the request and all before it.
    pub fn new(
        upstream: &str,
        handler: impl Fn(&Request, &[Request]) -> Action + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (upstream, handler, all) =
            (upstream.to_owned(), Arc::<Handler>::from(Box::new(handler) as Box<Handler>), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, handler, all) = (upstream.clone(), Arc::clone(&handler), Arc::clone(&all));
                std::thread::spawn(move || serve(stream, &upstream, &*handler, &all));
            }
        });
        Self { host, seen }
    }

    /// Everything that was asked so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests asked for a blob.
    pub fn blobs(&self) -> usize {
        self.seen().iter().filter(|request| request.is_blob()).count()
    }
}

fn serve(mut client: TcpStream, upstream: &str, handler: &Handler, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let head = read_head(&mut client)?;
    let request = Request { line: head.lines().next()?.to_owned(), head };
    let action = {
        let mut seen = seen.lock().unwrap();
        let action = handler(&request, &seen);
        seen.push(request.clone());
        action
    };
    match action {
        Action::Reply(text) => client.write_all(text.as_bytes()).ok(),
        Action::Endless => {
            client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").ok()?;
            while client.write_all(&[0; 4096]).is_ok() {}
            None
        }
        action => forward(&mut client, &request, upstream, &action),
    }
}

fn forward(client: &mut TcpStream, request: &Request, upstream: &str, action: &Action) -> Option<()> {
    let mut server = TcpStream::connect(upstream).ok()?;
    let dropped = if let Action::Without(name) = action { name } else { "Connection" };
    for line in request.head.lines().filter(|line| !line.is_empty()) {
        let name = line.split(':').next()?;
        if !name.eq_ignore_ascii_case(dropped) && !name.eq_ignore_ascii_case("connection") {
            server.write_all(format!("{line}\r\n").as_bytes()).ok()?;
        }
    }
    server.write_all(b"Connection: close\r\n\r\n").ok()?;
    let head = read_head(&mut server)?;
    client.write_all(head.as_bytes()).ok()?;
    match action {
        Action::Cut(bytes) => {
            std::io::copy(&mut server.take(*bytes as u64), client).ok()?;
        }
        Action::Flip(at) => {
            let mut body = Vec::new();
            server.read_to_end(&mut body).ok()?;
            *body.get_mut(*at)? ^= 1;
            client.write_all(&body).ok()?;
        }
        Action::Drip(pause) => {
            for byte in std::io::BufReader::new(server).bytes() {
                client.write_all(&[byte.ok()?]).ok()?;
                std::thread::sleep(*pause);
            }
        }
        _ => {
            std::io::copy(&mut server, client).ok()?;
        }
    }
    Some(())
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
