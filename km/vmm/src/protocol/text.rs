//! Texts for people in messages and records. A worker quotes its guest, whose words have any length.

use std::borrow::Cow;

use serde::Serializer;

/// Longest text in bytes. JSON makes at most six of one, so that a few such texts fit in a message or frame.
pub const TEXT_MAX: usize = 4 << 10;
/// Stands for what was taken out.
const GAP: &str = " […] ";

/// A text of at most [`TEXT_MAX`] bytes. Its beginning says what happened and its end what was said last, so a longer one
/// loses its middle.
#[must_use]
pub fn shorten(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_MAX {
        return Cow::Borrowed(text);
    }
    let half = (TEXT_MAX - GAP.len()) / 2;
    let start = &text[..text.floor_char_boundary(half)];
    let end = &text[text.ceil_char_boundary(text.len() - half)..];
    Cow::Owned([start, GAP, end].concat())
}

/// Writes a text as [`shorten`] leaves it: for `serialize_with` of every field that may quote a guest.
///
/// # Errors
/// Those of the serializer.
pub fn short<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shorten(text))
}

/// The same for a text that may be missing.
///
/// # Errors
/// Those of the serializer.
#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
pub fn short_option<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.serialize_some(&shorten(text)),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let long = format!("it broke: {} last words", "\u{1}".repeat(20 << 10));
        let short = shorten(&long);
        assert!(short.starts_with("it broke: \u{1}") && short.ends_with("\u{1} last words"), "{short:?}");
        assert!(short.contains(GAP) && short.len() <= TEXT_MAX);
        assert_eq!(shorten(&"x".repeat(TEXT_MAX)), "x".repeat(TEXT_MAX));
    }

    proptest! {
        #[test]
        fn any_text_is_cut_between_characters(text in "[aä€\u{1F600}\u{1}]{0,3000}") {
            let short = shorten(&text);
            prop_assert!(short.len() <= TEXT_MAX);
            prop_assert!(text.len() > TEXT_MAX || short == text);
        }
    }
}
