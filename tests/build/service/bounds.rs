//! Builds without end: each is over when its client goes away, when its time is up, or when it takes too much; others go on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{Service, dockerfile, kvm_or_skip, registry, text};

#[test]
fn builds_that_go_wrong_say_so_and_leave_nothing() {
    if !kvm_or_skip("builds that go wrong") {
        return;
    }
    let registry = registry();
    let service = Service::start(&registry, &["--timeout", "20s"]);
    let base = format!("FROM {}/base:1\n", registry.host);
    let random = "dd if=/dev/urandom bs=1M count=";
    for (lines, expected) in [
        (
            "RUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\nRUN echo 4 > /4\nRUN echo here; exit 5\nRUN echo 6\n",
            "Dockerfile:6: RUN echo here; exit 5: exit code: 5",
        ),
        ("RUN f() { while :; do sh -c 'while :; do :; done' & done; }; f; f; f\n", "RUN f()"),
        ("RUN dd if=/dev/zero of=/big bs=1M\n", "exit code: 1"),
        ("RUN a=x; while :; do a=$a$a; done\n", "RUN a=x"),
        ("RUM x\n", "Dockerfile:2: unknown instruction"),
        ("COPY nothing /\n", "COPY nothing"),
    ] {
        let answer = service.build(&dockerfile(&format!("{base}{lines}")));
        let (status, error) = answer.end();
        assert_eq!(
            (answer.status, &*answer.kind, &*status),
            (200, "application/x-ndjson", "failed"),
            "{lines}: {answer:?}"
        );
        assert!(error.contains(expected), "{lines}: {error}");
        service.wait_for_nothing();
    }
    // The log of the step that failed is there.
    let answer = service.build(&dockerfile(&format!("{base}RUN echo to be seen; exit 1\n")));
    assert!(answer.body.contains("to be seen"), "{answer:?}");
    // Bytes that a build may have on the disk, of one file and of many layers.
    let narrow = Service::start(&registry, &["--build-disk", "24Mi"]);
    let one = format!("RUN {random}64 of=/big\n");
    let many: String = (0..8).map(|number| format!("RUN {random}5 of=/{number}\n")).collect();
    for lines in [one, many] {
        let (status, error) = narrow.build(&dockerfile(&format!("{base}{lines}"))).end();
        assert!(status == "failed" && error.contains("on the disk"), "{lines}: {error}");
        narrow.wait_for_nothing();
    }
    let late = Service::start(&registry, &["--build-timeout", "2s"]);
    let (status, error) = late.build(&dockerfile(&format!("{base}RUN sleep 100\n"))).end();
    assert!(status == "failed" && error.contains("not done within 2s"), "{error}");
    late.wait_for_nothing();
    let small = Service::start(&registry, &["--build-memory", "1Mi"]);
    let (status, error) = small.build(&dockerfile(&format!("{base}RUN sleep 100\n"))).end();
    assert!(status == "failed" && error.contains("of memory"), "{error}");
}

/// Processes of a builder.
fn children(service: &Service) -> Vec<String> {
    let parent = format!("PPid:\t{}\n", service.child.id());
    let of = |entry: fs::DirEntry| {
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        status.contains(&parent).then(|| entry.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir("/proc").expect("a folder").flatten().filter_map(of).collect()
}

#[test]
fn a_client_that_goes_away_ends_its_build() {
    if !kvm_or_skip("clients that go away") {
        return;
    }
    let registry = registry();
    let mut service = Service::start(&registry, &["--max-inflight", "1"]);
    let base = format!("FROM {}/base:1\n", registry.host);
    let endless = dockerfile(&format!("{base}RUN echo begun; while :; do :; done\n"));
    let stream = service.begin(&endless, "begun");
    assert_eq!(children(&service).len(), 1);
    drop(stream);
    service.wait_for_nothing();
    assert_eq!(children(&service), Vec::<String>::new());
    // One that waits for the whole answer.
    let mut waiting = std::net::TcpStream::connect(&service.address).expect("the builder listens");
    let head = super::head(endless.len() as u64, Some(&super::signature(super::SECRET, &endless)), false);
    std::io::Write::write_all(&mut waiting, &[head.as_bytes(), &endless].concat()).expect("it reads");
    while children(&service).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(waiting);
    service.wait_for_nothing();
    let answer = service.build(&dockerfile(&format!("{base}RUN echo done\n")));
    assert_eq!(answer.end().0, "success", "{answer:?}");
    let numbers = service.get(&service.metrics, "/metrics").body;
    assert!(numbers.contains("kontain_builder_builds_total{outcome=\"cancelled\"} 2"), "{numbers}");

    // A builder that is killed takes its builds with it, and the next one clears what they left.
    let stream = service.begin(&endless, "begun");
    let child = children(&service);
    service.child.kill().expect("it can be killed");
    service.child.wait().expect("it ends");
    drop(stream);
    let mut waited = 0;
    while child.iter().any(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("build-order"))
    }) {
        waited += 1;
        assert!(waited < 500, "{child:?} goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(fs::read_dir(service.path("volume/building")).expect("a folder").count() > 0);
    service.child =
        Service::spawn(service.folder.path(), &["--insecure-registry", &registry.host, "--egress", "none"]);
    service.find_addresses();
    service.wait_for_nothing();
    // One that is asked to stop lets its builds end.
    let slow = dockerfile(&format!("{base}RUN echo begun; sleep 2; echo finished\n"));
    let mut stream = service.begin(&slow, "begun");
    let status = Command::new("kill").args(["-TERM", &service.child.id().to_string()]).status();
    assert!(status.expect("kill starts").success());
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest).expect("it answers");
    assert!(text(&rest).contains("success"), "{}", text(&rest));
    assert!(service.child.wait().expect("it ends").success());
}

#[test]
fn twenty_at_once_are_four_and_sixteen() {
    if !kvm_or_skip("builds at once") {
        return;
    }
    let registry = registry();
    let service = Service::start(&registry, &["--max-inflight", "4"]);
    let base = format!("FROM {}/base:1\n", registry.host);
    let endless =
        |number: usize| dockerfile(&format!("{base}RUN echo begun {number}; while :; do sleep 1; done\n"));
    let answers = std::thread::scope(|scope| {
        let (service, endless) = (&service, &endless);
        let running: Vec<_> =
            (0..4).map(|number| scope.spawn(move || service.begin(&endless(number), "#2 "))).collect();
        let running: Vec<_> = running.into_iter().map(|one| one.join().expect("it begins")).collect();
        let numbers = service.get(&service.metrics, "/metrics").body;
        assert!(numbers.contains("kontain_builder_inflight 4"), "{numbers}");
        assert_eq!(service.get(&service.address, "/ready").status, 503);
        assert_eq!(service.get(&service.address, "/healthz").status, 200);
        let refused: Vec<_> =
            (0..16).map(|number| scope.spawn(move || service.build(&endless(number)))).collect();
        let refused: Vec<_> = refused.into_iter().map(|one| one.join().expect("it is answered")).collect();
        drop(running);
        refused
    });
    let mut counts: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for answer in answers {
        assert!(serde_json::from_str::<Value>(&answer.body).is_err(), "it is a text: {answer:?}");
        *counts.entry((answer.status, answer.kind)).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([((429, "text/plain; charset=utf-8".to_owned()), 16)]));
    service.wait_for_nothing();
    let mut tries = 0;
    while service.get(&service.address, "/ready").status != 200 {
        tries += 1;
        assert!(tries < 500, "it stays busy");
        std::thread::sleep(Duration::from_millis(20));
    }
    // As many as there is room for are all built.
    let built: Vec<String> = std::thread::scope(|scope| {
        let (service, base) = (&service, &base);
        let one = |number: usize| {
            move || service.build(&dockerfile(&format!("{base}RUN echo {number} > /number\n"))).end().0
        };
        let all: Vec<_> = (0..4).map(|number| scope.spawn(one(number))).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert_eq!(built, ["success"; 4]);
}
