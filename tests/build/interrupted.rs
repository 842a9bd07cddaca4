//! Builds that are killed, and what is collected of their volume.

use std::process::Stdio;
use std::time::Duration;

use super::{Bench, Ended, Image, LIMIT, binary, kvm_or_skip, run, text};

/// Builds that are killed; a number in `BUILD_KILLS` says how many instead.
const KILLS: usize = 12;

fn store(bench: &Bench, options: &[&str]) -> Ended {
    let mut command = std::process::Command::new(binary("kontain-faas"));
    command.arg("store").args(options).arg("--volume").arg(bench.path("volume"));
    run(&mut command, b"", LIMIT).expect("the command ends")
}

#[test]
fn a_killed_build_leaves_a_sound_store() {
    if !kvm_or_skip("killed builds") {
        return;
    }
    let kills = std::env::var("BUILD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let bench = Bench::new(
        "FROM base AS one\nARG ROUND\nRUN dd if=/dev/urandom of=/big bs=1M count=2; echo $ROUND > /one\n\
         FROM base\nCOPY . /context\nARG ROUND\nRUN --mount=type=cache,target=/c echo $ROUND > /c/$ROUND; echo $ROUND > /two\n\
         COPY --from=one /one /\nRUN cat /one /two > /three\n",
    );
    bench.file("a", "a");
    for round in 0..kills {
        let mut command = bench.building("out", "none");
        command.args(["--build-arg", &format!("ROUND={round}")]).arg(bench.path("context"));
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the build starts");
        std::thread::sleep(Duration::from_millis(fastrand::u64(1..1500)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        if bench.path("volume/builds").is_dir() {
            let verified = store(&bench, &["verify"]);
            assert_eq!(verified.status, 0, "{}", text(&verified.stdout));
        }
    }
    let last = bench.built("last", &["--build-arg", "ROUND=last"]);
    let same = bench.build("same", &["--build-arg", "ROUND=last"]);
    assert_eq!(text(&same.stderr).matches("CACHED").count(), 5, "{}", text(&same.stderr));
    assert_eq!(Image::open(&bench.path("same")).digest, last.digest);
    let collected = store(&bench, &["gc", "--keep-builds", "0"]);
    assert_eq!(collected.status, 0, "{}", text(&collected.stderr));
    assert!(text(&collected.stdout).contains("builds: "), "{}", text(&collected.stdout));
    for folder in ["steps", "layers", "scratch", "mounts"] {
        let left = std::fs::read_dir(bench.path("volume/builds").join(folder)).expect("a folder").count();
        assert_eq!(left, 0, "{folder}");
    }
    let again = bench.build("again", &["--build-arg", "ROUND=last"]);
    assert_eq!(again.status, 0, "{}", text(&again.stderr));
    assert_eq!(text(&again.stderr).matches("CACHED").count(), 0);
    let damaged = std::fs::read_dir(bench.path("volume/builds/layers")).expect("a folder").flatten().next();
    std::fs::write(damaged.expect("a layer").path(), "x").expect("a file can be written");
    assert_eq!(store(&bench, &["verify"]).status, 1);
}
