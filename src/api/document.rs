//! YAML files of Image documents.
//!
//! A file may hold several documents. Each is read by itself, so that one wrong document costs itself alone, and each
//! problem comes with the line and the field it is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde_saphyr::Spanned;

use super::image::Image;
use super::validate;

/// Longest file that is read.
pub const FILE_MAX: u64 = 4 << 20;

/// Something wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{message}", field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct DocumentError {
    /// Line of the file, from 1.
    pub line: u64,
    /// Field, where one can be named.
    pub field: Option<String>,
    /// What is wrong and how to put it right.
    pub message: String,
}

/// A document of a file.
#[derive(Debug)]
pub struct Document {
    /// `namespace/name` as far as it can be told, for documents with problems too.
    pub name: Option<String>,
    /// Line of `spec.image`, or of the document.
    pub line: u64,
    /// The Image, or everything that is wrong with it.
    pub image: Result<Image, Vec<DocumentError>>,
}

/// Reads all documents of a file. Empty ones are left out.
pub fn read(text: &str) -> Vec<Document> {
    split(text)
        .into_iter()
        .filter(|(_, text)| !is_blank(text))
        .map(|(line, text)| parse(line, &text))
        .collect()
}

/// Cuts at the document markers; gives each part with the number of lines before it.
///
/// YAML reads `---` at the start of a line as a marker wherever it stands (YAML 1.2, 9.1.2), so lines are enough.
fn split(text: &str) -> Vec<(u64, String)> {
    let mut parts = vec![(0, String::new())];
    for (number, line) in (0u64..).zip(text.split_inclusive('\n')) {
        let bare = line.trim_end();
        if bare == "---" || line.starts_with("--- ") || line.starts_with("---\t") {
            parts.push((number, line[3..].to_owned()));
        } else if bare == "..." {
            parts.push((number + 1, String::new()));
        } else if let Some((_, part)) = parts.last_mut() {
            part.push_str(line);
        }
    }
    parts
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn parse(before: u64, text: &str) -> Document {
    let tree = serde_saphyr::from_str::<Node>(text).ok();
    let name = tree.as_ref().and_then(document_name);
    let image = match read_image(text) {
        Err(fault) => Err(vec![syntax_error(before, &fault, tree.as_ref())]),
        Ok(image) => {
            let problems = validate::problems(&image, validate::Origin::Directory);
            if problems.is_empty() { Ok(image) } else { Err(locate(before, problems, tree.as_ref())) }
        }
    };
    let line = before + tree.as_ref().and_then(|tree| tree.line_of("spec.image")).unwrap_or(1);
    Document { name, line, image }
}

fn document_name(tree: &Node) -> Option<String> {
    let text = |path: &str| tree.find(path).and_then(|node| node.scalar.clone());
    let namespace = text("metadata.namespace").unwrap_or_else(|| super::image::DEFAULT_NAMESPACE.to_owned());
    text("metadata.name").map(|name| format!("{namespace}/{name}"))
}

/// Why a text is no Image.
struct Fault {
    error: Box<serde_saphyr::Error>,
    /// The field that was being read; none where the text is no YAML.
    field: Option<String>,
}

fn read_image(text: &str) -> Result<Image, Fault> {
    let mut field = None;
    let image = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            field = Some(error.path().to_string()).filter(|path| path != ".");
            error.into_inner()
        })
    });
    image.map_err(|error| {
        if let serde_saphyr::Error::SerdeMissingField { field: missing, .. } = error.without_snippet() {
            // What is missing is a part of what was being read.
            field = Some(field.map_or_else(|| (*missing).to_owned(), |path| format!("{path}.{missing}")));
        }
        Fault { error: Box::new(error), field }
    })
}

fn syntax_error(before: u64, fault: &Fault, tree: Option<&Node>) -> DocumentError {
    let Fault { error, field } = fault;
    // Where the text is no YAML, nothing is known of its fields.
    let field = field.as_ref().filter(|_| tree.is_some()).cloned();
    let line = field.as_ref().and_then(|field| tree?.line_of(field));
    let line = line.unwrap_or_else(|| error.location().map_or(1, |location| location.line().max(1)));
    // The parser adds its own excerpt of the document below the message; the first line says what is wrong.
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or_default().to_owned();
    DocumentError { line: before + line, field, message }
}

fn locate(before: u64, problems: Vec<validate::Problem>, tree: Option<&Node>) -> Vec<DocumentError> {
    problems
        .into_iter()
        .map(|problem| {
            let line = tree.and_then(|tree| tree.line_of(&problem.field)).unwrap_or(1);
            DocumentError { line: before + line, field: Some(problem.field), message: problem.message }
        })
        .collect()
}

/// A document as a tree of positions.
#[derive(Debug, Default)]
struct Node {
    /// Where it begins: its key, or its value in a list.
    line: u64,
    scalar: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// The node at a path like `spec.env[0].name`.
    fn find(&self, path: &str) -> Option<&Self> {
        steps(path).try_fold(self, |node, step| node.children.get(&step))
    }

    /// Line of the deepest part of the path that is there.
    fn line_of(&self, path: &str) -> Option<u64> {
        let mut node = self;
        let mut line = None;
        for step in steps(path) {
            let Some(child) = node.children.get(&step) else { break };
            line = Some(child.line);
            node = child;
        }
        line
    }
}

/// The keys of a path; list positions keep their brackets.
fn steps(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split('.').flat_map(|part| match part.split_once('[') {
        Some((name, index)) => vec![name.to_owned(), format!("[{index}")],
        None => vec![part.to_owned()],
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl NodeVisitor {
    fn scalar<E>(value: impl fmt::Display) -> Result<Node, E> {
        Ok(Node { scalar: Some(value.to_string()), ..Node::default() })
    }
}

impl<'de> de::Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let child: Self::Value = map.next_value()?;
            node.children.insert(key.value, Node { line: key.referenced.line(), ..child });
        }
        Ok(node)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        while let Some(child) = list.next_element::<Spanned<Node>>()? {
            let line = child.referenced.line();
            node.children.insert(format!("[{}]", node.children.len()), Node { line, ..child.value });
        }
        Ok(node)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Self::scalar(value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Self::scalar(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Self::scalar(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Self::scalar(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Self::scalar(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata:\n  name: good\nspec:\n  image: oci:x\n";

    fn errors(text: &str) -> Vec<DocumentError> {
        read(text).pop().unwrap().image.unwrap_err()
    }

    #[test]
    fn a_bad_document_leaves_the_others() {
        let text = format!("# comment\n---\n{GOOD}---\nnonsense: [\n---\n{GOOD}");
        let documents = read(&text);
        assert_eq!(
            documents.iter().map(|document| document.image.is_ok()).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(documents[0].name.as_deref(), Some("default/good"));
    }

    #[test]
    fn problems_have_line_and_field() {
        let text = format!("---\n{GOOD}  timeout: 2h\n");
        let found = errors(&text);
        assert_eq!((found[0].line, found[0].field.as_deref()), (8, Some("spec.timeout")));
        let found = errors(&format!("{GOOD}  tiemout: 2s\n"));
        assert_eq!(found[0].line, 7);
        assert!(found[0].message.contains("tiemout") && found[0].message.contains("timeout"), "{}", found[0]);
        let found = errors(&format!("{GOOD}  port: many\n"));
        assert_eq!((found[0].line, found[0].field.as_deref()), (7, Some("spec.port")), "{}", found[0]);
        let found = errors(&format!("{GOOD}  resources:\n    limits:\n      memory: lots\n"));
        assert_eq!((found[0].line, found[0].field.as_deref()), (9, Some("spec.resources.limits.memory")));
        assert!(found[0].message.contains("Mi"), "{}", found[0]);
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (more, line, field) in [
            // The key is on a line of its own, and its value has keys too.
            ("  enviroment:\n    - name: A\n      value: b\n", 7, "spec.enviroment"),
            ("  enviroment: [{name: A, value: b}]\n", 7, "spec.enviroment"),
            (
                "  env:\n    - name: A\n      value: b\n    - name: B\n      vlaue: b\n",
                11,
                "spec.env[1].vlaue",
            ),
            ("  env: [{name: A, vlaue: b}]\n", 7, "spec.env[0].vlaue"),
            ("  env:\n    - value: b\n", 8, "spec.env[0].name"),
            ("  env: many\n", 7, "spec.env"),
            ("  env:\n    A: b\n", 7, "spec.env"),
            (
                "  resources:\n    limits:\n      memory: lots\n      cpu: 1\n",
                9,
                "spec.resources.limits.memory",
            ),
            ("  snapshot: sometimes\n  port: 80\n", 7, "spec.snapshot"),
            ("  secrets:\n    - name: a\n      mountPath: relative\n", 9, "spec.secrets[0].mountPath"),
        ] {
            let found = errors(&format!("{GOOD}{more}"));
            assert_eq!((found[0].line, found[0].field.as_deref()), (line, Some(field)), "{more}{}", found[0]);
        }
        let found = errors(&GOOD.replace("metadata:", "metadta:"));
        assert_eq!(found[0].field.as_deref(), Some("metadata"), "{}", found[0]);
        let found = errors("apiVersion: build.kontain.app/v1\nkind: Image\nmetadata:\n  name: a\nspec: {}\n");
        assert_eq!((found[0].line, found[0].field.as_deref()), (5, Some("spec.image")), "{}", found[0]);
        // What is no YAML has no fields.
        let found = errors("apiVersion: build.kontain.app/v1\nspec:\n  image: [oci:x\n");
        assert_eq!(found[0].field, None, "{}", found[0]);
    }
}
