//! Options at levels IPPROTO_IP and IPPROTO_IPV6 (ip(7), ipv6(7)), shared by TCP and UDP.

use super::numbers::{Number, Numbers};
use super::options;
use super::socket::Common;
use crate::errno::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::net as raw;

/// Size of a packet on the loopback device.
pub const LOOPBACK_MTU: u32 = 65_536;

const V4: &[Number] = &[
    Number::new(raw::IP_TOS, 0, 0, 255),
    Number::new(raw::IP_TTL, 64, -1, 255),
    Number::switch(raw::IP_PKTINFO, 0),
    Number::switch(raw::IP_RECVTTL, 0),
    Number::switch(raw::IP_RECVTOS, 0),
    Number::switch(raw::IP_RECVOPTS, 0),
    Number::switch(raw::IP_RETOPTS, 0),
    Number::switch(raw::IP_RECVERR, 0),
    Number::switch(raw::IP_FREEBIND, 0),
    Number::switch(raw::IP_BIND_ADDRESS_NO_PORT, 0),
    Number::switch(raw::IP_RECVORIGDSTADDR, 0),
    Number::switch(raw::IP_PASSSEC, 0),
    Number::switch(raw::IP_RECVFRAGSIZE, 0),
    Number::new(raw::IP_MTU_DISCOVER, 1, 0, 5),
    Number::new(raw::IP_MULTICAST_TTL, 1, -1, 255),
    Number::switch(raw::IP_MULTICAST_LOOP, 1),
    Number::switch(raw::IP_MULTICAST_ALL, 1),
];

const V6: &[Number] = &[
    Number::switch(raw::IPV6_V6ONLY, 0),
    Number::new(raw::IPV6_UNICAST_HOPS, 64, -1, 255),
    Number::new(raw::IPV6_MULTICAST_HOPS, 1, -1, 255),
    Number::switch(raw::IPV6_MULTICAST_LOOP, 1),
    Number::switch(raw::IPV6_MULTICAST_ALL, 1),
    Number::new(raw::IPV6_TCLASS, 0, -1, 255),
    Number::new(raw::IPV6_MTU_DISCOVER, 1, 0, 5),
    Number::switch(raw::IPV6_RECVPKTINFO, 0),
    Number::switch(raw::IPV6_RECVHOPLIMIT, 0),
    Number::switch(raw::IPV6_RECVTCLASS, 0),
    Number::switch(raw::IPV6_RECVERR, 0),
    Number::switch(raw::IPV6_2292PKTINFO, 0),
    Number::switch(raw::IPV6_2292HOPLIMIT, 0),
    Number::switch(raw::IPV6_RECVHOPOPTS, 0),
    Number::switch(raw::IPV6_RECVRTHDR, 0),
    Number::switch(raw::IPV6_RECVDSTOPTS, 0),
    Number::switch(raw::IPV6_RECVPATHMTU, 0),
    Number::switch(raw::IPV6_RECVFRAGSIZE, 0),
    Number::switch(raw::IPV6_DONTFRAG, 0),
    Number::switch(raw::IPV6_AUTOFLOWLABEL, 1),
    Number::switch(raw::IPV6_FREEBIND, 0),
    Number::switch(raw::IPV6_RECVORIGDSTADDR, 0),
];

/// The options of an IP socket.
pub struct IpOptions {
    v4: Numbers,
    v6: Numbers,
}

impl Default for IpOptions {
    fn default() -> Self {
        Self { v4: Numbers::new(V4), v6: Numbers::new(V6) }
    }
}

impl IpOptions {
    /// IPV6_V6ONLY: whether IPv4 is refused (ipv6(7)).
    pub fn only_v6(&self) -> bool {
        self.v6.get(raw::IPV6_V6ONLY) == Ok(1)
    }

    /// Whether a switch of level IPPROTO_IP is on.
    pub fn is_on_v4(&self, name: u32) -> bool {
        self.v4.get(name) == Ok(1)
    }

    /// Whether a switch of level IPPROTO_IPV6 is on.
    pub fn is_on_v6(&self, name: u32) -> bool {
        self.v6.get(name) == Ok(1)
    }

    /// Hop limit and traffic class of what is sent to an address of IPv4 or IPv6.
    pub fn header(&self, is_v4: bool) -> (u8, u8) {
        let (numbers, hop_limit, class) = if is_v4 {
            (&self.v4, raw::IP_TTL, raw::IP_TOS)
        } else {
            (&self.v6, raw::IPV6_UNICAST_HOPS, raw::IPV6_TCLASS)
        };
        // The bounds of both are those of a byte.
        (numbers.get(hop_limit).unwrap_or(64) as u8, numbers.get(class).unwrap_or(0) as u8)
    }

    /// What an accepted socket has of its listener's.
    pub fn inherit(&self, listener: &Self) {
        self.v4.copy(&listener.v4);
        self.v6.copy(&listener.v6);
    }

    /// setsockopt(2).
    ///
    /// # Errors
    /// ENOPROTOOPT and EINVAL as Linux; ENODEV for multicast groups, as on a machine without a network.
    pub fn set(&self, common: &Common, is_bound: bool, level: u32, name: u32, value: &[u8]) -> Result<()> {
        let number = || match value {
            // Options of IPPROTO_IP may be one byte long (not in ip(7); Linux's do_ip_setsockopt() reads it).
            [byte] if level == raw::SOL_IP => Ok(i32::from(*byte)),
            value => options::int(value),
        };
        let is_six = common.kind.domain == raw::AF_INET6;
        match (level, name) {
            (raw::SOL_IP, raw::IP_ADD_MEMBERSHIP | raw::IP_ADD_SOURCE_MEMBERSHIP | raw::IP_MULTICAST_IF)
            | (raw::SOL_IPV6, raw::IPV6_ADD_MEMBERSHIP | raw::IPV6_MULTICAST_IF) => Err(Errno::ENODEV),
            (raw::SOL_IP, raw::IP_DROP_MEMBERSHIP) | (raw::SOL_IPV6, raw::IPV6_DROP_MEMBERSHIP) => {
                Err(Errno::EADDRNOTAVAIL)
            }
            (raw::SOL_IP, raw::IP_TRANSPARENT) | (raw::SOL_IPV6, raw::IPV6_TRANSPARENT) => Err(Errno::EPERM),
            (raw::SOL_IP, raw::IP_TTL) if number() == Ok(0) => Err(Errno::EINVAL),
            // -1 is the default.
            (raw::SOL_IP, raw::IP_TTL) if number() == Ok(-1) => self.v4.set(name, 64),
            (raw::SOL_IPV6, raw::IPV6_UNICAST_HOPS) if number() == Ok(-1) && is_six => self.v6.set(name, 64),
            (raw::SOL_IPV6, raw::IPV6_TCLASS) if number() == Ok(-1) && is_six => self.v6.set(name, 0),
            (raw::SOL_IP, name) => self.v4.set(name, number()?),
            (raw::SOL_IPV6, _) if !is_six => Err(Errno::ENOPROTOOPT),
            (raw::SOL_IPV6, raw::IPV6_V6ONLY) if is_bound => Err(Errno::EINVAL),
            (raw::SOL_IPV6, name) => self.v6.set(name, number()?),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    /// getsockopt(2).
    ///
    /// # Errors
    /// ENOPROTOOPT, EOPNOTSUPP as Linux.
    pub fn get(&self, common: &Common, level: u32, name: u32) -> Result<Vec<u8>> {
        let value = match (level, name) {
            (raw::SOL_IP, raw::IP_MTU) => Err(Errno::ENOTCONN),
            (raw::SOL_IP, raw::IP_OPTIONS) => return Ok(Vec::new()),
            (raw::SOL_IP, name) => self.v4.get(name),
            (raw::SOL_IPV6, _) if common.kind.domain != raw::AF_INET6 => Err(Errno::EOPNOTSUPP),
            (raw::SOL_IPV6, name) => self.v6.get(name),
            _ => Err(Errno::EOPNOTSUPP),
        };
        value.map(options::bytes)
    }
}
