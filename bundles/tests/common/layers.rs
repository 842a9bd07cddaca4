//! Tar streams straight into a tree.

use bundles::digest::Digest;
use bundles::layer::{Layer, LayerError, apply};
use bundles::limits::Limits;
use bundles::tree::{Kind, Node, Tree};

use super::tarball::Tarball;

/// Applies uncompressed layers one after the other.
pub fn tree_with(layers: &[Tarball], limits: &Limits) -> Result<Tree, LayerError> {
    let mut tree = Tree::new(&std::env::temp_dir(), limits)?;
    let mut left = limits.unpacked_bytes;
    for layer in layers {
        let bytes = layer.clone().finish();
        let digest = Digest::of(&bytes);
        let layer = Layer { digest: Some(digest), size: bytes.len() as u64, diff_id: digest };
        apply(&mut tree, bytes.as_slice(), &layer, limits, &mut left)?;
    }
    Ok(tree)
}

/// As [`tree_with`] with the ordinary limits.
pub fn tree(layers: &[Tarball]) -> Result<Tree, LayerError> {
    tree_with(layers, &Limits::default())
}

/// The node at a path, links followed.
pub fn node<'a>(tree: &'a Tree, path: &str) -> Option<&'a Node> {
    tree.lookup(path.as_bytes()).unwrap().map(|id| tree.node(id))
}

/// The content of a file.
pub fn content(tree: &Tree, path: &str) -> Option<String> {
    match node(tree, path)?.kind {
        Kind::File(extent) => Some(String::from_utf8(tree.spool().head(extent, 1 << 20).unwrap()).unwrap()),
        _ => None,
    }
}

/// Names in a directory.
pub fn names(tree: &Tree, path: &str) -> Vec<String> {
    let id = tree.lookup(path.as_bytes()).unwrap().unwrap();
    tree.entries(id).map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}
