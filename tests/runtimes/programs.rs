//! Servers and programs that are no runtimes: what is particular about each is asked of it.

use crate::common::node::{Answer, Node};
use crate::{BAKE_LIMIT, image, last_lines};
use flate2::read::ZlibDecoder;
use libtest_mimic::Failed;
use std::collections::HashSet;
use std::io::Read;

/// A program: the image that a folder beside this file makes, and how it is called.
pub struct Program {
    /// The function's name.
    pub name: &'static str,
    image: &'static str,
    /// The specification's lines, but for the image.
    specification: &'static str,
    check: fn(&Node, &str) -> Result<(), String>,
}

/// Every program that is tested.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "apache-prefork",
        image: "apache",
        specification: "  command: [apache2, -f, /etc/apache2/httpd.conf, -D, FOREGROUND, -D, prefork]\n  \
                        warmup: [{path: /numbers}]\n",
        check: |node, path| apache(node, path, "prefork"),
    },
    Program {
        name: "apache-event",
        image: "apache",
        specification: "  warmup: [{path: /numbers}]\n",
        check: |node, path| apache(node, path, "event"),
    },
    Program {
        name: "postgresql",
        image: "postgresql",
        specification: "  protocol: stdio\n  timeout: 60s\n  resources: {limits: {memory: 512Mi}}\n",
        check: postgresql,
    },
    Program {
        name: "varnish",
        image: "varnish",
        specification: "  resources: {limits: {memory: 512Mi}}\n  warmup: [{path: /numbers}]\n",
        check: varnish,
    },
    Program {
        name: "chromium",
        image: "chromium",
        specification: "  protocol: stdio\n  timeout: 5m\n  resources: {limits: {memory: 2Gi}}\n",
        check: chromium,
    },
];

/// Publishes a program and calls it.
pub fn check(program: &Program) -> Result<(), Failed> {
    let image = image(program.image)?;
    let node = Node::start(&[]);
    let Program { name, specification, .. } = program;
    node.document(name, &format!("  image: oci:{}:latest\n{specification}", image.display()));
    let state = node.settled_within(BAKE_LIMIT, name);
    if state["phase"] != "Ready" {
        return Err(format!("{state}\nthe log:\n{}", node.log()).into());
    }
    (program.check)(&node, &format!("/default/{name}"))
        .map_err(|problem| format!("{problem}\nthe log:\n{}", last_lines(&node.log())).into())
}

/// The text of an answer with status 200.
fn text(answer: &Answer) -> Result<String, String> {
    if answer.status == 200 { Ok(answer.text()) } else { Err(format!("{} {}", answer.status, answer.text())) }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?} for {expected:?}")) }
}

/// The numbers from 1 to 20,000, a line each: the file that servers have.
fn numbers() -> String {
    (1..=20_000).map(|number| format!("{number}\n")).collect()
}

fn apache(node: &Node, path: &str, model: &str) -> Result<(), String> {
    let status = text(&node.get(&format!("{path}/server-status?auto")))?;
    equal("process model", status.lines().find_map(|line| line.strip_prefix("ServerMPM: ")), Some(model))?;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        equal("a file", text(&node.get(&format!("{path}/numbers")))?, numbers())?;
        equal("calls", text(&node.get(&format!("{path}/cgi-bin/count")))?, "1".to_owned())?;
        let random = text(&node.get(&format!("{path}/cgi-bin/random")))?;
        if random.len() != 32 || !seen.insert(random.clone()) {
            return Err(format!("{random} came twice, or is none"));
        }
        let body = random.repeat(4_000);
        equal("a body", text(&node.post(&format!("{path}/cgi-bin/file"), body.as_bytes()))?, body)?;
    }
    equal("what is not there", node.get(&format!("{path}/nothing")).status, 404)?;
    equal("a script that fails", node.get(&format!("{path}/cgi-bin/fail")).status, 500)
}

fn postgresql(node: &Node, path: &str) -> Result<(), String> {
    const STATEMENTS: &str = "\
        create table words (id int generated always as identity primary key, word text not null);\n\
        insert into words (word) select md5(n::text) from generate_series(1, 5000) n;\n\
        create index on words (word);\n\
        select count(*), min(length(word)) from words;\n\
        select id from words where word = md5('4711');\n\
        begin; delete from words; rollback;\n\
        select count(*) from words;\n\
        select current_user, (select count(*) from pg_stat_activity where backend_type = 'checkpointer');\n";
    let answer = text(&node.post(path, STATEMENTS.as_bytes()))?;
    equal("rows", answer.as_str(), "5000|32\n4711\n5000\npostgres|1\n")?;
    equal("a statement that fails", node.post(path, b"select 1/0;\n").status, 500)
}

fn varnish(node: &Node, path: &str) -> Result<(), String> {
    for _ in 0..10 {
        let answer = node.get(&format!("{path}/numbers"));
        equal("a file", text(&answer)?, numbers())?;
        // The warm-up brought it into the cache, and each call is the first one after that.
        equal("hits", answer.header("x-hits"), Some("1"))?;
    }
    let missing = node.get(&format!("{path}/nothing"));
    equal("what is not there", (missing.status, missing.header("x-hits")), (404, Some("0")))?;
    equal("an answer that Varnish makes", node.get(&format!("{path}/made")).status, 200)
}

fn chromium(node: &Node, path: &str) -> Result<(), String> {
    let page =
        "<body><script>document.body.style.background = `rgb(${17 * 2}, ${[...'abc'].length}, 200)`</script>";
    let answer = node.post(path, page.as_bytes());
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.text()));
    }
    equal("size and first pixel", first_pixel(&answer.body)?, (320, 240, [34, 3, 200]))
}

/// Width and height of a PNG picture, and its first pixel: the one that no filter changes.
fn first_pixel(picture: &[u8]) -> Result<(u32, u32, [u8; 3]), String> {
    let mut rest = picture.strip_prefix(b"\x89PNG\r\n\x1a\n").ok_or("no PNG picture")?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let (mut size, mut data) = ((0, 0), Vec::new());
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (content, after) = after.split_at_checked(number(&head[..4]) as usize).ok_or("cut short")?;
        match &head[4..] {
            b"IHDR" => size = (number(&content[..4]), number(&content[4..8])),
            b"IDAT" => data.extend_from_slice(content),
            _ => {}
        }
        rest = after.get(4..).unwrap_or_default();
    }
    let mut first = [0; 4];
    ZlibDecoder::new(&data[..]).read_exact(&mut first).map_err(|error| error.to_string())?;
    Ok((size.0, size.1, [first[1], first[2], first[3]]))
}
