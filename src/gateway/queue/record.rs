//! An asynchronous call as it lies on disk, and the ids of such calls.

use api::FunctionName;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// Id of a call: ours, whatever label its client gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u128);

impl Id {
    /// An id that no other call has.
    pub fn new() -> Self {
        Self(fastrand::u128(..))
    }

    /// The id that a client names.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == 32 && is_hex).then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A call, without its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The function.
    pub function: FunctionName,
    /// Its name as the client wrote it, with or without a namespace.
    pub named: String,
    /// Id of the call as the function and the receiver of the callback see it.
    pub label: String,
    /// Path and query that the function sees.
    pub rest: String,
    /// The request's header fields.
    pub headers: Fields,
    /// Where the answer goes.
    pub callback: Option<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted: u64,
    /// When it is to be tried, in the same.
    pub due: u64,
    /// Attempts at the present stage since it was queued or redriven.
    pub tries: u32,
    /// How often the function was called with it.
    pub runs: u32,
    /// Bytes that it is charged.
    pub size: u64,
    /// What is to be done.
    pub stage: Stage,
}

/// What is to be done with a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// The function is to be called.
    Call,
    /// The answer is to be sent to the callback.
    Callback(Outcome),
    /// Nothing, until somebody redrives it.
    Dead(Death),
}

/// What came of a call. The body of the answer lies beside the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Status; 503 where the function could not be reached.
    pub status: u16,
    /// How long the function took.
    pub seconds: f64,
    /// The answer's header fields.
    pub headers: Fields,
    /// How often the callback was sent.
    pub sends: u32,
    /// Why the call is a dead letter once its receiver knows; nothing for one that went well.
    pub failed: Option<String>,
}

/// Why a call is a dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Death {
    /// For people.
    pub reason: String,
    /// The function has answered, and this could not be told.
    pub untold: Option<Outcome>,
}

/// Header fields; each character of a value stands for one byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a message.
    pub fn of(headers: &HeaderMap) -> Self {
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().iter().map(|byte| char::from(*byte)).collect())
        };
        Self(headers.iter().map(pair).collect())
    }

    /// The same as a message has them.
    pub fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let bytes: Option<Vec<u8>> = value.chars().map(|one| u8::try_from(one).ok()).collect();
            let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
                headers.append(name, value);
            }
        }
        headers
    }

    /// Their bytes.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = Id(0xabc);
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        for bad in ["", "abc", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"+".repeat(32)] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields_keep_their_bytes() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_bytes(b"\xff\xc3\xa4 x").unwrap());
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("x-b", HeaderValue::from_static(""));
        let fields = Fields::of(&headers);
        assert_eq!(fields.to_headers(), headers);
        let json = serde_json::to_vec(&fields).unwrap();
        assert_eq!(serde_json::from_slice::<Fields>(&json).unwrap(), fields);
    }
}
