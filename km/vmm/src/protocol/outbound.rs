//! Packets between a slot and its broker, over a socket pair (SOCK_SEQPACKET) of their own: the slot asks for connections,
//! the broker grants them by their descriptors. A slot without this socket reaches nothing.
//!
//! ```text
//! slot                                                broker
//!   │── Ask{id, Connect, to} ─────────────────────────►│  rule, connect
//!   │◄─────────── Grant{id, 0, local} + [descriptor] ──│  or Grant{id, errno}
//!   │── Ask{id, Closed} ──────────────────────────────►│  the slot has closed it
//! ```
//!
//! A number is never used twice on one socket: an answer that comes after its machine is nobody's.

use km_abi::outbound::Endpoint;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of either packet.
pub const PACKET_LEN: usize = 40;
/// [`Ask`]'s number of [`Wish::Connect`].
const CONNECT: u32 = 1;
/// [`Ask`]'s number of [`Wish::Closed`].
const CLOSED: u32 = 2;
/// Greatest error number of Linux.
const ERRNO_MAX: u32 = 4095;

/// Why a packet of this socket is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It has another length.
    #[error("packet of {0} bytes, not {PACKET_LEN}")]
    Length(usize),
    /// A field is out of its bounds.
    #[error("packet with an unacceptable {0}")]
    Field(&'static str),
}

/// What a slot wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A connection to this end.
    Connect(Endpoint),
    /// Nothing more of the connection with this number: the slot has closed it.
    Closed,
}

/// From a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Number of the connection.
    pub id: u64,
    /// What is wanted.
    pub wish: Wish,
}

/// From the broker. Exactly one descriptor comes along where it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Number of the connection.
    pub id: u64,
    /// The connection's own end as the program is to see it, or why there is none: an error number of Linux.
    pub outcome: Result<Endpoint, u32>,
}

/// Either packet as it travels.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Wire {
    id: u64,
    word: u32,
    reserved: u32,
    end: Endpoint,
}

const _: () = assert!(size_of::<Wire>() == PACKET_LEN);

impl Wire {
    fn bytes(id: u64, word: u32, end: Endpoint) -> [u8; PACKET_LEN] {
        zerocopy::transmute!(Self { id, word, reserved: 0, end })
    }

    fn read(bytes: &[u8]) -> Result<Self, OutboundError> {
        let wire = Self::read_from_bytes(bytes).map_err(|_| OutboundError::Length(bytes.len()))?;
        if wire.reserved == 0 { Ok(wire) } else { Err(OutboundError::Field("reserved word")) }
    }
}

impl Ask {
    /// The bytes of the packet.
    #[must_use]
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        match self.wish {
            Wish::Connect(to) => Wire::bytes(self.id, CONNECT, to),
            Wish::Closed => Wire::bytes(self.id, CLOSED, Endpoint::default()),
        }
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// See [`OutboundError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OutboundError> {
        let Wire { id, word, end, .. } = Wire::read(bytes)?;
        let wish = match word {
            CONNECT if end.read().is_some() => Wish::Connect(end),
            CONNECT => return Err(OutboundError::Field("endpoint")),
            CLOSED if end == Endpoint::default() => Wish::Closed,
            _ => return Err(OutboundError::Field("wish")),
        };
        Ok(Self { id, wish })
    }
}

impl Grant {
    /// The bytes of the packet.
    #[must_use]
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        match self.outcome {
            Ok(local) => Wire::bytes(self.id, 0, local),
            Err(errno) => Wire::bytes(self.id, errno, Endpoint::default()),
        }
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// See [`OutboundError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OutboundError> {
        let Wire { id, word, end, .. } = Wire::read(bytes)?;
        let outcome = match word {
            0 if end.read().is_some() => Ok(end),
            0 => return Err(OutboundError::Field("endpoint")),
            errno @ 1..=ERRNO_MAX => Err(errno),
            _ => return Err(OutboundError::Field("error number")),
        };
        Ok(Self { id, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use km_abi::outbound::{RESOLVER, Transport};
    use proptest::prelude::*;

    #[test]
    fn packets_survive_the_wire() {
        let end = Endpoint::new(Transport::Udp, RESOLVER);
        for wish in [Wish::Connect(end), Wish::Closed] {
            let ask = Ask { id: u64::MAX, wish };
            assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
        }
        for outcome in [Ok(end), Err(101), Err(ERRNO_MAX)] {
            let grant = Grant { id: 7, outcome };
            assert_eq!(Grant::decode(&grant.encode()), Ok(grant));
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        assert_eq!(Ask::decode(&[0; 3]), Err(OutboundError::Length(3)));
        assert_eq!(Ask::decode(&[0; PACKET_LEN]), Err(OutboundError::Field("wish")));
        assert_eq!(Grant::decode(&[0; PACKET_LEN]), Err(OutboundError::Field("endpoint")));
        let mut packet = Grant { id: 1, outcome: Err(1) }.encode();
        packet[8..12].copy_from_slice(&(ERRNO_MAX + 1).to_le_bytes());
        assert_eq!(Grant::decode(&packet), Err(OutboundError::Field("error number")));
        packet[12] = 1;
        assert_eq!(Grant::decode(&packet), Err(OutboundError::Field("reserved word")));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), PACKET_LEN)) {
            if let Ok(ask) = Ask::decode(&bytes) {
                prop_assert_eq!(&ask.encode()[..], &bytes[..]);
            }
            if let Ok(grant) = Grant::decode(&bytes) {
                prop_assert_eq!(&grant.encode()[..16], &bytes[..16]);
            }
        }
    }
}
