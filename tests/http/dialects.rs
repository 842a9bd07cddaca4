//! Ways to name a function: paths with namespaces, OpenFaaS' paths, hosts.

use serde_json::{Value, json};

use crate::node::{Answer, Node, shared};

crate::trials!(
    openfaas_calls_are_answered,
    openfaas_answers_are_marked,
    openfaas_has_its_methods,
    a_node_has_no_queue,
    hosts_name_functions,
    a_host_of_ones_own_keeps_its_headers,
    the_default_namespace_is_the_operators,
);

/// Sends a request with these lines after its first.
fn send(node: &Node, first: &str, host: &str, lines: &str) -> Answer {
    node.send(format!("{first} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n").as_bytes())
}

fn openfaas_calls_are_answered() {
    for name in ["f", "f.openfaas-fn", "f.default"] {
        let answer = shared().get(&format!("/function/{name}/head/x%20y?z=/1"));
        let head = &answer.body;
        assert!(answer.status == 200 && head.starts_with("GET /head/x%20y?z=/1 HTTP/1.1\r\n"), "{answer:?}");
        assert!(head.contains(&format!("\r\nX-Forwarded-Prefix: /function/{name}\r\n")), "{head}");
        let field = |name: &str| Answer::of(head.as_bytes()).header(name).map(str::to_owned);
        assert_eq!(field("x-start-time").as_deref(), answer.header("x-start-time"));
        assert_eq!(field("x-call-id").as_deref(), answer.header("x-call-id"));
        assert!(answer.header("x-start-time").unwrap().parse::<u128>().unwrap() > 1 << 60);
    }
    let stripped =
        "Connection: x-start-time\r\nX-Start-Time: 1\r\nX-Call-Id: mine\r\nContent-Type: text/x-own\r\n";
    let request = format!("POST /function/f/head HTTP/1.1\r\nHost: h\r\n{stripped}Content-Length: 0\r\n\r\n");
    let mut stream = shared().connect();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let answer = Answer::of(&crate::node::read_answer(&mut stream));
    assert!(answer.body.contains("\r\nX-Call-Id: mine\r\n") && !answer.body.contains("X-Start-Time: 1\r\n"));
    assert!(answer.body.contains("\r\nX-Start-Time: "), "{answer:?}");
    assert_eq!((answer.header("x-call-id"), answer.header("content-type")), (None, Some("text/x-own")));
    // Other dialects tell the id in any case, and have none of these fields.
    let other = send(shared(), "GET /default/f/head", "h", "X-Call-Id: mine\r\n");
    assert_eq!((other.header("x-call-id"), other.header("x-start-time")), (Some("mine"), None));
    assert!(!other.body.contains("X-Start-Time") && other.header("content-type").is_none(), "{other:?}");
}

fn openfaas_answers_are_marked() {
    let answer = shared().get("/function/f/status/404");
    assert_eq!((answer.status, answer.header("x-openfaas-internal")), (404, None));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.header("x-served-by").is_some_and(|by| by.starts_with("kontain-faas/")), "{answer:?}");
    for (path, status) in [
        ("/function/none", 404),
        ("/function/", 404),
        ("/function/f.none", 404),
        ("/function/%66", 404),
        ("/function/f/exit", 502),
    ] {
        let answer = shared().get(path);
        let found = (answer.status, answer.header("x-openfaas-internal"), answer.header("content-type"));
        assert_eq!(found, (status, Some("proxy"), Some("application/problem+json")), "{path}");
    }
    assert_eq!(shared().get("/default/none").header("x-openfaas-internal"), None);
}

fn openfaas_has_its_methods() {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(send(shared(), &format!("{method} /function/f/"), "h", "").status, 200, "{method}");
    }
    let refused = send(shared(), "TRACE /function/f/", "h", "");
    assert_eq!((refused.status, refused.reason().as_str()), (405, "MethodNotAllowed"));
    assert!(refused.header("allow").is_some_and(|allow| allow.contains("PATCH")), "{refused:?}");
    assert_eq!(send(shared(), "TRACE /default/f/", "h", "").status, 200);
}

fn a_node_has_no_queue() {
    for (method, path) in
        [("POST", "/async-function/f"), ("POST", "/async-function/none/x"), ("GET", "/async-function")]
    {
        let answer = send(shared(), &format!("{method} {path}"), "h", "");
        assert_eq!((answer.status, answer.reason().as_str()), (501, "NoQueue"), "{path}");
        assert_eq!(answer.header("x-openfaas-internal"), Some("proxy"));
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&document["component"], &document["status"]), (&json!("router"), &json!(501)));
    }
}

fn hosts_name_functions() {
    let node = Node::start(&["--domain", "fn.example.com", "--domain", "Other.Example"]);
    node.publish("f", json!({}));
    node.publish("team/f.v2", json!({}));
    for (host, path, target) in [
        ("f.default.fn.example.com", "/head/a?b", "/head/a?b"),
        ("F.Default.other.example.:8080", "/head", "/head"),
        ("f.v2.team.fn.example.com", "/head", "/head"),
    ] {
        let answer = send(&node, &format!("GET {path}"), host, "X-Forwarded-Prefix: /x\r\n");
        assert!(answer.body.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{host}: {answer:?}");
        assert!(answer.body.contains(&format!("\r\nHost: {host}\r\n")), "{answer:?}");
    }
    let host = "f.default.fn.example.com";
    // All paths are the function's: those of other functions, and the server's own.
    for path in
        ["/", "/team/f.v2/status/404", "/healthz", "/function/none", "/system/functions", "/async-function/f"]
    {
        let answer = send(&node, &format!("GET {path}"), host, "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello\n"), "{path}");
    }
    for (host, path, status) in [
        ("none.default.fn.example.com", "/default/f/", 404),
        ("a_b.default.fn.example.com", "/default/f/", 404),
        ("default.fn.example.com", "/default/f/", 200),
        ("fn.example.com", "/default/f/", 200),
        ("fn.example.com", "/healthz", 200),
        ("f.default.example.com", "/", 404),
    ] {
        assert_eq!(send(&node, &format!("GET {path}"), host, "").status, status, "{host}{path}");
    }
    // The authority of an absolute target counts, not the header beside it.
    let answer = send(&node, "GET http://f.default.fn.example.com/status/418", "fn.example.com", "");
    assert_eq!(answer.status, 418, "{answer:?}");
    let metrics = node.ask("/metrics").body;
    assert!(metrics.contains("faas_name=\"team/f.v2\",http_response_status_code=\"200\""), "{metrics}");
}

fn a_host_of_ones_own_keeps_its_headers() {
    let node = Node::start(&["--domain", "fn.example.com"]);
    node.publish("f", json!({}));
    let fields = "Service-Worker-Allowed: /\r\nStrict-Transport-Security: max-age=1\r\nClear-Site-Data: \"cookies\"\r\n\
                  Set-Cookie: __Host-a=1; Path=/; Secure\r\nSet-Cookie: b=2; Domain=example.com; Path=/sub\r\n";
    let bytes = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
    let own = send(&node, &format!("GET /raw/{hex}"), "f.default.fn.example.com", "");
    assert_eq!(own.header("service-worker-allowed"), Some("/"), "{own:?}");
    assert_eq!(own.header("strict-transport-security"), Some("max-age=1"));
    // What reaches beyond a host is taken out here as well.
    assert_eq!(own.header("clear-site-data"), None);
    assert!(
        own.head.contains("__Host-a=1; Path=/; Secure") && own.head.contains("b=2; Path=/sub"),
        "{own:?}"
    );
    assert!(!own.head.contains("Domain="), "{own:?}");
    let shared = node.get(&format!("/function/f/raw/{hex}"));
    assert_eq!(shared.header("service-worker-allowed"), None);
    assert!(shared.head.contains("b=2; Path=/function/f/sub"), "{shared:?}");
}

fn the_default_namespace_is_the_operators() {
    let node = Node::start(&["--default-namespace", "team"]);
    node.publish("team/f", json!({}));
    for path in ["/function/f/", "/function/f.openfaas-fn/", "/function/f.team/", "/team/f/"] {
        assert_eq!(node.get(path).status, 200, "{path}");
    }
    assert_eq!(node.get("/function/f.default/").status, 404);
}
