//! What functions reach beyond their machines, and what they do not: against peers in a network namespace of the test's own, on
//! documentation addresses that the operator's options name.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod peers;

use std::collections::HashSet;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::node::Node;
use common::{binary, kvm_or_skip, root, run};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);
/// Where the DNS server listens, and what it knows.
const DNS: &str = "192.0.2.53";
const RECORDS: [&str; 8] = [
    "--host-record=db.test,192.0.2.1",
    "--host-record=redis.test,192.0.2.1",
    "--host-record=mail.test,192.0.2.1",
    "--host-record=web.test,192.0.2.1,2001:db8::1",
    "--host-record=rebinds.test,127.0.0.1",
    "--host-record=metadata.test,169.254.169.254",
    "--host-record=secret.test,192.0.2.66",
    "--cname=alias.test,web.test",
];

/// A test by its function.
type Test = fn() -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let runnable = kvm_or_skip("what functions reach") && own_network();
    let _dns = runnable.then(|| {
        peers::start();
        Dns::start()
    });
    let trials: Vec<(&str, Test)> = vec![
        ("programs_see_what_they_see_natively", programs_see_what_they_see_natively),
        ("functions_reach_what_their_images_declare", functions_reach_what_their_images_declare),
        ("what_is_not_declared_is_not_reached", what_is_not_declared_is_not_reached),
        ("a_name_opens_what_this_call_resolved", a_name_opens_what_this_call_resolved),
        (
            "connections_of_a_snapshot_are_gone_in_its_clones",
            connections_of_a_snapshot_are_gone_in_its_clones,
        ),
        ("functions_call_functions_of_their_node", functions_call_functions_of_their_node),
        ("the_operator_has_the_last_word", the_operator_has_the_last_word),
        ("nothing_leaks_over_many_calls", nothing_leaks_over_many_calls),
        (
            "clients_know_what_a_snapshot_did_to_their_connections",
            clients::clients_know_what_a_snapshot_did_to_their_connections,
        ),
        ("every_client_reaches_its_server", clients::every_client_reaches_its_server),
    ];
    let trials =
        trials.into_iter().map(|(name, test)| Trial::test(name, test).with_ignored_flag(!runnable)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// Moves this process into a network of its own with the peers' addresses.
fn own_network() -> bool {
    let moved = unshare(CloneFlags::CLONE_NEWNET).is_ok();
    let up = moved && ip(&["link", "set", "lo", "up"]);
    let addressed = up
        && [peers::V4, peers::FORBIDDEN, DNS]
            .iter()
            .all(|one| ip(&["addr", "add", &format!("{one}/32"), "dev", "lo"]))
        && ip(&["addr", "add", &format!("{}/128", peers::V6), "dev", "lo", "nodad"]);
    if !addressed {
        eprintln!(
            "\n*** SKIPPED: what functions reach: no network namespace can be made here (root is needed) ***\n"
        );
    }
    addressed
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).status().is_ok_and(|status| status.success())
}

/// dnsmasq, ended with the test.
struct Dns(Child);

impl Dns {
    fn start() -> Self {
        let child = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--user=root",
            ])
            .args(["--pid-file=", "--local=/test/"])
            .arg(format!("--listen-address={DNS}"))
            .args(RECORDS)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq is installed by make setup-test");
        Self(child)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A program of this folder, built once.
fn built(name: &str, compiler: &str, flags: &[&str]) -> PathBuf {
    let source = root().join("tests/egress").join(format!("{name}.c"));
    let folder = TempDir::with_prefix("egress-").expect("a folder can be made").keep();
    let program = folder.join(name);
    let done = Command::new(compiler)
        .args(["-O1", "-w", "-D_GNU_SOURCE"])
        .args(flags)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .status()
        .expect("there is a compiler");
    assert!(done.success(), "{name} cannot be compiled");
    program
}

fn fetches() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("fetches", "musl-gcc", &["-static"]))
}

fn resolv_conf() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = TempDir::with_prefix("egress-").expect("a folder can be made").keep();
        let file = folder.join("resolv.conf");
        std::fs::write(&file, format!("nameserver {DNS}\n")).expect("a file can be written");
        file.display().to_string()
    })
}

/// A server whose operator opens the documentation networks.
fn server(more: &[&str]) -> Node {
    let mut options = vec!["--egress-resolv-conf", resolv_conf()];
    // Addresses of the node, which these are, are opened by an allow of exactly them.
    options.extend(["--egress-allow", "192.0.2.1,192.0.2.66,2001:db8::1"]);
    options.extend(more);
    Node::start(&options)
}

/// Publishes the function that fetches, with these rules.
fn publish(node: &Node, name: &str, arguments: &[&str], egress: &str) {
    let mut command = vec![fetches().to_str().expect("a path of text")];
    command.extend(arguments);
    node.pack(name, &[], &command);
    node.document(name, &format!("  image: oci:{name}\n{egress}"));
    let entry = node.settled(name);
    assert_eq!(entry["phase"], "Ready", "{entry}");
}

/// What the admin port says.
fn admin(node: &Node, path: &str) -> String {
    node.ask(&format!("http://{}{path}", node.admin)).text()
}

const WEB_RULE: &str = "  egress: [{host: web.test, ports: [8000]}]\n";

fn programs_see_what_they_see_natively() -> Result<(), Failed> {
    for (compiler, flags) in [("cc", &[][..]), ("cc", &["-static"])] {
        let program = built("sockets", compiler, flags);
        for host in [peers::V4, peers::V6] {
            let expected = run(Command::new(&program).arg(host), b"", LIMIT)?;
            let network = if host == peers::V4 { "192.0.2.1" } else { "[2001:db8::1]" };
            let mut machine = Command::new(binary("km"));
            machine.arg("run");
            for rule in [format!("{network}:1-65535"), format!("{network}:1-65535/udp")] {
                machine.arg("--egress").arg(rule);
            }
            let got = run(machine.arg(&program).arg("--").arg(host), b"", LIMIT)?;
            let (native, inside) =
                (String::from_utf8_lossy(&expected.stdout), String::from_utf8_lossy(&got.stdout));
            let differences: Vec<String> = native
                .lines()
                .zip(inside.lines())
                .filter(|(left, right)| left != right)
                .map(|(left, right)| format!("natively {left:?}, in the machine {right:?}"))
                .collect();
            let same = differences.is_empty() && native.lines().count() == inside.lines().count();
            if !same || expected.status != got.status {
                return Err(format!(
                    "{host}: {}\n{inside}\n{}",
                    differences.join("\n"),
                    String::from_utf8_lossy(&got.stderr)
                )
                .into());
            }
            let cases: u32 =
                native.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0);
            assert!(cases >= 60, "{cases} cases");
        }
    }
    Ok(())
}

fn functions_reach_what_their_images_declare() -> Result<(), Failed> {
    let node = server(&[]);
    publish(
        &node,
        "fetches",
        &[],
        "  egress: [{host: web.test, ports: [8000]}, {host: alias.test, ports: [8000]}, {cidr: 192.0.2.0/28, ports: [8000, 8080]}]\n",
    );
    // The function listens at 8080 of all its own addresses, of which the peer's is none.
    for to in ["web.test/8000", "alias.test/8000", "192.0.2.1/8000", "192.0.2.1/8080"] {
        let answer = node.get(&format!("/default/fetches/{to}"));
        assert_eq!(answer.status, 200, "{to}: {}", answer.text());
        assert!(answer.text().starts_with("from beyond, port "), "{}", answer.text());
    }
    // The peer's own answer, not the broker's.
    let refused = node.get("/default/fetches/192.0.2.2/8000");
    assert_eq!(refused.status, 502);
    let call = node.wait_for("the record of a call that connected", |node| {
        node.calls("fetches").into_iter().find(|call| call["connections"].as_u64() > Some(0))
    });
    assert!(call["sent_bytes"].as_u64() > Some(20) && call["received_bytes"].as_u64() > Some(20), "{call}");
    let metrics = admin(&node, "/metrics");
    let counted =
        metrics.lines().find(|line| line.contains("egress_connections") && line.contains("connected"));
    assert!(counted.is_some_and(|line| line.contains("default/fetches")), "{metrics}");
    Ok(())
}

fn what_is_not_declared_is_not_reached() -> Result<(), Failed> {
    let node = server(&[]);
    publish(
        &node,
        "fetches",
        &[],
        "  egress: [{host: web.test, ports: [8000]}, {host: metadata.test, ports: [80]}, {host: rebinds.test, ports: [8000]}]\n",
    );
    let denied = [
        ("192.0.2.66/8000", "Network unreachable"),
        ("web.test/8001", "Network unreachable"),
        ("169.254.169.254/80", "Network unreachable"),
        ("2852039166/80", "Network unreachable"),
        ("0xa9fea9fe/80", "Network unreachable"),
        ("0251.0376.0251.0376/80", "Network unreachable"),
        ("::ffff:169.254.169.254/80", "Network unreachable"),
        ("64:ff9b::a9fe:a9fe/80", "Network unreachable"),
        ("metadata.test/80", "Network unreachable"),
        ("10.0.0.1/80", "Network unreachable"),
        ("224.0.0.1/80", "Network unreachable"),
        ("secret.test/8000", "Try again"),
    ];
    for (to, why) in denied {
        let answer = node.get(&format!("/default/fetches/{to}"));
        assert_eq!((answer.status, answer.text().as_str()), (502, why), "{to}");
    }
    // Loopback is the machine's own, whatever a name says.
    let own = node.get("/default/fetches/rebinds.test/8000");
    assert_eq!((own.status, own.text().as_str()), (502, "Connection refused"));
    assert_eq!(peers::FORBIDDEN_CAME.load(Ordering::Relaxed), 0);
    let log = admin(&node, "/logs?function=default/fetches");
    assert!(log.contains("egress to 192.0.2.66:8000 is not allowed; add it to spec.egress"), "{log}");
    let call = node.get("/default/fetches/10.0.0.1/80").header("x-call-id").expect("an id").to_owned();
    node.wait_for("the line of the denial", |node| node.log().contains(&call).then_some(()));

    // Without a rule there is no way at all.
    publish(&node, "nothing", &[], "");
    let answer = node.get("/default/nothing/192.0.2.1/8000");
    assert_eq!((answer.status, answer.text().as_str()), (502, "Network unreachable"));
    Ok(())
}

fn a_name_opens_what_this_call_resolved() -> Result<(), Failed> {
    let node = server(&[]);
    publish(&node, "fetches", &[], WEB_RULE);
    assert_eq!(node.get("/default/fetches/web.test/8000").status, 200);
    // Another call has resolved it; this one has not.
    let answer = node.get("/default/fetches/192.0.2.1/8000");
    assert_eq!((answer.status, answer.text().as_str()), (502, "Network unreachable"));
    Ok(())
}

fn connections_of_a_snapshot_are_gone_in_its_clones() -> Result<(), Failed> {
    let node = server(&[]);
    publish(&node, "keeps", &["web.test", "8000"], WEB_RULE);
    for _ in 0..3 {
        let answer = node.get("/default/keeps/kept");
        assert_eq!((answer.status, answer.text().as_str()), (200, "IN HUP ERR Connection reset by peer"));
        assert_eq!(node.get("/default/keeps/web.test/8000").status, 200, "a new one can be made");
    }
    Ok(())
}

fn functions_call_functions_of_their_node() -> Result<(), Failed> {
    let node = server(&["--gateway", "--no-auth"]);
    publish(
        &node,
        "caller",
        &[],
        "  egress: [{host: functions.internal}, {host: functions.internal, namespace: shop}]\n",
    );
    publish(&node, "mute", &[], "  egress: [{host: web.test, ports: [8000]}]\n");
    for namespace in ["shop", "bank"] {
        let text = format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: mute, namespace: {namespace}}}\nspec:\n  image: oci:mute\n"
        );
        node.raw_document(namespace, &text);
        node.wait_for("a function of another namespace", |node| {
            (node.get(&format!("/{namespace}/mute/")).status == 200).then_some(())
        });
    }
    let call = |path: &str| node.get(&format!("/default/caller/functions.internal/{path}"));
    for port in ["80", "8080"] {
        let answer = call(&format!("{port}/default/mute/any?thing=1"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "well"), "own namespace, port {port}");
    }
    assert_eq!(call("80/shop/mute/").text(), "well", "a namespace that a rule names");
    // One after the other, and what is said of each is the same whether it is there or not.
    for (path, reason) in [
        ("80/bank/mute/", "NotAllowed"),
        ("80/bank/nothing/", "NotAllowed"),
        ("80/default/nothing/", "NotFound"),
        ("80/system/functions", "NotFound"),
        ("80/", "NotFound"),
    ] {
        let answer = call(path);
        assert!(answer.text().contains(&format!("\"reason\":\"{reason}\"")), "{path}: {}", answer.text());
    }
    let hops = |count: usize| {
        let step = "functions.internal/80/default/caller/";
        node.get(&format!("/default/caller/{}", step.repeat(count))).text()
    };
    assert_eq!(hops(8), "well");
    assert!(hops(9).contains("\"reason\":\"TooManyHops\""), "{}", hops(9));
    // Who has no rule does not even have the name, nor anything by the address.
    let name = node.get("/default/mute/functions.internal/80/default/mute/");
    assert_eq!((name.status, name.text().as_str()), (502, "Try again"));
    let address = node.get("/default/mute/192.0.0.3/80/default/mute/");
    assert_eq!((address.status, address.text().as_str()), (502, "Network unreachable"));
    let records = node.calls("mute");
    assert!(records.iter().any(|call| call["result"] == "ok"), "{records:?}");
    let records = node.calls("caller");
    let counts = |call: &serde_json::Value| {
        call["sent_bytes"].as_u64() > Some(20) && call["received_bytes"].as_u64() > Some(20)
    };
    assert!(records.iter().any(counts), "bytes are counted: {records:?}");
    Ok(())
}

fn the_operator_has_the_last_word() -> Result<(), Failed> {
    for (options, expected) in [
        (&["--egress", "off"][..], "Network unreachable"),
        (&["--egress-deny", "192.0.2.0/30,2001:db8::/64"], "Network unreachable"),
    ] {
        let node = server(options);
        publish(&node, "fetches", &[], "  egress: [{cidr: 192.0.2.1, ports: [8000]}]\n");
        let answer = node.get("/default/fetches/192.0.2.1/8000");
        assert_eq!((answer.status, answer.text().as_str()), (502, expected), "{options:?}");
    }
    // Special addresses are opened by their very network alone.
    let node = Node::start(&["--egress-resolv-conf", resolv_conf(), "--egress-allow", "0.0.0.0/0"]);
    publish(&node, "fetches", &[], "  egress: [{cidr: 0.0.0.0/0, ports: [8000]}]\n");
    assert_eq!(node.get("/default/fetches/192.0.2.1/8000").status, 502);
    Ok(())
}

fn nothing_leaks_over_many_calls() -> Result<(), Failed> {
    const CALLS: usize = 200;
    let node = server(&[]);
    publish(&node, "fetches", &[], "  egress: [{cidr: 192.0.2.1, ports: [8000]}]\n");
    let descriptors = |node: &Node| folder(&format!("/proc/{}/fd", node.pid())).len();
    for _ in 0..50 {
        assert_eq!(node.get("/default/fetches/192.0.2.1/8000").status, 200);
    }
    let before = descriptors(&node);
    for index in 0..CALLS {
        let answer = node.get("/default/fetches/192.0.2.1/8000");
        assert_eq!(answer.status, 200, "call {index}: {}", answer.text());
    }
    let own = TcpStream::connect("192.0.2.1:8000").expect("the peer listens");
    assert_ne!(connections(std::process::id()), 0, "they can be counted");
    drop(own);
    node.wait_for("end of all connections", |node| (connections(node.pid()) == 0).then_some(()));
    // The pool may have grown meanwhile, by less than a descriptor for each call.
    let after = descriptors(&node);
    assert!(after < before + CALLS / 2, "{before} descriptors before, {after} after {CALLS} calls");
    Ok(())
}

/// How many sockets to the peers a process holds.
fn connections(pid: u32) -> usize {
    let held: HashSet<String> = folder(&format!("/proc/{pid}/fd"))
        .iter()
        .filter_map(|path| std::fs::read_link(path).ok()?.to_str().map(str::to_owned))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).expect("a table of sockets");
    // proc_pid_net(5): the third column is the remote address, the tenth the inode.
    let to_peer = |line: &&str| line.split_whitespace().nth(2).is_some_and(|to| to.starts_with("010200C0:"));
    let inode = |line: &str| line.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]"));
    table.lines().filter(to_peer).filter_map(inode).filter(|socket| held.contains(socket)).count()
}

fn folder(path: &str) -> Vec<PathBuf> {
    std::fs::read_dir(path).expect("a folder").flatten().map(|entry| entry.path()).collect()
}
