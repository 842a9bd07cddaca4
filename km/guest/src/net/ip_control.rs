//! Ancillary data of IP and IPv6 (ip(7), ipv6(7)): what a receiver is told of a datagram, what a sender chooses for one, and
//! the errors that come back.

use super::address::Address;
use super::inbox::Message;
use super::ip_options::IpOptions;
use super::message::{Control, IpChoice};
use crate::errno::{Errno, Result};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use linux_raw_sys::net as raw;

/// Number of `lo`, the one interface.
const LOOPBACK_INDEX: u32 = 1;
/// Timestamps that a sender may ask for with one message (SOF_TIMESTAMPING_TX_RECORD_MASK).
const TIMESTAMPS: u32 = 0x4_0303;
/// `ee_origin` of an error that an ICMP message brought (recv(2), MSG_ERRQUEUE).
const ORIGIN_ICMP: u8 = 2;
/// The same for ICMPv6.
const ORIGIN_ICMP6: u8 = 3;

/// Takes one item of a sender's ancillary data; `is_six` where the datagram goes by IPv6.
///
/// # Errors
/// EINVAL.
pub fn choose(choice: &mut IpChoice, is_six: bool, level: u32, kind: u32, data: &[u8]) -> Result<()> {
    match (level, kind) {
        // Of unix sockets: passed over.
        (raw::SOL_SOCKET, raw::SCM_RIGHTS | raw::SCM_CREDENTIALS) => {}
        (raw::SOL_SOCKET, raw::SO_TIMESTAMPING_OLD) if word(data)? & !TIMESTAMPS == 0 => {}
        (raw::SOL_SOCKET, _) => return Err(Errno::EINVAL),
        (raw::SOL_IP, raw::IP_TTL) if !is_six => {
            choice.hop_limit = Some(byte(word(data)?).filter(|ttl| *ttl > 0).ok_or(Errno::EINVAL)?);
        }
        (raw::SOL_IP, raw::IP_TOS) if !is_six => {
            let class = if let [byte] = data { u32::from(*byte) } else { word(data)? };
            choice.traffic_class = Some(byte(class).ok_or(Errno::EINVAL)?);
        }
        (raw::SOL_IP, raw::IP_PKTINFO) if !is_six => choice.source = source_four(data)?,
        // Options of the header, of which there is none.
        (raw::SOL_IP, raw::IP_RETOPTS) if !is_six && data.iter().all(|byte| *byte == 0) => {}
        (raw::SOL_IP, _) if !is_six => return Err(Errno::EINVAL),
        (raw::SOL_IPV6, raw::IPV6_HOPLIMIT | raw::IPV6_2292HOPLIMIT) if is_six => {
            choice.hop_limit = byte_or_default(word(data)?)?;
        }
        (raw::SOL_IPV6, raw::IPV6_TCLASS) if is_six => {
            // Unlike other values -1 is not the default here but all bits.
            choice.traffic_class = Some(byte_or_default(word(data)?)?.unwrap_or(u8::MAX));
        }
        (raw::SOL_IPV6, raw::IPV6_PKTINFO | raw::IPV6_2292PKTINFO) if is_six => {
            choice.source = source_six(data)?;
        }
        (raw::SOL_IPV6, raw::IPV6_DONTFRAG) if is_six && matches!(word(data)?, 0 | 1) => {}
        (raw::SOL_IPV6, _) if is_six => return Err(Errno::EINVAL),
        _ => {}
    }
    Ok(())
}

/// An item that is one number, and nothing else.
fn word(data: &[u8]) -> Result<u32> {
    <[u8; 4]>::try_from(data).map(u32::from_ne_bytes).map_err(|_| Errno::EINVAL)
}

fn byte(value: u32) -> Option<u8> {
    u8::try_from(value).ok()
}

fn byte_or_default(value: u32) -> Result<Option<u8>> {
    if value == u32::MAX { Ok(None) } else { byte(value).map(Some).ok_or(Errno::EINVAL) }
}

/// The source of a `struct in_pktinfo`, if it names one.
fn source_four(data: &[u8]) -> Result<Option<IpAddr>> {
    let fields: [u8; 12] = data.try_into().map_err(|_| Errno::EINVAL)?;
    let [_, _, _, _, a, b, c, d, ..] = fields;
    let ip = Ipv4Addr::new(a, b, c, d);
    Ok((!ip.is_unspecified()).then_some(IpAddr::V4(ip)))
}

/// The source of a `struct in6_pktinfo`, if it names one: an address of this machine.
fn source_six(data: &[u8]) -> Result<Option<IpAddr>> {
    let octets: [u8; 16] = data.get(..16).and_then(|ip| ip.try_into().ok()).ok_or(Errno::EINVAL)?;
    let index = word(data.get(16..20).ok_or(Errno::EINVAL)?)?;
    let ip = Ipv6Addr::from(octets);
    match (index, ip) {
        (0 | LOOPBACK_INDEX, ip) if ip.is_unspecified() => Ok(None),
        (0 | LOOPBACK_INDEX, ip) if ip.is_loopback() => Ok(Some(IpAddr::V6(ip))),
        (0 | LOOPBACK_INDEX, _) => Err(Errno::EINVAL),
        _ => Err(Errno::ENODEV),
    }
}

/// What a socket of `domain` with these options is told of a datagram.
pub fn told(options: &IpOptions, domain: u32, message: &Message) -> Vec<Control> {
    let mut list = Vec::new();
    let Some(to) = message.to else { return list };
    if options.is_on_v6(raw::IPV6_RECVPKTINFO) {
        list.push(six(raw::IPV6_PKTINFO, &info_six(to)));
    }
    if to.is_ipv4() {
        tell_four(options, message.header, to, &mut list);
    } else {
        tell_six(options, domain, message.header, to, &mut list);
    }
    list
}

fn tell_four(options: &IpOptions, header: (u8, u8), to: SocketAddr, list: &mut Vec<Control>) {
    let mut put = |option: u32, kind: u32, data: &[u8]| {
        if options.is_on_v4(option) {
            list.push(Control { level: raw::SOL_IP, kind, data: data.to_vec() });
        }
    };
    let (hop_limit, class) = header;
    put(raw::IP_PKTINFO, raw::IP_PKTINFO, &info_four(to));
    put(raw::IP_RECVTTL, raw::IP_TTL, &u32::from(hop_limit).to_ne_bytes());
    put(raw::IP_RECVTOS, raw::IP_TOS, &[class]);
    put(raw::IP_RECVORIGDSTADDR, raw::IP_ORIGDSTADDR, Address::Ip(to).encode(raw::AF_INET).as_bytes());
}

fn tell_six(options: &IpOptions, domain: u32, header: (u8, u8), to: SocketAddr, list: &mut Vec<Control>) {
    let mut put = |option: u32, kind: u32, data: &[u8]| {
        if options.is_on_v6(option) {
            list.push(six(kind, data));
        }
    };
    let (hop_limit, class) = header;
    let hop_limit = u32::from(hop_limit).to_ne_bytes();
    put(raw::IPV6_RECVHOPLIMIT, raw::IPV6_HOPLIMIT, &hop_limit);
    put(raw::IPV6_RECVTCLASS, raw::IPV6_TCLASS, &u32::from(class).to_ne_bytes());
    put(raw::IPV6_2292PKTINFO, raw::IPV6_2292PKTINFO, &info_six(to));
    put(raw::IPV6_2292HOPLIMIT, raw::IPV6_2292HOPLIMIT, &hop_limit);
    put(raw::IPV6_RECVORIGDSTADDR, raw::IPV6_ORIGDSTADDR, Address::Ip(to).encode(domain).as_bytes());
}

fn six(kind: u32, data: &[u8]) -> Control {
    Control { level: raw::SOL_IPV6, kind, data: data.to_vec() }
}

/// A `struct in_pktinfo`: interface, and the address twice.
fn info_four(to: SocketAddr) -> [u8; 12] {
    let mut info = [0; 12];
    if let IpAddr::V4(ip) = to.ip() {
        info[..4].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
        info[4..8].copy_from_slice(&ip.octets());
        info[8..].copy_from_slice(&ip.octets());
    }
    info
}

/// A `struct in6_pktinfo`: address and interface.
fn info_six(to: SocketAddr) -> [u8; 20] {
    let ip = match to.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut info = [0; 20];
    info[..16].copy_from_slice(&ip.octets());
    info[16..].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    info
}

/// IP_RECVERR or IPV6_RECVERR: nobody has the port that a datagram was sent to. A `struct sock_extended_err` and who said so.
pub fn refusal(domain: u32, to: SocketAddr) -> Control {
    // Destination unreachable, because of its port.
    let (origin, kind, code) = if to.is_ipv4() { (ORIGIN_ICMP, 3, 3) } else { (ORIGIN_ICMP6, 1, 4) };
    let mut data = Errno::ECONNREFUSED.number().to_ne_bytes().to_vec();
    data.extend_from_slice(&[origin, kind, code, 0]);
    data.extend_from_slice(&[0; 8]);
    data.extend_from_slice(Address::Ip(SocketAddr::new(to.ip(), 0)).encode(domain).as_bytes());
    if domain == raw::AF_INET {
        Control { level: raw::SOL_IP, kind: raw::IP_RECVERR, data }
    } else {
        six(raw::IPV6_RECVERR, &data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_have_bounds() {
        let try_one = |is_six, level, kind, data: &[u8]| {
            let mut choice = IpChoice::default();
            choose(&mut choice, is_six, level, kind, data).map(|()| choice)
        };
        let ttl = |value: i32| try_one(false, raw::SOL_IP, raw::IP_TTL, &value.to_ne_bytes());
        assert_eq!(ttl(0), Err(Errno::EINVAL));
        assert_eq!(ttl(256), Err(Errno::EINVAL));
        assert_eq!(ttl(9).map(|choice| choice.hop_limit), Ok(Some(9)));
        let hops = |value: i32| {
            try_one(true, raw::SOL_IPV6, raw::IPV6_HOPLIMIT, &value.to_ne_bytes()).map(|one| one.hop_limit)
        };
        assert_eq!((hops(-1), hops(0), hops(-2)), (Ok(None), Ok(Some(0)), Err(Errno::EINVAL)));
        assert_eq!(try_one(true, raw::SOL_IPV6, raw::IPV6_PKTINFO, &[0; 19]), Err(Errno::EINVAL));
        assert_eq!(try_one(false, raw::SOL_IPV6, raw::IPV6_HOPLIMIT, &[]), Ok(IpChoice::default()));
    }

    #[test]
    fn a_refusal_says_who_refused() {
        let four = refusal(raw::AF_INET, "127.0.0.1:9".parse().unwrap());
        assert_eq!((four.level, four.kind, four.data.len()), (0, 11, 32));
        assert_eq!(four.data[..8], [111, 0, 0, 0, 2, 3, 3, 0]);
        let mapped = refusal(raw::AF_INET6, "127.0.0.1:9".parse().unwrap());
        assert_eq!((mapped.level, mapped.kind, mapped.data.len(), mapped.data[4]), (41, 25, 44, 2));
    }
}
