//! `/proc/net`: one loopback interface.

use super::sockets;
use super::table::{ProcEntry, What};

const DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier \
compressed\n    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       \
0          0\n";
const IF_INET6: &str = "00000000000000000000000000000001 01 80 10 80       lo\n";
const TCP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

macro_rules! fixed {
    ($name:literal, $text:expr) => {
        ($name, What::File(|_, _| Ok($text.as_bytes().to_vec())))
    };
}

const PACKET: &str = "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n";
const NETLINK: &str =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";
const SOCKSTAT: &str = "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n";

pub(super) const ENTRIES: &[ProcEntry] = &[
    fixed!("arp", ARP),
    fixed!("dev", DEV),
    fixed!("if_inet6", IF_INET6),
    fixed!("ipv6_route", ""),
    fixed!("netlink", NETLINK),
    fixed!("netstat", ""),
    fixed!("packet", PACKET),
    fixed!("raw", TCP),
    fixed!("raw6", TCP),
    fixed!("route", ROUTE),
    fixed!("snmp", ""),
    fixed!("sockstat", SOCKSTAT),
    ("tcp", What::File(sockets::tcp)),
    ("tcp6", What::File(sockets::tcp6)),
    ("udp", What::File(sockets::udp)),
    ("udp6", What::File(sockets::udp6)),
    ("unix", What::File(sockets::unix)),
];
