//! What hostile and odd layers must end in: refused with a typed error, or the same as other tools make of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use bundles::digest::Digest;
use bundles::layer::pax::PaxError;
use bundles::layer::{Layer, LayerError};
use bundles::limits::Limits;
use bundles::reason::{Outlook, Reason};
use bundles::tree::{Kind, Tree, TreeError};
use common::image::{Packing, compress};
use common::layers::{content, names, node, tree, tree_with};
use common::tarball::{Raw, Tarball};

/// Why a layer is refused; the next attempt would end the same way.
fn refusal(tarball: Tarball) -> LayerError {
    let error = tree(&[tarball]).unwrap_err();
    assert_eq!(error.reason().outlook(), Outlook::Lasting, "{error:?}");
    error
}

macro_rules! assert_refused {
    ($tarball:expr, $pattern:pat) => {
        let error = refusal($tarball);
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

#[test]
fn parent_components_are_refused() {
    for name in ["../x", "a/../../x", "..", "/..", "a/.."] {
        assert_refused!(Tarball::new().file(name, b""), LayerError::Tree(TreeError::ParentComponent(_)));
    }
    let tarball = Tarball::new().file("a", b"").hardlink("b", "../a", 0o644);
    assert_refused!(tarball, LayerError::Tree(TreeError::ParentComponent(_)));
}

#[test]
fn absolute_paths_are_relative_to_the_root() {
    let tree = tree(&[Tarball::new().file("/etc/x", b"1").file("//y", b"2").hardlink("z", "/etc/x", 0o644)])
        .unwrap();
    assert_eq!(content(&tree, "etc/x").unwrap(), "1");
    assert_eq!(content(&tree, "y").unwrap(), "2");
    assert_eq!(content(&tree, "z").unwrap(), "1");
}

#[test]
fn writes_through_links_stay_inside() {
    let layer = Tarball::new()
        .symlink("out", "../../../../tmp")
        .symlink("abs", "/tmp")
        .file("out/one", b"1")
        .file("abs/two", b"2")
        .symlink("dangling", "new/place")
        .file("dangling/three", b"3");
    let tree = tree(&[layer]).unwrap();
    assert_eq!(names(&tree, "tmp"), ["one", "two"]);
    assert_eq!(content(&tree, "new/place/three").unwrap(), "3");
    // The file itself is put in place of a link, never through it.
    let layer = Tarball::new().file("target", b"old").symlink("link", "target").file("link", b"new");
    let tree = common::layers::tree(&[layer]).unwrap();
    assert_eq!(
        (content(&tree, "target").unwrap(), content(&tree, "link").unwrap()),
        ("old".into(), "new".into())
    );
}

#[test]
fn loops_of_links_are_refused() {
    let tarball = Tarball::new().symlink("a", "b").symlink("b", "a").file("a/x", b"");
    assert_refused!(tarball, LayerError::Tree(TreeError::SymlinkLoop(_)));
    let tarball = Tarball::new().symlink("a", "a/b").file("a/x", b"");
    assert_refused!(tarball, LayerError::Tree(TreeError::SymlinkLoop(_)));
    // Not a loop, but a walk of millions of steps.
    let zigzag = "d/../".repeat(15);
    let mut tarball = Tarball::new().dir("d").symlink("l0", &zigzag);
    for level in 1..20 {
        let below = format!("l{}/", level - 1);
        tarball = tarball.symlink(&format!("l{level}"), &below.repeat(10));
    }
    assert_refused!(
        tarball.file("l19/x", b""),
        LayerError::Tree(TreeError::SymlinkLoop(_) | TreeError::PathTooLong(_))
    );
}

#[test]
fn hard_links_lead_to_files_of_the_image() {
    assert_refused!(
        Tarball::new().hardlink("a", "etc/passwd", 0o644),
        LayerError::Tree(TreeError::LinkTargetMissing { .. })
    );
    assert_refused!(
        Tarball::new().dir("d").hardlink("a", "d", 0o755),
        LayerError::Tree(TreeError::LinkToDirectory { .. })
    );
    assert_refused!(
        Tarball::new().hardlink("a", "/", 0o755),
        LayerError::Tree(TreeError::LinkToDirectory { .. })
    );
    let tree = tree(&[Tarball::new().file("a", b"x"), Tarball::new().hardlink("b", "a", 0o644)]).unwrap();
    assert_eq!(tree.lookup(b"a").unwrap(), tree.lookup(b"b").unwrap());
}

#[test]
fn hard_link_to_a_link_changes_no_mode() {
    let layer = Tarball::new()
        .file_mode("secret", b"", 0o600)
        .symlink("link", "secret")
        .hardlink("other", "link", 0o4777);
    let tree = tree(&[layer]).unwrap();
    assert_eq!(node(&tree, "secret").unwrap().meta.mode, 0o600);
    let other = tree.child(bundles::tree::NodeId::ROOT, b"other").unwrap();
    assert!(matches!(tree.node(other).kind, Kind::Symlink(_)));
}

#[test]
fn kinds_replace_each_other() {
    let layer = Tarball::new()
        .dir("real")
        .file("real/in", b"")
        .symlink("name", "real")
        .dir("name")
        .file("name/x", b"");
    let tree_one = tree(&[layer]).unwrap();
    assert_eq!(names(&tree_one, "real"), ["in"]);
    assert_eq!(names(&tree_one, "name"), ["x"]);
    let layer = Tarball::new().file("parent", b"").file("parent/child", b"c");
    assert_eq!(content(&tree(&[layer]).unwrap(), "parent/child").unwrap(), "c");
    let layers = [
        Tarball::new().file("d/x", b"").dir("e"),
        Tarball::new().file("d", b"file").dir("e").file("e/y", b""),
    ];
    let tree_two = tree(&layers).unwrap();
    assert_eq!(content(&tree_two, "d").unwrap(), "file");
    assert_refused!(Tarball::new().file(".", b""), LayerError::Tree(TreeError::RootReplaced));
    assert_refused!(Tarball::new().symlink("/", "x"), LayerError::Tree(TreeError::RootReplaced));
}

#[test]
fn duplicates_the_last_wins_once() {
    let layer = Tarball::new()
        .file("a", b"1")
        .file_mode("./a", b"2", 0o600)
        .file("b/../a".replace("b/../", "").as_str(), b"3");
    let tree = tree(&[layer]).unwrap();
    assert_eq!(names(&tree, "/"), ["a"]);
    assert_eq!(content(&tree, "a").unwrap(), "3");
}

#[test]
fn whiteouts() {
    assert_refused!(Tarball::new().file(".wh.", b""), LayerError::Tree(TreeError::EmptyWhiteout(_)));
    assert_refused!(Tarball::new().file("a/.wh.", b""), LayerError::Tree(TreeError::EmptyWhiteout(_)));
    let base = || Tarball::new().file("d/low", b"").file("d/sub/low", b"").file("x", b"").file("y/z", b"");
    // Of the directory itself, of its parent, of what is not there: no effect.
    let none = Tarball::new()
        .file("d/.wh..", b"")
        .file("d/.wh...", b"")
        .file(".wh..", b"")
        .file(".wh.absent", b"")
        .file("no/.wh.x", b"");
    let tree_none = tree(&[base(), none]).unwrap();
    assert_eq!(names(&tree_none, "/"), ["d", "x", "y"]);
    let some = Tarball::new().file(".wh.x", b"").file("d/.wh.sub", b"").file(".wh.y", b"");
    let tree_some = tree(&[base(), some]).unwrap();
    assert_eq!((names(&tree_some, "/"), names(&tree_some, "d")), (vec!["d".into()], vec!["low".into()]));
    // Through a link on the way, and with the order of entries turned around.
    let through = Tarball::new().file("d/sub/new", b"").symlink("way", "d").file("way/.wh.sub", b"");
    assert_eq!(names(&tree(&[base(), through]).unwrap(), "d/sub"), ["new"]);
}

#[test]
fn opaque_hides_lower_layers_only() {
    let base = Tarball::new().file("d/low", b"").file("d/sub/low", b"").file("d/gone/low", b"");
    for opaque_first in [true, false] {
        let opaque = |tarball: Tarball| tarball.file("d/.wh..wh..opq", b"");
        let files = |tarball: Tarball| tarball.file("d/new", b"").file("d/sub/new", b"");
        let upper = if opaque_first { files(opaque(Tarball::new())) } else { opaque(files(Tarball::new())) };
        let tree = tree(&[base.clone(), upper]).unwrap();
        assert_eq!(
            (names(&tree, "d"), names(&tree, "d/sub")),
            (vec!["new".into(), "sub".into()], vec!["new".into()])
        );
    }
    // A layer's own files are not hidden by its own whiteouts, and reserved names are not files.
    let own = Tarball::new()
        .file("a", b"")
        .file(".wh.a", b"")
        .file(".wh..wh.plnk/x", b"")
        .file(".wh..wh.aufs", b"");
    assert_eq!(names(&tree(&[own]).unwrap(), "/"), ["a"]);
}

#[test]
fn sizes_of_extensions_go_before_those_of_headers() {
    for header in [0, 3, 5000] {
        let raw = Raw { name: b"a", size: header, ..Raw::default() };
        let tarball = Tarball::new().pax(&[("size", b"3")]).raw(&raw, b"abc").file("b", b"next");
        let tree = tree(&[tarball]).unwrap();
        assert_eq!(
            (content(&tree, "a").unwrap(), content(&tree, "b").unwrap()),
            ("abc".into(), "next".into())
        );
    }
    // Then the body is where the next header should be.
    assert_refused!(Tarball::new().pax(&[("size", b"0")]).file("a", &[b'x'; 512]), LayerError::Tar(_));
    // The size of an extension header itself is never that of the entry it describes.
    let tarball = Tarball::new().pax(&[("size", b"3")]).extension(b'L', b"long\0").file("a", b"abc");
    assert_eq!(content(&tree(&[tarball]).unwrap(), "long").unwrap(), "abc");
}

#[test]
fn only_files_have_bodies() {
    // Readers disagree whether a body follows, and so where the next entry starts.
    for kind in [b'2', b'3', b'4', b'5', b'6'] {
        let raw = Raw { name: b"a", kind, size: 512, link: b"x", ..Raw::default() };
        assert_refused!(Tarball::new().raw(&raw, b"").file("b", b""), LayerError::Tar(_));
    }
    // Old writers give a hard link the size of its file, without a body.
    let raw = Raw { name: b"b", kind: b'1', size: 512, link: b"a", ..Raw::default() };
    let tree = tree(&[Tarball::new().file("a", &[b'x'; 512]).raw(&raw, b"").file("c", b"c")]).unwrap();
    assert_eq!((names(&tree, "/").len(), content(&tree, "c").unwrap()), (3, "c".into()));
}

#[test]
fn malformed_and_huge_extensions() {
    for body in [b"99 path=x\n".as_slice(), b"path=x\n", b"9 path=x", b"0 path=x\n", b"10 pathxx\n"] {
        assert_refused!(
            Tarball::new().extension(b'x', body).file("a", b""),
            LayerError::Pax(PaxError::Malformed(_))
        );
    }
    let huge = |kind| Tarball::new().extension(kind, &vec![b'x'; (1 << 20) + 1]).file("a", b"");
    for kind in [b'x', b'g', b'L', b'K'] {
        assert_refused!(huge(kind), LayerError::ExtensionTooLarge { .. });
    }
    // A size that is not there is refused before anything is reserved for it.
    let lie = Tarball::new().raw(&Raw { name: b"x", kind: b'x', size: 1 << 40, ..Raw::default() }, b"");
    assert_refused!(lie, LayerError::ExtensionTooLarge { .. });
    assert_refused!(Tarball::new().extension(b'g', b"13 path=evil\n").file("a", b""), LayerError::Tar(_));
    for harmless in [b"13 comment=x\n".as_slice(), b"11 mtime=1\n", b"9 uid=77\n"] {
        let tree = tree(&[Tarball::new().extension(b'g', harmless).file("a", b"")]).unwrap();
        assert_eq!(
            (node(&tree, "a").unwrap().meta.mtime, node(&tree, "a").unwrap().meta.uid),
            (1_600_000_000, 0)
        );
    }
    assert_refused!(
        Tarball::new().pax(&[("path", b"a")]).pax(&[("path", b"b")]).file("c", b""),
        LayerError::Tar(_)
    );
    assert_refused!(Tarball::new().file("a", b"").pax(&[("path", b"b")]), LayerError::Tar(_));
}

/// A sparse file in the format that has its map in the extension header.
fn sparse(size: &str, map: &str, data: &[u8]) -> Tarball {
    let records = [("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
    Tarball::new().pax(&[records[0], records[1], ("GNU.sparse.name", b"real")]).file("made-up", data)
}

#[test]
fn sparse_files() {
    for (map, whole) in [("0,3,5,3", "abc\0\0def"), ("2,6", "\0\0abcdef"), ("0,6,8,0", "abcdef\0\0")] {
        let tree = tree(&[sparse("8", map, b"abcdef").file("next", b"n")]).unwrap();
        assert_eq!(
            (content(&tree, "real").unwrap(), content(&tree, "next").unwrap()),
            (whole.into(), "n".into())
        );
    }
    for (size, map) in [
        ("8", "0,3,2,3"),
        ("8", "3,3,0,3"),
        ("8", "0,3,5,4"),
        ("7", "0,3,5,3"),
        ("8", "0,3"),
        ("8", "0,6,8"),
        ("8", "0,18446744073709551615,1,6"),
    ] {
        assert_refused!(sparse(size, map, b"abcdef"), LayerError::Tar(_));
    }
    let body = |map: &[u8], data: &[u8]| {
        let mut body = map.to_vec();
        body.resize(512, 0);
        body.extend(data);
        let records = [("GNU.sparse.major", b"1".as_slice()), ("GNU.sparse.minor", b"0")];
        Tarball::new().pax(&[records[0], records[1], ("GNU.sparse.realsize", b"5")]).file("a", &body)
    };
    let tree = tree(&[body(b"2\n0\n1\n4\n1\n", b"xy")]).unwrap();
    assert_eq!(content(&tree, "a").unwrap(), "x\0\0\0y");
    for map in [b"2\n0\n1\n4\n".as_slice(), b"-1\n", b"\n", b"18446744073709551615\n0\n", b"x\n"] {
        assert_refused!(body(map, b"xy"), LayerError::Tar(_));
    }
    // Holes are no way around the bound on what a layer may decompress to.
    let limits = Limits { ratio_free_bytes: 100_000, ratio: 1, ..Limits::default() };
    let bomb = sparse("99999999999", "0,6", b"abcdef");
    assert!(matches!(tree_with(&[bomb], &limits), Err(LayerError::Holes { .. })));
    let many = (0..3).fold(Tarball::new(), |tarball, _| {
        tarball.pax(&[("GNU.sparse.size", b"40000"), ("GNU.sparse.map", b"0,1")]).file("a", b"x")
    });
    assert!(matches!(tree_with(&[many], &limits), Err(LayerError::Holes { .. })));
    // Formats that containerd does not read.
    let tarball = Tarball::new().raw(&Raw { name: b"bomb", kind: b'S', ..Raw::default() }, b"");
    assert_refused!(tarball, LayerError::Unsupported { .. });
    assert_refused!(
        Tarball::new().pax(&[("GNU.sparse.future", b"1")]).file("a", b""),
        LayerError::Pax(PaxError::Sparse)
    );
    assert_refused!(
        Tarball::new().raw(&Raw { name: b"v", kind: b'V', ..Raw::default() }, b""),
        LayerError::Unsupported { .. }
    );
}

#[test]
fn bombs_of_inodes_names_and_data() {
    let limits = Limits { inodes: 100, ..Limits::default() };
    let many = (0..200).fold(Tarball::new(), |tarball, number| tarball.file(&format!("f{number}"), b""));
    assert!(matches!(tree_with(&[many], &limits), Err(LayerError::Tree(TreeError::TooManyInodes(100)))));
    // The same name again and again costs as much.
    let again = (0..200).fold(Tarball::new(), |tarball, _| tarball.file("same", b""));
    assert!(matches!(tree_with(&[again], &limits), Err(LayerError::Tree(TreeError::TooManyInodes(100)))));
    let limits = Limits { metadata_bytes: 10_000, ..Limits::default() };
    let dirs = (0..500).fold(Tarball::new(), |tarball, _| tarball.dir("same"));
    assert!(matches!(tree_with(&[dirs], &limits), Err(LayerError::Tree(TreeError::TooMuchMetadata(10_000)))));
    let limits = Limits { unpacked_bytes: 10_000, ..Limits::default() };
    let big = Tarball::new().file("a", &[1; 20_000]);
    assert!(matches!(
        tree_with(&[big], &limits),
        Err(LayerError::Tree(TreeError::TooMuchData(_)) | LayerError::Bomb { .. })
    ));
    let xattrs: Vec<(String, Vec<u8>)> =
        (0..3).map(|n| (format!("SCHILY.xattr.user.n{n}"), vec![b'v'; 30_000])).collect();
    let records: Vec<(&str, &[u8])> =
        xattrs.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    assert_refused!(Tarball::new().pax(&records).file("a", b""), LayerError::XattrsTooLarge { .. });
}

#[test]
fn names_beyond_linux() {
    let long = |name: Vec<u8>| Tarball::new().extension(b'L', &name).file("short", b"");
    assert_refused!(long(vec![b'a'; 256]), LayerError::Tree(TreeError::ComponentTooLong(_)));
    assert!(tree(&[long(vec![b'a'; 255])]).is_ok());
    assert_refused!(long(b"d/".repeat(2048)), LayerError::Tree(TreeError::PathTooLong(_)));
    assert!(tree(&[long(b"d/".repeat(2000))]).is_ok());
    assert_refused!(long(b"a\0b".to_vec()), LayerError::Tree(TreeError::Nul(_)));
    assert_refused!(
        Tarball::new().pax(&[("path", b"a\0b")]).file("c", b""),
        LayerError::Tree(TreeError::Nul(_))
    );
    assert_refused!(
        Tarball::new().pax(&[("linkpath", b"a\0b")]).symlink("c", "x"),
        LayerError::Tree(TreeError::Nul(_))
    );
    assert_refused!(Tarball::new().symlink("c", ""), LayerError::Tree(TreeError::Empty));
    // Deeper and deeper through links, each path short by itself.
    let mut tarball = Tarball::new();
    for level in 0..30 {
        let deep = "n".repeat(90);
        let target = format!("s{level}/{deep}/{deep}");
        tarball = tarball.pax(&[("linkpath", target.as_bytes())]).symlink(&format!("s{}", level + 1), "");
    }
    let tarball = tarball.dir("s0").file("s30/x", b"");
    assert_refused!(tarball, LayerError::Tree(TreeError::PathTooLong(_)));
}

/// What becomes of a layer that is stored as these bytes and decompresses to `plain`.
fn stored(bytes: &[u8], plain: &[u8]) -> Result<(), LayerError> {
    let (digest, diff_id) = (Digest::of(bytes), Digest::of(plain));
    let layer = Layer { digest: Some(digest), size: bytes.len() as u64, diff_id };
    let limits = Limits::default();
    let mut tree = Tree::new(&std::env::temp_dir(), &limits).unwrap();
    bundles::layer::apply(&mut tree, bytes, &layer, &limits, &mut (1 << 30))
}

#[test]
fn damaged_streams() {
    let good = Tarball::new().file("a", &[b'x'; 5000]).finish();
    let apply = |bytes: &[u8]| stored(bytes, bytes);
    assert!(apply(&good).is_ok());
    assert!(matches!(apply(&good[..1000]), Err(LayerError::Tree(TreeError::Truncated(_)))));
    assert!(matches!(apply(&good[..100]), Err(LayerError::Tar(_))));
    let mut checksum = good.clone();
    checksum[0] = b'b';
    assert!(matches!(apply(&checksum), Err(LayerError::Tar(_))));
    assert!(apply(b"").is_ok(), "an empty layer is an empty archive");
}

#[test]
fn what_is_wrong_with_a_compressed_layer_is_not_the_disk() {
    let plain = Tarball::new().file("a", &[b'x'; 5000]).finish();
    let gzip = compress(&plain, Packing::Gzip);
    let zstd = compress(&plain, Packing::Zstd);
    // As padding of tapes and volumes, which gzip(1) reads over.
    assert!(stored(&[gzip.clone(), vec![0; 1000]].concat(), &plain).is_ok());
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        bytes
    };
    for (name, bytes) in [
        ("gzip and garbage", [&gzip[..], b"garbage"].concat()),
        ("gzip, zeros and garbage", [&gzip[..], &[0; 100], b"garbage"].concat()),
        ("gzip cut short", gzip[..gzip.len() - 9].to_vec()),
        ("gzip without its check", gzip[..gzip.len() - 4].to_vec()),
        ("gzip flipped", flipped(&gzip)),
        ("gzip's magic alone", gzip[..2].to_vec()),
        ("zstd and zeros", [&zstd[..], &[0; 100]].concat()),
        ("zstd cut short", zstd[..zstd.len() - 3].to_vec()),
        ("zstd flipped", flipped(&zstd)),
    ] {
        let error = stored(&bytes, &plain).unwrap_err();
        assert_eq!(error.reason(), Reason::ImageInvalid, "{name}: {error}");
    }
}

#[test]
fn devices_and_times() {
    let layer =
        Tarball::new().device("null", b'3', 1, 3).device("sda", b'4', 8, 0).device("pipe", b'6', 0, 0);
    let layer = layer
        .pax(&[("mtime", b"-1.5"), ("uid", b"3000000"), ("SCHILY.xattr.com.apple.x", b"1")])
        .file("old", b"");
    let tree = tree(&[layer]).unwrap();
    assert!(matches!(node(&tree, "null").unwrap().kind, Kind::CharDevice(1, 3)));
    assert!(matches!(node(&tree, "sda").unwrap().kind, Kind::BlockDevice(8, 0)));
    assert!(matches!(node(&tree, "pipe").unwrap().kind, Kind::Fifo));
    let old = &node(&tree, "old").unwrap().meta;
    assert_eq!((old.mtime, old.mtime_nsec, old.uid, old.xattrs.len()), (-2, 500_000_000, 3_000_000, 0));
    assert_refused!(Tarball::new().device("x", b'3', 0o7_777_777, 1), LayerError::Tar(_));
}
