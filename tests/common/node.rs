//! A server for tests: `kontain-faas serve` with a folder of its own, ended when it goes out of scope.

use super::binary;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// Longest time that anything here waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server.
pub struct Node {
    child: Child,
    /// Function port.
    pub functions: SocketAddr,
    /// Admin port.
    pub admin: SocketAddr,
    folder: TempDir,
    agent: ureq::Agent,
}

/// What a call gave.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Node {
    /// Starts a server with an empty folder of documents, and more options.
    pub fn start(options: &[&str]) -> Self {
        Self::start_in(TempDir::with_prefix("node-").expect("a folder can be made"), options)
    }

    /// The same in a folder that is there; its `volume` may be anything.
    pub fn start_in(folder: TempDir, options: &[&str]) -> Self {
        std::fs::create_dir(folder.path().join("images")).expect("a folder can be made");
        let child = Self::spawn(folder.path(), options);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT)).build();
        let mut node = Self { child, functions: unknown, admin: unknown, folder, agent: config.into() };
        node.find_addresses();
        node
    }

    /// Ends the server by a signal and starts it again on its folder, with a log of its own.
    pub fn restart(&mut self, signal: &str, options: &[&str]) {
        self.stop(signal);
        self.start_again(options);
    }

    /// Ends the server by this signal.
    pub fn stop(&mut self, signal: &str) {
        Command::new("kill")
            .args([&format!("-{signal}"), &self.pid().to_string()])
            .status()
            .expect("kill starts");
        self.child.wait_timeout(LIMIT).expect("a child can be waited for").expect("the server ends");
    }

    /// Starts a server that has ended over the same folder.
    pub fn start_again(&mut self, options: &[&str]) {
        self.child = Self::spawn(self.folder.path(), options);
        self.find_addresses();
    }

    fn spawn(folder: &Path, options: &[&str]) -> Child {
        let log = std::fs::File::create(folder.join("log")).expect("a file can be made");
        Command::new(binary("kontain-faas"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--images"])
            .arg(folder.join("images"))
            .arg("--volume")
            .arg(folder.join("volume"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is left"))
            .stderr(log)
            .spawn()
            .expect("the server starts")
    }

    fn find_addresses(&mut self) {
        let record = self.wait_for("its addresses", |node| {
            node.records().into_iter().find(|record| record["message"] == "serving")
        });
        let address =
            |name: &str| record[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        (self.functions, self.admin) = (address("functions"), address("admin"));
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Folder of documents, volume and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All of the log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// The log's records.
    pub fn records(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Asks until there is something; the log is what is shown when it never comes.
    pub fn wait_for<T>(&self, what: &str, ask: impl FnMut(&Self) -> Option<T>) -> T {
        self.wait_within(LIMIT, what, ask)
    }

    fn wait_within<T>(&self, limit: Duration, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = ask(self) {
                return found;
            }
            assert!(begun.elapsed() < limit, "no {what} after {limit:?}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Packs a command of this machine as an image of this node, with other files if there are any.
    pub fn pack(&self, name: &str, add: &[String], command: &[&str]) {
        let mut pack = Command::new(binary("kontain-faas"));
        pack.args(["pack", "-o"]).arg(format!("oci:{}", self.folder().join("images").join(name).display()));
        for path in add {
            pack.args(["--add", path]);
        }
        let result = pack.arg("--").args(command).output().expect("pack starts");
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    }

    /// Writes a document; `spec` is the specification's lines, indented by two.
    pub fn document(&self, name: &str, spec: &str) {
        let text = format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}}}\nspec:\n{spec}"
        );
        self.raw_document(name, &text);
    }

    /// Writes a file into the folder of documents, at once.
    pub fn raw_document(&self, name: &str, text: &str) {
        let folder = self.folder().join("images");
        std::fs::write(folder.join(format!(".{name}.new")), text).expect("a file can be written");
        std::fs::rename(folder.join(format!(".{name}.new")), folder.join(format!("{name}.yaml")))
            .expect("a file can be moved");
    }

    /// Removes a document.
    pub fn remove_document(&self, name: &str) {
        std::fs::remove_file(self.folder().join("images").join(format!("{name}.yaml"))).expect("it is there");
    }

    /// Publishes a test function (a program of `tests/functions`) under its own name, and waits until it is ready.
    pub fn publish(&self, name: &str, spec: &str) {
        let program = function(name);
        self.pack(name, &[], &[&program.display().to_string()]);
        self.document(name, &format!("  image: oci:{name}\n{spec}"));
        assert_eq!(self.settled(name)["phase"], "Ready", "the log:\n{}", self.log());
    }

    /// The function's entry in `/functions`, if it has one.
    pub fn state(&self, name: &str) -> Option<Value> {
        let answer = self.ask(&format!("http://{}/functions", self.admin));
        let list: Vec<Value> = serde_json::from_slice(&answer.body).ok()?;
        list.into_iter().find(|entry| entry["name"] == format!("default/{name}"))
    }

    /// The same, once it is not being baked any more.
    pub fn settled(&self, name: &str) -> Value {
        self.settled_within(LIMIT, name)
    }

    /// The same, for a program that takes long.
    pub fn settled_within(&self, limit: Duration, name: &str) -> Value {
        self.wait_within(limit, &format!("end of the bake of {name}"), |node| {
            node.state(name).filter(|entry| entry["phase"] != "Baking")
        })
    }

    /// The records of a function's last calls.
    pub fn calls(&self, name: &str) -> Vec<Value> {
        let answer = self.ask(&format!("http://{}/calls?function=default/{name}", self.admin));
        serde_json::from_slice(&answer.body).expect("/calls is JSON")
    }

    /// GET of any URL.
    pub fn ask(&self, url: &str) -> Answer {
        taken(self.agent.get(url).call().expect("an answer"))
    }

    /// Calls a function with GET.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("http://{}{path}", self.functions))
    }

    /// Calls a function with POST.
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        taken(self.agent.post(format!("http://{}{path}", self.functions)).send(body).expect("an answer"))
    }

    /// The same with a type of content.
    pub fn post_as(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let request =
            self.agent.post(format!("http://{}{path}", self.functions)).header("content-type", kind);
        taken(request.send(body).expect("an answer"))
    }

    /// Any request to the function port.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method);
        request = request.uri(format!("http://{}{path}", self.functions));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        taken(self.agent.run(request.body(body).expect("a request")).expect("an answer"))
    }

    /// A connection to the function port, for requests that no client would send.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.functions).expect("the server listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time-out can be set");
        stream
    }

    /// Asks the server to end, and tells how it did.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        Command::new("kill").arg(self.pid().to_string()).status().expect("kill starts");
        self.child.wait_timeout(LIMIT).expect("a child can be waited for")
    }

    /// Process ids of the node's workers: the server's children, and theirs.
    pub fn workers(&self) -> Vec<u32> {
        descendants(self.pid())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.terminate().is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

fn taken(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap_or_default();
    Answer { status, headers, body }
}

/// All processes below one.
pub fn descendants(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let mut found: Vec<u32> = children
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let below: Vec<u32> = found.iter().flat_map(|pid| descendants(*pid)).collect();
    found.extend(below);
    found
}

/// A program of `tests/functions`, static, built if it is not yet.
pub fn function(name: &str) -> PathBuf {
    let source = super::root().join("tests/functions").join(format!("{name}.c"));
    let output = super::root().join("target/functions").join(name);
    if super::outdated(&output, &[&source]) {
        let folder = output.parent().expect("below target");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let fresh = folder.join(format!("{name}.{}.{:?}", std::process::id(), std::thread::current().id()));
        let mut compile = Command::new("musl-gcc");
        let result = compile
            .args(["-O1", "-static", "-o"])
            .arg(&fresh)
            .arg(&source)
            .output()
            .expect("musl-gcc starts");
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
        std::fs::rename(&fresh, &output).expect("a file can be moved");
    }
    output
}
