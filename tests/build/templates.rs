//! `new` and `up`: templates, and the way from source to an answered call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::common::node::Node;
use super::common::root;
use super::{Ended, LIMIT, binary, kvm_or_skip, run, text};

/// Languages, and how their tests are run here; those whose libraries take long to compile are left out.
const TESTS: [(&str, &str); 6] = [
    ("python", "python3 -m unittest"),
    ("node", "node --test"),
    ("ruby", "ruby test_handler.rb"),
    ("php", "php test.php"),
    ("java", "javac -d classes *.java && java -cp classes HandlerTest"),
    ("c", "sh test.sh"),
];

fn faas(arguments: &[&str]) -> Ended {
    run(Command::new(binary("kontain-faas")).args(arguments), b"", LIMIT).expect("the command ends")
}

fn new(language: &str, folder: &Path) -> Ended {
    faas(&["new", "--lang", language, &folder.display().to_string()])
}

#[test]
fn templates_come_with_tests_that_pass() {
    let folder = TempDir::with_prefix("new-").expect("a folder can be made");
    for (language, test) in TESTS {
        let place = folder.path().join(language);
        let made = new(language, &place);
        assert_eq!(made.status, 0, "{}", text(&made.stderr));
        let readme = fs::read_to_string(place.join("README.md")).expect("a text");
        assert!(readme.contains(test), "{readme}");
        assert_eq!(new(language, &place).status, 1, "nothing is overwritten");
        let program = test.split(' ').next().expect("a word");
        let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            eprintln!("\n*** SKIPPED: the test of the template for {language}: {program} is missing ***\n");
            continue;
        }
        let mut command = Command::new("sh");
        command.args(["-c", test]).current_dir(&place);
        let ended = run(&mut command, b"", LIMIT).expect("the test ends");
        assert_eq!(ended.status, 0, "{language}: {}{}", text(&ended.stdout), text(&ended.stderr));
    }
    for language in ["go", "rust"] {
        assert_eq!(new(language, &folder.path().join(language)).status, 0);
    }
    assert_eq!(new("cobol", &folder.path().join("cobol")).status, 2);
}

/// Languages whose images are made by the recipes in `bases`: of Debian's packages, and of this machine's Go.
const RECIPES: [&str; 3] = ["ruby", "java", "go"];

/// Images of this machine's interpreters and compilers, instead of those that templates name; none where a recipe was not followed.
fn base(name: &str) -> Option<PathBuf> {
    if RECIPES.contains(&name) {
        let image = root().join("target/runtimes/images").join(format!("build-bases-{name}"));
        if !image.exists() {
            eprintln!(
                "\n*** SKIPPED: up with {name}: tests/runtimes/build.sh build/bases/{name} makes its image ***\n"
            );
        }
        return image.canonicalize().ok();
    }

    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| TempDir::with_prefix("bases-").expect("a folder can be made"));
    let library = "/usr/lib/x86_64-linux-gnu";
    let (program, added) = match name {
        "python" => ("/usr/bin/python3", Vec::new()),
        "node" | "php" => (name, Vec::new()),
        _ => {
            let files = ["libc.a", "crt1.o", "crti.o", "crtn.o"].map(|file| format!("{library}/{file}"));
            let programs = ["/usr/bin/as", "/usr/bin/ld", "/usr/bin/gcc:/usr/bin/cc"].map(str::to_owned);
            let folders = ["/usr/lib/gcc", "/usr/include"].map(str::to_owned);
            ("/usr/bin/gcc", [&files[..], &programs, &folders].concat())
        }
    };
    let place = folder.path().join(name);
    let mut command = Command::new(binary("kontain-faas"));
    command.args(["pack", "-o", &format!("oci:{}", place.display()), "--add", "/bin/sh"]);
    for one in added {
        command.args(["--add", &one]);
    }
    let packed = run(command.args(["--", program]), b"", LIMIT).expect("pack ends");
    assert_eq!(packed.status, 0, "{}", text(&packed.stderr));
    Some(place)
}

#[test]
fn up_goes_from_source_to_an_answered_call() {
    if !kvm_or_skip("up") {
        return;
    }
    let node = Node::start(&[]);
    let folder = TempDir::with_prefix("up-").expect("a folder can be made");
    let up = |name: &str, language: &str, more: &[&str]| {
        let images = node.folder().join("images").display().to_string();
        let (admin, url) = (node.admin.to_string(), format!("http://{}", node.functions));
        let volume = folder.path().join("volume").display().to_string();
        let bases = format!("base-of-{language}=oci:{}", base(language)?.display());
        let (argument, runtime) = (format!("BASE=base-of-{language}"), format!("RUNTIME=base-of-{language}"));
        let options = ["--images", &images, "--admin", &admin, "--url", &url, "--volume", &volume];
        let build = [
            "--egress",
            "none",
            "--build-context",
            &bases,
            "--build-arg",
            &argument,
            "--build-arg",
            &runtime,
        ];
        let place = folder.path().join(name).display().to_string();
        Some(faas(&[&["up"], &options[..], &build, more, &[&place]].concat()))
    };
    // Rust's template takes crates from their registry, and its toolchain is in no image here. Go compiles its library for a minute, which `make test-all` waits for.
    let languages = ["python", "node", "php", "c", "ruby", "java", "go"];
    let count = if std::env::var_os("UP_ALL").is_some() { languages.len() } else { languages.len() - 1 };
    for language in &languages[..count] {
        let place = folder.path().join(language);
        assert_eq!(new(language, &place).status, 0);
        // The built-in one does as well.
        fs::remove_file(place.join("Dockerfile")).expect("a file can be removed");
        let Some(ended) = up(language, language, &[]) else { continue };
        let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
        assert_eq!(ended.status, 0, "{language}: {stdout}{stderr}");
        assert!(stdout.contains(&format!("/default/{language}/\nfirst call: 200 OK")), "{stdout}");
        let answer = node.post(&format!("/default/{language}/"), b"you");
        assert_eq!((answer.status, answer.text()), (200, "Hello, you!\n".to_owned()), "{language}");
    }
    // Changed source is another version of the same function, and the old image goes.
    let handler = folder.path().join("python/handler.py");
    let changed = fs::read_to_string(&handler).expect("a text").replace("Hello", "Goodbye");
    fs::write(&handler, changed).expect("a file can be written");
    let ended = up("python", "python", &[]).expect("it is there");
    assert_eq!(ended.status, 0, "{}{}", text(&ended.stdout), text(&ended.stderr));
    assert_eq!(node.post("/default/python/", b"you").text(), "Goodbye, you!\n");
    let layout = node.folder().join("images/.layouts/default/python/blobs/sha256");
    let image = super::Image::open(layout.ancestors().nth(2).expect("a layout"));
    assert_eq!(fs::read_dir(layout).expect("a folder").count(), image.layers() + 2);
    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).expect("a folder can be made");
    let ended = up("nothing", "python", &[]).expect("it is there");
    assert!(text(&ended.stderr).contains("no handler of a built-in template"), "{}", text(&ended.stderr));
}
