//! The list of runtimes, and what is particular about each.

use std::path::Path;

/// A row of the matrix.
pub struct Runtime {
    /// Its folder below `tests/runtimes`, and the function's name.
    pub name: &'static str,
    /// What the README calls it.
    pub title: &'static str,
    /// Memory of its machines in MiB.
    pub memory_mib: u32,
    /// Before each route: `/cgi-bin` where only scripts answer.
    pub prefix: &'static str,
    /// What an error that nobody catches becomes.
    pub failure: Failure,
    /// Members that the echoed document is accompanied by, as JSON.
    pub beside: &'static str,
    /// A call takes so little that a thousand of them are made each time.
    pub quick: bool,
}

/// What a client gets when the program does not catch an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The program ends, or closes the connection: 502 of the server's.
    Ends,
    /// 500 of the framework's.
    Framework,
}

use Failure::{Ends, Framework};

const fn row(name: &'static str, title: &'static str, memory_mib: u32, failure: Failure) -> Runtime {
    Runtime { name, title, memory_mib, prefix: "", failure, beside: "{}", quick: false }
}

impl Runtime {
    const fn with(mut self, beside: &'static str) -> Self {
        self.beside = beside;
        self
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn below(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// The specification's lines. The warm-up draws random bytes and echoes; it leaves UUIDs and the counter alone.
    pub fn specification(&self, image: &Path) -> String {
        let Self { memory_mib, prefix, .. } = self;
        format!(
            "  image: oci:{}:latest\n  timeout: 60s\n  resources: {{limits: {{memory: {memory_mib}Mi}}}}\n  warmup:\n\
             \x20 - {{path: {prefix}/random}}\n  - {{method: POST, path: {prefix}/body, body: warm}}\n",
            image.display()
        )
    }
}

/// Every runtime that is tested.
pub const RUNTIMES: &[Runtime] = &[
    row("c-musl", "C, static with musl", 64, Ends).quick(),
    row("c-glibc", "C with glibc and OpenSSL", 64, Ends).quick(),
    row("rust-axum", "Rust, axum", 64, Ends).quick(),
    row("go", "Go, net/http, 1,000 goroutines", 128, Ends).with(r#"{"workers": 1000}"#),
    row("python-http", "CPython, http.server", 128, Ends).quick(),
    row("flask", "CPython, Flask", 128, Framework),
    row("fastapi", "CPython, FastAPI on uvicorn", 256, Framework),
    row("gunicorn", "CPython, gunicorn, 2 workers", 256, Framework),
    row("numpy", "CPython, numpy", 256, Ends).with(r#"{"solved": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]}"#),
    row("sqlite", "SQLite with a write-ahead log", 128, Ends).with(r#"{"rows": 1}"#),
    row("user", "an unprivileged user", 128, Ends).with(
        r#"{"who": ["worker", 1234, 2345, [3456], "/home/worker"], "refused": [true, true, true, true, true]}"#,
    ),
    row("node-http", "Node, http", 256, Ends),
    row("express", "Node, Express", 256, Framework),
    row("node-workers", "Node, worker_threads", 512, Framework),
    row("deno", "Deno", 256, Framework),
    row("bun", "Bun", 256, Framework),
    row("java-httpserver", "Java, com.sun.net.httpserver", 256, Ends),
    row("spring-boot", "Java, Spring Boot", 512, Framework),
    row("ruby", "Ruby, WEBrick", 128, Framework),
    row("php", "PHP, built-in server", 128, Framework),
    row("perl", "Perl, HTTP::Daemon", 128, Ends),
    row("nginx", "nginx with a worker", 128, Framework).quick(),
    row("busybox", "busybox httpd with CGI", 64, Ends).below("/cgi-bin"),
    row("shell", "a shell script that pipes and execs", 128, Ends).quick(),
];
