//! What kind of peer an address is, after the IANA registries.
//!
//! An address of IPv6 may have one of IPv4 inside (mapped, translated, tunnelled). Then each form counts: whoever asks for the
//! strictest answer goes over [`forms`]. The methods of `std` do not suffice: those for shared, benchmarking and reserved
//! addresses are unstable, and what is no special address there need not be a public one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of peer an address is. The greater is the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anybody may have a route to it.
    Public,
    /// Of networks that are somebody's own.
    Private,
    /// Of this machine, of its neighbours' machinery, or of nobody.
    Never,
}

/// IANA, IPv4 Special-Purpose Address Registry, less what is public there (AS112, AMT); and the addresses at which clouds
/// answer their own machines. The first that contains an address decides.
const SPECIAL_V4: [(Ipv4Net, Class); 18] = [
    (v4([0, 0, 0, 0], 8), Class::Never),
    (v4([127, 0, 0, 0], 8), Class::Never),
    (v4([169, 254, 0, 0], 16), Class::Never),
    // Metadata of Alibaba Cloud, within 100.64.0.0/10; Azure's platform, in public space.
    (v4([100, 100, 100, 200], 32), Class::Never),
    (v4([168, 63, 129, 16], 32), Class::Never),
    (v4([192, 0, 0, 0], 24), Class::Never),
    (v4([192, 0, 2, 0], 24), Class::Never),
    (v4([192, 88, 99, 0], 24), Class::Never),
    (v4([198, 18, 0, 0], 15), Class::Never),
    (v4([198, 51, 100, 0], 24), Class::Never),
    (v4([203, 0, 113, 0], 24), Class::Never),
    (v4([224, 0, 0, 0], 4), Class::Never),
    (v4([255, 255, 255, 255], 32), Class::Never),
    (v4([240, 0, 0, 0], 4), Class::Never),
    (v4([10, 0, 0, 0], 8), Class::Private),
    (v4([172, 16, 0, 0], 12), Class::Private),
    (v4([192, 168, 0, 0], 16), Class::Private),
    (v4([100, 64, 0, 0], 10), Class::Private),
];

/// IANA, IPv6 Special-Purpose Address Registry and IPv6 Address Space: what is not here lies in 2000::/3, whose addresses
/// are given out. The first that contains an address decides.
const SPECIAL_V6: [(Ipv6Net, Class); 31] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Class::Never),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Class::Never),
    // Translated (RFC 6052): as the address inside, in a network of one's own (RFC 8215) no better than private.
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Class::Public),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Class::Private),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 8), Class::Never),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Class::Never),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 8), Class::Never),
    (v6([0x200, 0, 0, 0, 0, 0, 0, 0], 7), Class::Never),
    (v6([0x400, 0, 0, 0, 0, 0, 0, 0], 6), Class::Never),
    (v6([0x800, 0, 0, 0, 0, 0, 0, 0], 5), Class::Never),
    (v6([0x1000, 0, 0, 0, 0, 0, 0, 0], 4), Class::Never),
    // Protocol assignments, Teredo among them; documentation.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Class::Never),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Class::Never),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Class::Never),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Class::Never),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), Class::Never),
    (v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Never),
    (v6([0x6000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Never),
    (v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Never),
    (v6([0xa000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Never),
    (v6([0xc000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Never),
    (v6([0xe000, 0, 0, 0, 0, 0, 0, 0], 4), Class::Never),
    (v6([0xf000, 0, 0, 0, 0, 0, 0, 0], 5), Class::Never),
    (v6([0xf800, 0, 0, 0, 0, 0, 0, 0], 6), Class::Never),
    // Metadata and other services of Amazon's and Google's machines.
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), Class::Never),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Class::Never),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Class::Private),
    (v6([0xfe00, 0, 0, 0, 0, 0, 0, 0], 9), Class::Never),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Class::Never),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Class::Never),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Class::Never),
];

const fn v4(octets: [u8; 4], len: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

const fn v6(words: [u16; 8], len: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = words;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), len)
}

/// The special network in which an address lies, and what kind it is. Nothing: the address is public, as far as it alone tells.
#[must_use]
pub fn special(ip: IpAddr) -> Option<(IpNet, Class)> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            SPECIAL_V4.iter().find(|(net, _)| net.contains(&ip)).map(|(net, class)| (IpNet::V4(*net), *class))
        }
        IpAddr::V6(ip) => {
            SPECIAL_V6.iter().find(|(net, _)| net.contains(&ip)).map(|(net, class)| (IpNet::V6(*net), *class))
        }
    }
}

/// The address, IPv4 in its own form, and each address of IPv4 that it may lead to by way of a translator or a tunnel.
pub fn forms(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let ip = ip.to_canonical();
    let mut all = [Some(ip), None, None];
    if let IpAddr::V6(ip) = ip {
        let [first, second] = inside(ip);
        all[1] = first.map(IpAddr::V4);
        all[2] = second.map(IpAddr::V4);
    }
    all.into_iter().flatten()
}

/// What kind of peer an address is by its strictest form.
#[must_use]
pub fn class(ip: IpAddr) -> Class {
    forms(ip).map(of_form).max().unwrap_or(Class::Never)
}

/// What kind of peer an address is, whatever is inside.
#[must_use]
pub fn of_form(ip: IpAddr) -> Class {
    special(ip).map_or(Class::Public, |(_, class)| class)
}

fn inside(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let octets = ip.octets();
    let at =
        |start: usize| Ipv4Addr::new(octets[start], octets[start + 1], octets[start + 2], octets[start + 3]);
    match ip.segments() {
        // IPv4-compatible (RFC 4291, 2.5.5.1), mapped and translated by the old way (RFC 2765, 2.1).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => {
            [Some(at(12)), None]
        }
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(at(12)), None],
        // Prefixes of 48 and of 96 bits have it at two places (RFC 6052, 2.2; octet 8 is left out): the other is zero.
        [0x64, 0xff9b, 1, ..] => {
            let short = Ipv4Addr::new(octets[6], octets[7], octets[9], octets[10]);
            [at(12), short].map(|ip| Some(ip).filter(|ip| !ip.is_unspecified()))
        }
        // 6to4 (RFC 3056); Teredo: server, and client with its bits turned round (RFC 4380, 4).
        [0x2002, ..] => [Some(at(2)), None],
        [0x2001, 0, ..] => [Some(at(4)), Some(Ipv4Addr::from_bits(!at(12).to_bits()))],
        // ISATAP (RFC 5214, 6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [Some(at(12)), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Class {
        class(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2620:4f:8000::1",
            "3ffe::1",
            "2001:200::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert_eq!(of(text), Class::Public, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_private_in_every_spelling() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "fc00::1",
            "fdff::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "64:ff9b:1:808:8:800::",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:1:808:8:800:808:808",
            "2a00::5efe:10.0.0.1",
            "2a00::200:5efe:10.0.0.1",
        ] {
            assert_eq!(of(text), Class::Private, "{text}");
        }
    }

    #[test]
    fn what_no_function_needs_is_never() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:0:808:808::f7f7:f7f7",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
            "9000::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "1000::1",
            "2a00::5efe:127.0.0.1",
            "2a00::5efe:169.254.169.254",
        ] {
            assert_eq!(of(text), Class::Never, "{text}");
        }
    }

    /// Every address is of one of the networks or in 2000::/3: nothing falls through to Public by a gap.
    #[test]
    fn nothing_outside_of_what_is_given_out_is_public() {
        for top in 0..=u16::MAX {
            let ip = Ipv6Addr::new(top, 0x1234, 0x5678, 0x9abc, 0xdef0, 1, 2, 3);
            if top >> 13 != 1 {
                assert_ne!(class(ip.into()), Class::Public, "{ip}");
            }
        }
        for top in (0..=u8::MAX).filter(|top| *top >= 224 || [0, 10, 127].contains(top)) {
            assert_ne!(class(Ipv4Addr::new(top, 1, 2, 3).into()), Class::Public, "{top}");
        }
    }

    #[test]
    fn each_form_is_told_once() {
        let all = |text: &str| forms(text.parse().unwrap()).map(|ip| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(all("8.8.8.8"), ["8.8.8.8"]);
        assert_eq!(all("::ffff:8.8.8.8"), ["8.8.8.8"]);
        assert_eq!(all("64:ff9b::10.0.0.1"), ["64:ff9b::a00:1", "10.0.0.1"]);
        assert_eq!(all("2001:0:102:304::f7f7:f7f7"), ["2001:0:102:304::f7f7:f7f7", "1.2.3.4", "8.8.8.8"]);
    }
}
