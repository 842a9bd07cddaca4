//! What one function takes of the node, its neighbours keep: memory and processors.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::{Answer, Node, descendants, function};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Publishes the probe under a name.
fn publish(node: &Node, name: &str, spec: &str) {
    node.pack(name, &[], &[&function("probe").display().to_string()]);
    node.document(name, &format!("  image: oci:{name}\n{spec}"));
    assert_eq!(node.settled(name)["phase"], "Ready", "{}", node.log());
}

/// Calls in a thread of its own: status and body, or nothing where the connection ended.
fn call(address: SocketAddr, path: &str) -> JoinHandle<Option<(u16, String)>> {
    let url = format!("http://{address}{path}");
    std::thread::spawn(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(120))).build().into();
        let mut answer = agent.get(url).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    })
}

/// A number of `/metrics`.
fn metric(node: &Node, name: &str) -> u64 {
    let text = node.ask(&format!("http://{}/metrics", node.admin)).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not in {text}"))
}

/// Memory that belongs to these processes alone, in bytes.
fn own_memory(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum::<u64>() * 1024
}

/// Held by a test that needs the processors for itself.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_function_that_fills_memory_ends_its_own_calls() {
    if !kvm_or_skip("functions that fill memory") {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let node = Node::start(&["--memory", "256Mi"]);
    publish(&node, "greedy", "  timeout: 60s\n  resources: {limits: {memory: 768Mi}}\n");
    publish(&node, "neighbour", "");
    let fits = |answer: &Answer| (answer.status, answer.text()) == (200, "ok\n".to_owned());
    let one = node.get("/default/greedy/fill/50");
    assert!(fits(&one), "{}: {}\n{}", one.status, one.text(), node.log());
    settled(&node);
    let calls: Vec<_> = (0..4).map(|_| call(node.functions, "/default/greedy/fill/150")).collect();
    let done = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(own_memory(&node.workers()));
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        // However this ends, who watches ends with it.
        let ends = Ends(&done);
        // The neighbour answers all the while.
        while calls.iter().any(|call| !call.is_finished()) {
            let answer = node.get("/default/neighbour/count");
            assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"), "{}", node.log());
        }
        drop(ends);
        watch.join().expect("it does not panic")
    });
    let answers: Vec<_> =
        calls.into_iter().map(|call| call.join().expect("no panic").expect("an answer")).collect();
    let ended =
        answers.iter().filter(|(status, body)| *status == 502 && body.contains("OutOfMemory")).count();
    let whole = answers.iter().filter(|(status, body)| (*status, body.as_str()) == (200, "ok\n")).count();
    assert!(ended >= 3 && ended + whole == answers.len(), "{answers:?}\n{}", node.log());
    // Far below what the four would have taken, whatever they took until they heard of their end.
    assert!(most < 480 * MIB, "the workers held {} MiB", most / MIB);
    assert!(node.log().contains("serve --memory"), "the log says why:\n{}", node.log());
    // All of it comes back, and the next call finds it.
    settled(&node);
    let again = node.get("/default/greedy/fill/50");
    assert!(fits(&again), "{}: {}\n{}", again.status, again.text(), node.log());
}

/// Says when it is dropped that something has ended.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until machines are charged no more than those that wait for calls.
fn settled(node: &Node) {
    node.wait_for("the end of the machines", |node| {
        let counts = |name: &str| node.state(name).is_none_or(|state| state["in_flight"] == 0);
        let used = metric(node, "kontain_memory_used_bytes");
        (counts("greedy") && counts("neighbour") && used < 160 * MIB).then_some(())
    });
}

#[test]
fn a_bake_is_charged_what_it_uses() {
    if !kvm_or_skip("bakes and memory") {
        return;
    }
    let node = Node::start(&["--memory", "128Mi"]);
    // Its limit alone is more than the node has.
    publish(&node, "large", "  resources: {limits: {memory: 4Gi}}\n");
    assert_eq!(node.get("/default/large/count").text(), "1\n");
}

/// Processor time of processes, in ticks of the clock.
fn processor_time(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    pids.iter().filter_map(of).sum()
}

#[test]
fn functions_share_the_processors_whatever_they_have_running() {
    if !kvm_or_skip("functions and processors") {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Several groups of the scheduler in the place of control groups: not in a container that has one of its own.
    let grouped =
        fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|text| text.trim() == "1");
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().any(|line| line.contains(":cpu") && !line.ends_with(":/"));
    let alone = own || std::path::Path::new("/sys/fs/cgroup/cpu.weight").exists();
    if !grouped || alone {
        eprintln!(
            "\n*** SKIPPED: functions and processors: the scheduler does not group sessions here ***\n"
        );
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let node = Node::start(&[]);
    publish(&node, "small", "  timeout: 3m\n");
    let before = descendants(node.pid());
    let calls = |name: &str, count: usize| -> Vec<_> {
        let path = format!("/default/{name}/spin");
        (0..count).map(|_| call(node.functions, &path)).collect()
    };
    let small = calls("small", cores);
    node.wait_for("the calls of the small one", |node| {
        (node.state("small")?["in_flight"] == cores).then_some(())
    });
    let of_small: Vec<u32> = workers_of(&node, &[]);
    publish(&node, "large", "  timeout: 3m\n");
    let many = 8 * cores + 4;
    let large = calls("large", many);
    node.wait_for("the calls of the large one", |node| {
        (node.state("large")?["in_flight"] == many).then_some(())
    });
    let of_large = workers_of(&node, &of_small);
    assert!(of_large.len() > of_small.len(), "{before:?} {of_small:?} {of_large:?}");
    node.wait_for("shares", |_| (of_large.iter().all(|pid| nice_of(*pid) > 0)).then_some(()));
    // As much as a few seconds of both, then compare. The large one has many times as many calls.
    let (small_start, large_start) = (processor_time(&of_small), processor_time(&of_large));
    let (small_used, large_used) = node.wait_for("processor time", |_| {
        let used = (processor_time(&of_small) - small_start, processor_time(&of_large) - large_start);
        (used.0 + used.1 >= 600).then_some(used)
    });
    assert!(
        large_used < 3 * small_used,
        "{many} calls took {large_used} ticks, {cores} of the neighbour {small_used}"
    );
    drop(node);
    for call in small.into_iter().chain(large) {
        call.join().expect("no panic");
    }
}

/// Workers that run calls.
fn workers_of(node: &Node, except: &[u32]) -> Vec<u32> {
    let spins = |pid: &u32| {
        let start = processor_time(&[*pid]);
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            processor_time(&[*pid]) > start + 2
        })
    };
    node.workers().into_iter().filter(|pid| !except.contains(pid)).filter(spins).collect()
}

/// Nice value of a process's group.
fn nice_of(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).unwrap_or_default();
    text.split_whitespace().last().and_then(|nice| nice.parse().ok()).unwrap_or(0)
}
