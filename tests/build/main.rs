//! `kontain-faas build` as its users meet it, on a base of Debian's busybox: what it makes is what buildah makes of the same, what
//! cannot be is refused with its line, and nothing is built twice.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod contexts;
mod interrupted;
mod mounts;
mod pushes;
mod service;
mod templates;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use common::{Ended, binary, kvm_or_skip, run};
use serde_json::Value;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(300);

/// A folder with a context, a volume of its own, and images.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(dockerfile: &str) -> Self {
        let folder = TempDir::with_prefix("build-").expect("a folder can be made");
        fs::create_dir(folder.path().join("context")).expect("a folder can be made");
        let bench = Self { folder };
        bench.file("Dockerfile", dockerfile);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.path("context").join(name);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
    }

    fn mode(&self, name: &str, mode: u32) {
        let path = self.path("context").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode can be set");
    }

    /// The command, but for its context and where the image goes.
    fn command(&self, egress: &str) -> Command {
        let mut command = Command::new(binary("kontain-faas"));
        command.arg("build").arg("--volume").arg(self.path("volume"));
        command.args(["--egress", egress, "--memory", "256Mi"]);
        command.arg(format!("--build-context=base=oci:{}", base().display()));
        command
    }

    /// The same into `oci:OUTPUT`.
    fn building(&self, output: &str, egress: &str) -> Command {
        let mut command = self.command(egress);
        command.arg("--output").arg(format!("oci:{}", self.path(output).display()));
        command
    }

    /// Builds the context into `oci:OUTPUT`.
    fn build(&self, output: &str, options: &[&str]) -> Ended {
        let mut command = self.building(output, "none");
        run(command.args(options).arg(self.path("context")), b"", LIMIT).expect("the build ends")
    }

    /// The same, which must succeed.
    fn built(&self, output: &str, options: &[&str]) -> Image {
        let ended = self.build(output, options);
        assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
        Image::open(&self.path(output))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A layout's one image.
struct Image {
    folder: PathBuf,
    manifest: Value,
    digest: String,
    config: Value,
}

impl Image {
    fn open(folder: &Path) -> Self {
        let read = |path: PathBuf| -> Value {
            serde_json::from_slice(&fs::read(path).expect("a document")).expect("JSON")
        };
        let blob = |digest: &Value| {
            let hex = digest.as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
            folder.join("blobs/sha256").join(hex)
        };
        let index = read(folder.join("index.json"));
        let descriptor = &index["manifests"][0];
        let manifest = read(blob(&descriptor["digest"]));
        let config = read(blob(&manifest["config"]["digest"]));
        let digest = descriptor["digest"].as_str().expect("a digest").to_owned();
        Self { folder: folder.to_owned(), manifest, digest, config }
    }

    fn layers(&self) -> usize {
        self.manifest["layers"].as_array().expect("layers").len()
    }
}

/// An image of busybox with a user and links for its programs, made once.
fn base() -> &'static Path {
    static BASE: OnceLock<TempDir> = OnceLock::new();
    let folder = BASE.get_or_init(|| {
        // buildah makes a name of the path, which takes no capital letters.
        let name = format!("base-{}", std::process::id());
        let folder =
            tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().expect("a folder can be made");
        compare::make_base(folder.path());
        folder
    });
    folder.path()
}

/// Builds with both, and compares trees and configurations.
fn same(name: &str, dockerfile: &str, prepare: impl FnOnce(&Bench)) {
    if !kvm_or_skip(name) {
        return;
    }
    let bench = Bench::new(dockerfile);
    prepare(&bench);
    let ours = bench.built("ours", &[]);
    let theirs = compare::buildah(&bench.path("context"), base(), &bench.path("theirs"));
    compare::assert_same(name, &ours.folder, &theirs);
}

#[test]
fn steps_write_remove_and_link_files() {
    same(
        "steps",
        "FROM base\nRUN mkdir -p /d/e && echo one > /d/e/f && ln /d/e/f /d/hard && ln -s e/f /d/soft && chmod 4755 /d/e/f\n\
         RUN chown 5:6 /d && rm /data/gone && rm -r /data/tree && mkdir /data/tree && echo new > /data/tree/new\n\
         RUN mv /data/moves /moved && touch /data/kept && chmod 600 /data/kept\n",
        |_| {},
    );
}

#[test]
fn a_stage_has_user_folder_shell_and_variables() {
    same(
        "surroundings",
        // Folders that WORKDIR makes belong to root here, as with BuildKit, and to the stage's user with buildah.
        "FROM base\nARG A=arg\nENV E=\"two words\" P=${A}x\nWORKDIR /data\nUSER web\nRUN id -u > /tmp/id; pwd > /tmp/pwd; \
         echo \"$E $P $A $HOME\" > /tmp/env\nUSER 0:7\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN id -g > gid\nWORKDIR tree\nRUN [\"/bin/touch\", \"exec form\"]\n",
        |_| {},
    );
}

#[test]
fn files_are_copied_as_elsewhere() {
    same(
        "copies",
        "FROM base\nWORKDIR /w\nCOPY a.txt .\nCOPY a.txt b.txt /two/\nCOPY dir /dir\nCOPY dir/ into/\nCOPY *.txt /glob/\n\
         COPY --chown=33:34 a.txt /owned\nCOPY --chown=web dir /owneddir\nCOPY --chmod=640 a.txt /moded\nCOPY [\"with space\", \"/sp ace\"]\n\
         COPY d?r/x /question\nCOPY link /followed\nCOPY a.txt /data/kept\n",
        |bench| {
            bench.file("a.txt", "a");
            bench.file("b.txt", "b");
            bench.file("with space", "s");
            bench.file("dir/x", "x");
            bench.file("dir/sub/y", "y");
            bench.mode("dir/x", 0o755);
            bench.mode("dir/sub", 0o700);
            symlink("x", bench.path("context/dir/l")).expect("a link can be made");
            symlink("a.txt", bench.path("context/link")).expect("a link can be made");
        },
    );
}

#[test]
fn what_dockerignore_names_is_left_out() {
    same("ignored", "FROM base\nCOPY . /all\n", |bench| {
        bench.file(".dockerignore", "*.log\nsecret\n**/node_modules\n!keep.log\nDockerfile\n.dockerignore\n");
        for name in ["a.log", "keep.log", "b", "secret/x", "d/node_modules/y", "d/z", "d/c.log"] {
            bench.file(name, name);
        }
    });
}

#[test]
fn stages_give_files_to_others() {
    same(
        "stages",
        "FROM base AS one\nRUN echo built > /out && chown 9:9 /out && mkdir /tree && echo t > /tree/t\nFROM base AS unneeded\nRUN false\n\
         FROM base AS two\nCOPY --from=one /out /tree /from/\nCOPY --from=0 /out /zero\nFROM two\nRUN cat /zero > /again\n",
        |_| {},
    );
}

#[test]
fn archives_are_unpacked_by_add() {
    same(
        "archives",
        "FROM base\nADD a.tar /plain/\nADD a.tar.gz /gzip\nADD a.tar.xz /xz/\nADD note /plain/\n",
        |bench| {
            bench.file("in/x", "x");
            bench.file("note", "n");
            let context = bench.path("context");
            for (flag, name) in [("-cf", "a.tar"), ("-czf", "a.tar.gz"), ("-cJf", "a.tar.xz")] {
                let status = Command::new("tar")
                    .current_dir(&context)
                    .args(["--owner=3", "--group=4", flag, name, "in"])
                    .status()
                    .expect("tar starts");
                assert!(status.success());
            }
        },
    );
}

#[test]
fn archives_that_are_bombs_are_refused() {
    let bench = Bench::new("FROM scratch\nADD bomb.tar.xz /\n");
    let context = bench.path("context");
    let script = "truncate -s 200M zeros && tar -cJf bomb.tar.xz zeros && rm zeros && test $(stat -c %s bomb.tar.xz) -lt 200000";
    let made = Command::new("sh").args(["-c", script]).current_dir(&context).status().expect("sh starts");
    assert!(made.success());
    let ended = bench.build("out", &[]);
    assert_eq!(ended.status, 1, "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("decompresses to more than"), "{}", text(&ended.stderr));
}

#[test]
fn configurations_are_those_of_others() {
    same(
        "configuration",
        "FROM base\nMAINTAINER somebody\nLABEL a=b \"c d\"=\"e f\"\nEXPOSE 80 443/tcp 53/udp\nVOLUME [\"/v\", \"/w\"]\nSTOPSIGNAL SIGINT\n\
         ENV LAST value with words\nENTRYPOINT [\"/bin/echo\", \"-n\"]\nCMD [\"x\", \"y\"]\nUSER web\nWORKDIR /data\n",
        |_| {},
    );
}

#[test]
fn commands_in_shell_form_are_for_the_shell() {
    same("shell form", "FROM base\nCMD echo $HOME\nENTRYPOINT exec top\n", |_| {});
}

#[test]
fn variables_are_replaced_in_instructions() {
    same(
        "variables",
        "ARG BASE=base\nFROM $BASE\nARG N=n\nENV D=/dir-${N} V=${N:-x} W=${NONE:-w}\nWORKDIR $D\nLABEL l=${W}${N:+y}\nCOPY a $D/${N}\nEXPOSE ${PORT:-81}\n",
        |bench| bench.file("a", "a"),
    );
}

#[test]
fn lines_are_continued_and_commented() {
    same(
        "lines",
        "# escape=\\\nFROM base\n# a comment\nRUN echo one \\\n    # within\n    && echo two > /two \\\n\n    && echo three > /three\n",
        |_| {},
    );
}

#[test]
fn nothing_but_files() {
    same("scratch", "FROM scratch\nCOPY a /bin/a\nCOPY a /a\nENTRYPOINT [\"/a\"]\n", |bench| {
        bench.file("a", "a")
    });
}

#[test]
fn files_under_links_go_where_the_links_lead() {
    same(
        "links",
        "FROM base\nRUN mkdir /real && ln -s /real /alias && ln -s ../real /data/up\nCOPY a /alias/a\nCOPY a /data/up/b\nRUN echo c > /alias/c\n",
        |bench| bench.file("a", "a"),
    );
}

#[test]
fn heredocs_are_files_and_scripts() {
    if !kvm_or_skip("heredocs") {
        return;
    }
    let shell = Bench::new(
        "FROM base\nRUN <<EOF\necho a > /a\necho b > /b\nEOF\nRUN cat <<EOF > /c\ntext $HOME\nEOF\n\
         RUN test \"$(cat /a /b /c)\" = \"$(printf 'a\\nb\\ntext /root')\"\n",
    );
    shell.built("out", &[]);
    let bench = Bench::new(
        "FROM base\nARG W=world\nCOPY <<one <<-\"two\" /d/\nhello $W\none\n\thello $W\n\ttwo\nRUN <<EOF\n#!/bin/busybox sh\ncat /d/one /d/two > /both\nEOF\nRUN test \"$(cat /d/one)\" = \"hello world\" && test -s /both\nRUN test \"$(cat /d/two)\" = 'hello $W'\n",
    );
    bench.built("out", &[]);
}

#[test]
fn the_same_is_the_same_digest_and_is_not_done_twice() {
    if !kvm_or_skip("digests") {
        return;
    }
    let bench =
        Bench::new("FROM base\nCOPY a /a\nRUN date > /dev/null; echo x > /x; mkdir /y\nRUN true\nENV A=b\n");
    bench.file("a", "1");
    let first = bench.built("first", &[]);
    assert_eq!(first.layers(), 3, "a step that changes nothing has no layer");
    fs::remove_dir_all(bench.path("volume")).expect("a folder can be removed");
    let second = bench.built("second", &[]);
    assert_eq!(first.digest, second.digest);
    let again = bench.build("third", &[]);
    assert_eq!(text(&again.stderr).matches("CACHED").count(), 3, "{}", text(&again.stderr));
    assert_eq!(Image::open(&bench.path("third")).digest, first.digest);
    let anew = bench.build("fourth", &["--no-cache"]);
    assert_eq!(text(&anew.stderr).matches("CACHED").count(), 0);
    assert_eq!(Image::open(&bench.path("fourth")).digest, first.digest);
    bench.file("a", "2");
    let changed = bench.build("fifth", &[]);
    assert_eq!(text(&changed.stderr).matches("CACHED").count(), 0, "{}", text(&changed.stderr));
    assert_ne!(Image::open(&bench.path("fifth")).digest, first.digest);
}

#[test]
fn an_archive_is_an_image_as_well() {
    let bench = Bench::new("FROM scratch\nCOPY Dockerfile /\n");
    let archive = bench.path("a.tar");
    let mut command = Command::new(binary("kontain-faas"));
    command.arg("build").arg("--volume").arg(bench.path("volume")).arg("-t").arg("named:1").arg("-o");
    command.arg(format!("oci-archive:{}", archive.display())).arg(bench.path("context"));
    let ended = run(&mut command, b"", LIMIT).expect("the build ends");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let inspect = Command::new("skopeo")
        .arg("inspect")
        .arg("--raw")
        .arg(format!("oci-archive:{}:named:1", archive.display()))
        .output()
        .expect("skopeo starts");
    assert!(inspect.status.success(), "{}", text(&inspect.stderr));
}

#[test]
fn a_secret_is_there_for_its_step_and_in_no_layer() {
    if !kvm_or_skip("secrets") {
        return;
    }
    let bench = Bench::new(
        "FROM base\nRUN --mount=type=secret,id=token test \"$(wc -c < /run/secrets/token)$(cut -c1-6 /run/secrets/token)\" = 19hunter\n\
         RUN --mount=type=secret,id=token,env=TOKEN test \"${#TOKEN}${TOKEN%2*}\" = 19hunter\n\
         RUN --mount=type=secret,id=none echo optional\nRUN test ! -e /run/secrets\n",
    );
    let secret = bench.path("secret");
    fs::write(&secret, "hunter2 of the test").expect("a file can be written");
    let option = format!("id=token,src={}", secret.display());
    let image = bench.built("out", &["--secret", &option]);
    assert_eq!(image.layers(), 1, "{}", image.manifest);
    assert!(!image.config.to_string().contains("hunter2"));
    let kept =
        Command::new("grep").args(["-r", "hunter2"]).arg(bench.path("volume")).output().expect("grep starts");
    assert!(kept.stdout.is_empty(), "{}", text(&kept.stdout));
}

#[test]
fn a_step_that_fails_says_where_and_what_it_wrote() {
    if !kvm_or_skip("failures") {
        return;
    }
    let bench = Bench::new("FROM base\n\nRUN echo before && \\\n    exit 7\nRUN true\n");
    let ended = bench.build("out", &[]);
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status, 1, "{stderr}");
    assert!(stderr.contains("Dockerfile:3: RUN echo before &&     exit 7: exit code: 7"), "{stderr}");
    assert!(stderr.contains("before"), "{stderr}");
    assert!(stderr.contains("   4 | >>>     exit 7"), "{stderr}");
    assert!(!bench.path("out/index.json").exists());
}

#[test]
fn what_cannot_be_is_refused_before_anything_runs() {
    for (dockerfile, options, expected) in [
        (
            "# syntax=acme/lang:1\nFROM base\nRUN false\n",
            &[][..],
            "Dockerfile:1: the frontend \"acme/lang:1\"",
        ),
        ("FROM base\nRUN false\nRUM x\n", &[], "Dockerfile:3: unknown instruction: RUM"),
        ("FROM --platform=linux/arm64 base\n", &[], "Dockerfile:1: platform \"linux/arm64\""),
        ("FROM base\n", &["--platform", "linux/arm64"], "only linux/amd64"),
        ("FROM base\nADD git@example.com:x /x\n", &[], "Dockerfile:2: ADD of a repository by another way"),
        ("FROM scratch\nADD https://example.com/x /x\n", &[], "this build reaches nothing (--egress none)"),
        (
            "FROM base\nRUN --mount=type=cache,target=/c,from=base true\n",
            &[],
            "Dockerfile:2: RUN --mount=type=cache with",
        ),
        ("FROM base\nRUN --mount=type=ssh true\n", &[], "Dockerfile:2: RUN --mount"),
        ("FROM base\n", &["--target", "none"], "--target \"none\" is no stage"),
        ("FROM base\n", &["--push"], "--push needs a name"),
        ("FROM base\n", &["--push", "--tag", "oci:/x"], "--tag oci:/x: "),
    ] {
        let bench = Bench::new(dockerfile);
        let ended = bench.build("out", options);
        let stderr = text(&ended.stderr);
        assert_ne!(ended.status, 0, "{dockerfile}");
        assert!(stderr.contains(expected), "{dockerfile}: {stderr}");
        assert!(!stderr.contains("RUN false"), "{stderr}");
    }
}

#[test]
fn a_source_that_is_missing_is_named() {
    let bench = Bench::new("FROM scratch\nCOPY nothing /x\n");
    let ended = bench.build("out", &[]);
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status, 1);
    assert!(stderr.contains("Dockerfile:2: COPY nothing /x: \"nothing\" is not in the context"), "{stderr}");
}

#[test]
fn sources_do_not_leave_the_context() {
    let bench = Bench::new("FROM scratch\nCOPY out /x\n");
    symlink("/etc/passwd", bench.path("context/out")).expect("a link can be made");
    let ended = bench.build("out", &[]);
    assert_eq!(ended.status, 1, "{}", text(&ended.stderr));
    let bench = Bench::new("FROM scratch\nCOPY ../../../../etc/passwd /x\n");
    assert_eq!(bench.build("out", &[]).status, 1);
}

#[test]
fn steps_without_bounds_end_by_themselves_alone() {
    if !kvm_or_skip("bounds") {
        return;
    }
    for (step, options, expected) in [
        ("dd if=/dev/zero of=/big bs=1M", &[][..], "No space left"),
        ("sleep 100", &["--timeout", "1s"], "not done within 1s"),
        ("busybox nc -w 5 169.254.169.254 80", &[], "name exactly it with --egress"),
        ("kill -9 $$", &[], "RUN kill -9"),
    ] {
        let bench = Bench::new(&format!("FROM base\nRUN {step}\n"));
        let mut command = bench.building("out", "*:1-65535");
        let ended =
            run(command.args(options).arg(bench.path("context")), b"", LIMIT).expect("the build ends");
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status, 1, "{step}: {stderr}");
        assert!(stderr.contains(expected), "{step}: {stderr}");
    }
}

#[test]
fn stages_that_do_not_need_each_other_run_at_once() {
    if !kvm_or_skip("stages at once") {
        return;
    }
    let bench = Bench::new(
        "FROM base AS one\nRUN sleep 2; echo 1 > /f\nFROM base AS two\nRUN sleep 2; echo 2 > /g\n\
         FROM base\nCOPY --from=one /f /f\nCOPY --from=two /g /g\nRUN test \"$(cat /f /g)\" = \"$(printf '1\\n2')\"\n",
    );
    let ended = bench.build("out", &["--progress", "json"]);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let told = text(&ended.stdout);
    let at = |wanted: &str| told.lines().position(|line| line.contains(wanted)).expect("it is told");
    let began: Vec<usize> = [at("RUN sleep 2; echo 1"), at("RUN sleep 2; echo 2")].into();
    let step = |line: usize| -> u64 {
        let event: Value = serde_json::from_str(told.lines().nth(line).expect("a line")).expect("JSON");
        event["step"].as_u64().expect("a number")
    };
    for line in &began {
        let done = told.lines().position(|one| {
            let event: Value = serde_json::from_str(one).expect("JSON");
            event["type"] == "done" && event["step"] == step(*line)
        });
        assert!(done.expect("it is done") > *began.iter().max().expect("two"), "{told}");
    }
    let failing = Bench::new(
        "FROM base AS one\nRUN sleep 1000\nFROM base AS two\nRUN exit 3\nFROM base\nCOPY --from=one / /\nCOPY --from=two / /\n",
    );
    let ended = failing.build("out", &[]);
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status, 1, "{stderr}");
    assert!(stderr.contains("Dockerfile:4: RUN exit 3: exit code: 3"), "{stderr}");
}

#[test]
fn scripts_are_told_in_json() {
    if !kvm_or_skip("JSON") {
        return;
    }
    let bench = Bench::new("FROM base\nRUN echo hello\n");
    let ended = bench.build("out", &["--progress", "json"]);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let events: Vec<Value> =
        text(&ended.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.iter().any(|event| event["type"] == "output" && event["line"] == "hello"), "{events:?}");
    assert_eq!(events.last().expect("an event")["type"], "built");
}
