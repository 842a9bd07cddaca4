//! Mounts of RUN steps, which are there for their step alone.

use std::fs;

use super::{Bench, Image, compare, kvm_or_skip, text};

#[test]
fn caches_are_kept_from_step_to_step_and_from_build_to_build() {
    if !kvm_or_skip("caches") {
        return;
    }
    let bench = Bench::new(
        "FROM base\nARG ROUND\nRUN --mount=type=cache,target=/c/d,mode=0750,uid=33 test \"$(/bin/busybox stat -c %a:%u /c/d)\" = 750:33 && \
         echo $ROUND >> /c/d/rounds && rm -f /c/d/gone && ln -f /c/d/rounds /c/d/hard\n\
         RUN --mount=type=cache,id=/c/d,target=/other cp /other/hard /rounds && touch /other/gone\nRUN test ! -e /c && test ! -e /other\n",
    );
    for (round, expected) in [("one", "one\n"), ("two", "one\ntwo\n"), ("two", "one\ntwo\n")] {
        let image = bench.built("out", &["--build-arg", &format!("ROUND={round}")]);
        let tree = compare::tree(&bench.path("out"));
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(expected.as_bytes()));
        assert!(tree["rounds"].contains(&digest[..12]), "{round}: {:?}", tree["rounds"]);
        assert!(!tree.contains_key("c") && !tree.contains_key("other"), "{:?}", tree.keys());
        assert_eq!(image.layers(), 2, "the base, and the file of the second step");
        fs::remove_dir_all(bench.path("out")).expect("a folder can be removed");
    }
}

#[test]
fn binds_and_empty_mounts_leave_nothing() {
    if !kvm_or_skip("binds") {
        return;
    }
    let bench = Bench::new(
        "FROM base AS one\nRUN mkdir /tree && echo t > /tree/t && chown 7:8 /tree/t\nFROM base\n\
         RUN --mount=source=in,target=/mnt/in --mount=from=one,source=/tree,target=/data/tree \
             --mount=type=bind,source=a.txt,target=/mnt/a --mount=type=tmpfs,target=/data/moves \
             test \"$(cat /mnt/in/x /mnt/a)\" = xa && test ! -e /data/tree/old && test ! -e /data/moves/a && \
             cp /data/tree/t /t && echo junk > /data/tree/junk && echo junk > /data/moves/junk && echo junk > /mnt/in/junk\n\
         RUN test -e /data/tree/old && test -e /data/moves/a && test ! -e /data/tree/junk && test ! -e /mnt\n",
    );
    bench.file("in/x", "x");
    bench.file("a.txt", "a");
    let image = bench.built("out", &[]);
    assert_eq!(image.layers(), 2, "{}", image.manifest);
    let tree = compare::tree(&bench.path("out"));
    assert!(tree.contains_key("t") && !tree.contains_key("mnt"), "{:?}", tree.keys());
    let again = bench.build("again", &[]);
    assert_eq!(text(&again.stderr).matches("CACHED").count(), 3, "{}", text(&again.stderr));
    bench.file("in/x", "y");
    let changed = bench.build("changed", &[]);
    assert_eq!(changed.status, 1, "what is bound is a part of the step: {}", text(&changed.stderr));
}

#[test]
fn secrets_have_owners_and_modes() {
    if !kvm_or_skip("owners of secrets") {
        return;
    }
    let bench = Bench::new(
        "FROM base\nRUN --mount=type=secret,id=token,uid=33,gid=44,mode=0440 test \"$(/bin/busybox stat -c %u:%g:%a /run/secrets/token)\" = 33:44:440\n",
    );
    let secret = bench.path("secret");
    fs::write(&secret, "x").expect("a file can be written");
    let image: Image = bench.built("out", &["--secret", &format!("id=token,src={}", secret.display())]);
    assert_eq!(image.layers(), 1);
}
