//! Contexts and Dockerfiles of strangers: each is refused with its status and body, reaches nothing, and leaves nothing.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::hmac_of::signature;
use super::{Registry, SECRET, Service, archive, dockerfile, head, kvm_or_skip, read, registry};

#[test]
fn only_what_is_signed_is_looked_at() {
    let registry = Registry::open();
    let service = Service::start(&registry, &[]);
    let context = dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    let good = signature(SECRET, &context);
    let other = signature("another secret", &context);
    let upper = good.to_uppercase().replace("SHA256", "sha256");
    for streams in [true, false] {
        for (name, given) in [
            ("none", None),
            ("of another secret", Some(&*other)),
            ("malformed", Some("sha256=xyz")),
            ("without its algorithm", good.strip_prefix("sha256=")),
            ("short", good.get(..40)),
            ("empty", Some("sha256=")),
        ] {
            let answer = service.post(&context, given, streams);
            let told = answer.json();
            assert_eq!((answer.status, &told["status"]), (401, &json!("failed")), "{name}: {answer:?}");
            assert!(told["error"].is_string() && told["log"] == json!([]), "{name}: {answer:?}");
        }
        let answer = service.post(&context[..context.len() - 512], Some(&good), streams);
        assert_eq!(answer.status, 401, "truncated: {answer:?}");
        assert_eq!(service.post(&context, Some(&good), streams).end().0, "success");
        // Hexadecimal digits are what they are.
        assert_eq!(service.post(&context, Some(&upper), streams).end().0, "success");
    }
    // Who waits to be asked for a context is refused without it.
    let mut stream = TcpStream::connect(&service.address).expect("the builder listens");
    let waiting = head(1 << 20, None, true).replace("Connection", "Expect: 100-continue\r\nConnection");
    stream.write_all(waiting.as_bytes()).expect("it reads");
    assert_eq!(read(stream).status, 401);
    // Nothing was looked at: this one is nothing at all.
    let answer = service.post(b"nonsense", Some(&good), true);
    assert_eq!(answer.status, 401, "{answer:?}");
    // A client that goes away in the middle of its context.
    let mut stream = TcpStream::connect(&service.address).expect("the builder listens");
    stream.write_all(head(1 << 20, Some(&good), true).as_bytes()).expect("it reads");
    stream.write_all(&context).expect("it reads");
    drop(stream);
    service.wait_for_nothing();
}

#[test]
fn a_context_that_is_too_large_is_not_kept() {
    let registry = Registry::open();
    let service = Service::start(&registry, &[]);
    let zeros = vec![0; 1 << 20];
    for chunked in [false, true] {
        let mut stream = TcpStream::connect(&service.address).expect("the builder listens");
        stream.set_read_timeout(Some(super::LIMIT)).expect("a limit can be set");
        let mut head = head(1 << 30, Some(&signature(SECRET, b"")), true);
        if chunked {
            head = head.replace("Content-Length: 1073741824", "Transfer-Encoding: chunked");
        }
        stream.write_all(head.as_bytes()).expect("it reads");
        for _ in 0..1 << 10 {
            if chunked {
                stream.write_all(b"100000\r\n").expect("it reads");
            }
            stream.write_all(&zeros).expect("it reads");
            if chunked {
                stream.write_all(b"\r\n").expect("it reads");
            }
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").expect("it reads");
        }
        let answer = read(stream);
        assert_eq!((answer.status, &answer.json()["status"]), (413, &json!("failed")), "{answer:?}");
        service.wait_for_nothing();
    }
}

/// An archive with one more entry, whatever its names.
fn with(path: &str, kind: tar::EntryType, target: &str, lines: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().expect("GNU").linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, content).expect("memory is writable");
    };
    put("context/Dockerfile", tar::EntryType::Regular, "", lines.as_bytes());
    put("com.openfaas.docker.config", tar::EntryType::Regular, "", br#"{"image":"a","skipPush":true}"#);
    put(path, kind, target, b"");
    builder.into_inner().expect("memory is writable")
}

#[test]
fn hostile_archives_fail_and_leave_nothing() {
    use tar::EntryType::{Block, Char, Link, Regular, Symlink};
    let registry = Registry::open();
    let service = Service::start(&registry, &[]);
    let copies = "FROM scratch\nCOPY x /x\n";
    for (path, kind, target) in [
        ("../x", Regular, ""),
        ("context/../../x", Regular, ""),
        ("/context/../x", Regular, ""),
        ("context/x", Link, "/etc/passwd"),
        ("context/x", Link, "../../etc/passwd"),
        ("context/x", Symlink, "/etc/passwd"),
        ("context/x", Symlink, "../../../../etc/passwd"),
        ("context/x", Symlink, "../com.openfaas.docker.config"),
        ("context/x", Symlink, "x"),
        ("context/x", Char, ""),
        ("context/x", Block, ""),
    ] {
        let answer = service.build(&with(path, kind, target, copies));
        let (status, error) = answer.end();
        assert_eq!((answer.status, &*status), (200, "failed"), "{path} {target}: {answer:?}");
        assert!(!error.is_empty() && !error.contains("root:"), "{path} {target}: {error}");
    }
    for (path, kind) in [("context/x", Regular), ("./context/x", Regular), ("/context/x", Regular)] {
        let answer = service.build(&with(path, kind, "", copies));
        assert_eq!(answer.end().0, "success", "{path}: {answer:?}");
    }
    // An archive that breaks off, though its signature is right.
    let whole = archive(
        &json!({"image": "a", "skipPush": true}),
        &[("Dockerfile", copies.as_bytes()), ("x", &[7; 4096])],
    );
    for length in [0, 100, 700, 3000] {
        let answer = service.build(&whole[..length]);
        assert_eq!((answer.status, answer.end().0), (200, "failed".to_owned()), "{length}: {answer:?}");
    }
    for (config, expected) in [
        (json!({}), "names no image"),
        (json!({"image": "a", "buildArgs": {"a=b": ""}}), "build argument"),
        (json!({"image": "a", "platforms": ["linux/amd64", "linux/arm64"]}), "platform linux/arm64"),
        (json!({"image": "a", "buildArgs": 1}), "malformed"),
        (json!({"image": "oci:/tmp/x"}), "--tag"),
        (json!({"image": "-o"}), "--tag"),
    ] {
        let (status, error) =
            service.build(&archive(&config, &[("Dockerfile", b"FROM scratch\nCOPY . /\n")])).end();
        assert!(status == "failed" && error.contains(expected), "{config}: {error}");
    }
    service.wait_for_nothing();
}

#[test]
fn strangers_reach_nothing_of_this_host() {
    if !kvm_or_skip("what builds reach") {
        return;
    }
    let registry = registry();
    let host = &registry.host;
    // Every public address, as it is without this option.
    let service = Service::start(&registry, &["--egress", "*:1-65535"]);
    let local = super::base().display().to_string();
    for (lines, expected) in [
        ("RUN busybox nc -w 5 169.254.169.254 80".to_owned(), "exit code: 1"),
        ("ADD http://169.254.169.254/latest /x".to_owned(), "169.254.169.254"),
        (format!("ADD http://{host}/v2/ /x"), "loopback"),
        ("ADD http://10.0.0.1/ /x".to_owned(), "egress to 10.0.0.1:80 is not allowed"),
        ("COPY --from=169.254.169.254/a/b:1 / /".to_owned(), "metadata or link-local"),
        ("COPY --from=127.0.0.2:5000/a/b:1 / /".to_owned(), "private address"),
        ("COPY --from=10.0.0.1:5000/a/b:1 / /".to_owned(), "private address"),
        (format!("COPY --from=oci://{local} / /"), "no image of a registry"),
        (format!("COPY --from=docker-archive://{local} / /"), "no image of a registry"),
    ] {
        let answer = service.build(&dockerfile(&format!("FROM {host}/base:1\n{lines}\n")));
        let (status, error) = answer.end();
        assert_eq!(status, "failed", "{lines}: {answer:?}");
        assert!(error.contains(expected), "{lines}: {error}");
    }
    let refused = service
        .build(&dockerfile(&format!("FROM {host}/base:1\nRUN busybox nc -w 5 169.254.169.254 80 || true\n")));
    assert!(refused.body.contains("egress to 169.254.169.254:80"), "{refused:?}");
    // Nor does a push go where no registry of the operator's is.
    let pushed =
        archive(&json!({"image": "127.0.0.2:5000/a:1"}), &[("Dockerfile", b"FROM scratch\nCOPY . /\n")]);
    let (status, error) = service.build(&pushed).end();
    assert!(status == "failed" && error.contains("private address"), "{error}");
    service.wait_for_nothing();
}
