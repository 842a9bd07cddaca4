//! Frames of a slot's stream: `kind u8, 0, connection u16 LE, length u32 LE`, then the payload.
//!
//! Connection 0 is the call's own. Only frames of kinds that belong to a connection may name another.
//!
//! [`FrameDecoder`] takes bytes as they come and gives whole frames; it never holds more than one frame's worth.

use std::{fmt, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest payload of a frame in bytes.
pub const PAYLOAD_MAX: usize = 256 << 10;
/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 8;
/// Longest JSON payload: those are small records.
const JSON_MAX: usize = 64 << 10;

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The kind is unknown or a reserved byte is set.
    #[error("frame header {0:02x?} is malformed")]
    Header([u8; HEADER_LEN]),
    /// The payload is longer than its kind allows.
    #[error("{kind:?} frame with {len} bytes of payload")]
    Length {
        /// What the frame claims to be.
        kind: Kind,
        /// What it claims to carry.
        len: usize,
    },
    /// The payload is not the record that its kind asks for.
    #[error("payload of a {kind:?} frame is malformed: {error}")]
    Payload {
        /// What the frame claims to be.
        kind: Kind,
        /// What the parser says.
        error: serde_json::Error,
    },
    /// A log frame without its stream byte, or with an unknown one.
    #[error("log frame names no stream")]
    Log,
    /// A frame that has no place here.
    #[error("unexpected {0:?} frame")]
    Unexpected(Kind),
    /// A frame of a connection that does not exist.
    #[error("{kind:?} frame of connection {id}, which does not exist")]
    UnknownConnection {
        /// What the frame is.
        kind: Kind,
        /// What it is about.
        id: ConnectionId,
    },
    /// A connection that may not be opened.
    #[error("connection {id} cannot be opened: {reason}")]
    RefusedConnection {
        /// The number that was asked for.
        id: ConnectionId,
        /// Why it may not.
        reason: &'static str,
    },
    /// The socket under the frames failed.
    #[error("slot stream: {0}")]
    Io(#[from] io::Error),
}

/// The number of a connection within its call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u16);

impl ConnectionId {
    /// The call itself: the client's connection to the program.
    pub const CALL: Self = Self(0);
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $max:expr;)*) => {
        /// What a frame is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $value,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind with this number.
            #[must_use]
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Longest payload of this kind.
            #[must_use]
            pub fn payload_max(self) -> usize {
                match self {
                    $(Self::$name => $max,)*
                }
            }
        }
    };
}

kinds! {
    /// To the worker: make a machine from the snapshot and pre-run it. Answer: [`Kind::Prepared`].
    Prepare = 1, 0;
    /// To the worker, [`super::call::Boot`]: boot cold and run until ready. Answer: [`Kind::Ready`] or [`Kind::NotReady`].
    Boot = 2, JSON_MAX;
    /// To the worker, [`super::call::Call`]: a client connects.
    Call = 3, JSON_MAX;
    /// Both ways: bytes of the request or of the response.
    Data = 4, PAYLOAD_MAX;
    /// To the worker: the request's side of the connection is half closed.
    End = 5, 0;
    /// To the worker: the whole response is here; let the machine come to rest, then destroy it.
    Finish = 6, 0;
    /// To the worker: destroy the machine now.
    Cancel = 7, 0;
    /// To the worker (Bake): write the snapshot. Answer: [`Kind::Snapshotted`].
    Snapshot = 8, 0;
    /// To the worker, before [`Kind::Boot`] or [`Kind::Call`]: a part of what is put into the machine of that call, a
    /// [`km_abi::records::Inlay`] as the library OS reads it. The worker does not look into it.
    Inlay = 9, PAYLOAD_MAX;
    /// From the worker, [`super::call::Prepared`].
    Prepared = 65, JSON_MAX;
    /// From the worker, [`super::call::Ready`].
    Ready = 66, JSON_MAX;
    /// From the worker, [`super::call::NotReady`]; the slot is empty again.
    NotReady = 67, JSON_MAX;
    /// From the worker, [`super::call::Started`]: the first instruction of the call is about to run.
    Started = 68, JSON_MAX;
    /// From the worker: the program closed or half closed its side.
    Eof = 69, 0;
    /// From the worker: one byte 1 (stdout) or 2 (stderr), then what the program wrote there.
    Log = 70, PAYLOAD_MAX;
    /// From the worker, [`super::call::Snapshotted`].
    Snapshotted = 71, JSON_MAX;
    /// From the worker, [`super::call::Ended`]; the slot is empty again.
    Ended = 72, JSON_MAX;
}

impl Kind {
    /// Frames of this kind are about one connection; the connection of all others is 0.
    #[must_use]
    pub fn is_of_connection(self) -> bool {
        matches!(self, Self::Data | Self::End | Self::Eof)
    }
}

/// The stream of the program that a log frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LogStream {
    /// What the program wrote to descriptor 1.
    Stdout = 1,
    /// What the program wrote to descriptor 2, and the library OS's own lines.
    Stderr = 2,
}

/// A frame's header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// What it is about.
    pub connection: ConnectionId,
    /// Bytes of payload that follow, at most [`Kind::payload_max`].
    pub len: usize,
}

impl Header {
    /// The header of a payload of `len` bytes, about the call.
    ///
    /// # Errors
    /// [`FrameError::Length`] when that is too much for the kind.
    pub fn new(kind: Kind, len: usize) -> Result<Self, FrameError> {
        Self::of_connection(ConnectionId::CALL, kind, len)
    }

    /// The header of a payload of `len` bytes, about this connection.
    ///
    /// # Errors
    /// [`FrameError::Length`] when that is too much for the kind, [`FrameError::UnknownConnection`] when the kind has none.
    pub fn of_connection(connection: ConnectionId, kind: Kind, len: usize) -> Result<Self, FrameError> {
        if connection != ConnectionId::CALL && !kind.is_of_connection() {
            return Err(FrameError::UnknownConnection { kind, id: connection });
        }
        if len > kind.payload_max() {
            return Err(FrameError::Length { kind, len });
        }
        Ok(Self { kind, connection, len })
    }

    /// The header of a frame without payload, about the call.
    #[must_use]
    pub const fn empty(kind: Kind) -> Self {
        Self { kind, connection: ConnectionId::CALL, len: 0 }
    }

    /// This header, where only the call has a connection.
    ///
    /// # Errors
    /// [`FrameError::UnknownConnection`] when it is about another one.
    pub fn of_call(self) -> Result<Self, FrameError> {
        match self.connection {
            ConnectionId::CALL => Ok(self),
            id => Err(FrameError::UnknownConnection { kind: self.kind, id }),
        }
    }

    /// The header as it stands before its payload.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let len = u32::try_from(self.len).unwrap_or(u32::MAX).to_le_bytes();
        let connection = self.connection.0.to_le_bytes();
        [self.kind as u8, 0, connection[0], connection[1], len[0], len[1], len[2], len[3]]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// When kind, reserved byte, connection or length are not acceptable.
    pub fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let [kind, 0, low, high, len @ ..] = bytes else { return Err(FrameError::Header(bytes)) };
        let kind = Kind::from_byte(kind).ok_or(FrameError::Header(bytes))?;
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        Self::of_connection(ConnectionId(u16::from_le_bytes([low, high])), kind, len)
    }
}

/// A frame with its whole payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the frame is.
    pub kind: Kind,
    /// What it is about.
    pub connection: ConnectionId,
    /// What follows the header; at most [`Kind::payload_max`] bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame about the call.
    #[must_use]
    pub fn new(kind: Kind, payload: Vec<u8>) -> Self {
        Self { kind, connection: ConnectionId::CALL, payload }
    }

    /// A frame about the call, without payload.
    #[must_use]
    pub fn empty(kind: Kind) -> Self {
        Self::new(kind, Vec::new())
    }

    /// The header of this frame.
    ///
    /// # Errors
    /// When the payload is too long.
    pub fn header(&self) -> Result<Header, FrameError> {
        Header::of_connection(self.connection, self.kind, self.payload.len())
    }

    /// A frame that carries a record.
    ///
    /// # Errors
    /// When the record is too long.
    pub fn json<T: Serialize>(kind: Kind, record: &T) -> Result<Self, FrameError> {
        let payload = serde_json::to_vec(record).map_err(|error| FrameError::Payload { kind, error })?;
        let frame = Self::new(kind, payload);
        frame.header()?;
        Ok(frame)
    }

    /// The record that this frame carries.
    ///
    /// # Errors
    /// When it carries something else.
    pub fn record<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.payload).map_err(|error| FrameError::Payload { kind: self.kind, error })
    }

    /// Stream and bytes of a log frame.
    ///
    /// # Errors
    /// When no known stream is named.
    pub fn log(&self) -> Result<(LogStream, &[u8]), FrameError> {
        match self.payload.split_first() {
            Some((1, bytes)) => Ok((LogStream::Stdout, bytes)),
            Some((2, bytes)) => Ok((LogStream::Stderr, bytes)),
            _ => Err(FrameError::Log),
        }
    }

    /// Appends header and payload to `out`.
    ///
    /// # Errors
    /// When the payload is too long.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let header = self.header()?;
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(&self.payload);
        Ok(())
    }

    /// Header and payload as bytes.
    ///
    /// # Errors
    /// When the payload is too long.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::with_capacity(HEADER_LEN + self.payload.len());
        self.encode_into(&mut out)?;
        Ok(out)
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    head: [u8; HEADER_LEN],
    head_len: usize,
    frame: Option<(Header, Vec<u8>)>,
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` and gives the next frame once it is whole. `None`: `input` is used up.
    ///
    /// # Errors
    /// When the bytes cannot be a frame; the stream is useless from then on.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        if self.frame.is_none() {
            let take = input.len().min(HEADER_LEN - self.head_len);
            self.head[self.head_len..self.head_len + take].copy_from_slice(&input[..take]);
            self.head_len += take;
            *input = &input[take..];
            if self.head_len < HEADER_LEN {
                return Ok(None);
            }
            // Memory grows with the bytes that come, not with what the header promises.
            self.frame = Some((Header::decode(self.head)?, Vec::new()));
        }
        let Some((header, payload)) = &mut self.frame else { return Ok(None) };
        let take = input.len().min(header.len - payload.len());
        payload.extend_from_slice(&input[..take]);
        *input = &input[take..];
        if payload.len() < header.len {
            return Ok(None);
        }
        self.head_len = 0;
        Ok(self.frame.take().map(|(Header { kind, connection, .. }, payload)| Frame {
            kind,
            connection,
            payload,
        }))
    }

    /// No part of a frame is held: an end of the stream here is a clean one.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.head_len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..300);
        (0..Kind::ALL.len(), any::<u16>(), bytes).prop_map(|(kind, number, payload)| {
            let kind = Kind::ALL[kind];
            let len = payload.len().min(kind.payload_max());
            let connection = ConnectionId(if kind.is_of_connection() { number } else { 0 });
            Frame { kind, connection, payload: payload[..len].to_vec() }
        })
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(frames in proptest::collection::vec(any_frame(), 0..8), step in 1usize..64) {
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.encode_into(&mut bytes).unwrap();
            }
            let mut decoder = FrameDecoder::new();
            let mut got = Vec::new();
            for mut piece in bytes.chunks(step) {
                while let Some(frame) = decoder.decode(&mut piece).unwrap() {
                    got.push(frame);
                }
                prop_assert!(piece.is_empty());
            }
            prop_assert_eq!(got, frames);
            prop_assert!(decoder.is_between_frames());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic_or_stall(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut decoder = FrameDecoder::new();
            let mut input = bytes.as_slice();
            while !input.is_empty() {
                let before = input.len();
                if decoder.decode(&mut input).is_err() {
                    break;
                }
                prop_assert!(input.len() < before || input.is_empty());
            }
        }

        #[test]
        fn headers_are_checked(bytes in any::<[u8; HEADER_LEN]>()) {
            if let Ok(header) = Header::decode(bytes) {
                prop_assert!(header.len <= header.kind.payload_max());
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }

    #[test]
    fn too_long_and_unknown_are_refused() {
        assert!(Header::new(Kind::Data, PAYLOAD_MAX).is_ok());
        assert!(Header::new(Kind::Data, PAYLOAD_MAX + 1).is_err());
        assert!(Header::new(Kind::Finish, 1).is_err());
        assert!(Header::decode([99, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Header::decode([4, 1, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Frame::new(Kind::Log, vec![3]).log().is_err());
        assert!(Frame::empty(Kind::Log).log().is_err());
    }

    #[test]
    fn a_connection_has_its_number_in_the_header() {
        let header = Header::decode([Kind::Data as u8, 0, 2, 1, 9, 0, 0, 0]).unwrap();
        assert_eq!((header.connection, header.len), (ConnectionId(0x102), 9));
        let error = header.of_call().unwrap_err();
        assert_eq!(error.to_string(), "Data frame of connection 258, which does not exist");
        assert_eq!(Header::empty(Kind::Finish).encode(), [Kind::Finish as u8, 0, 0, 0, 0, 0, 0, 0]);
        assert!(Header::empty(Kind::Finish).of_call().is_ok());
    }

    #[test]
    fn only_kinds_that_have_a_connection_may_name_one() {
        for &kind in Kind::ALL {
            let named = Header::decode([kind as u8, 0, 7, 0, 0, 0, 0, 0]);
            assert_eq!(named.is_ok(), kind.is_of_connection(), "{kind:?}");
        }
    }
}
