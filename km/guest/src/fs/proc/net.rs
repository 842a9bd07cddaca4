//! `/proc/net`: one loopback interface.

use super::table::{Entry, What};

const DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier \
compressed\n    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       \
0          0\n";
const IF_INET6: &str = "00000000000000000000000000000001 01 80 10 80       lo\n";
const TCP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const UNIX: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";
const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

macro_rules! fixed {
    ($name:literal, $text:expr) => {
        ($name, What::File(|_, _| Ok($text.as_bytes().to_vec())))
    };
}

const PACKET: &str = "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n";
const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";
const SOCKSTAT: &str = "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n";

pub(super) const ENTRIES: &[Entry] = &[
    fixed!("arp", ARP),
    fixed!("dev", DEV),
    fixed!("if_inet6", IF_INET6),
    fixed!("ipv6_route", ""),
    fixed!("netstat", ""),
    fixed!("packet", PACKET),
    fixed!("raw", TCP),
    fixed!("raw6", TCP),
    fixed!("route", ROUTE),
    fixed!("snmp", ""),
    fixed!("sockstat", SOCKSTAT),
    fixed!("tcp", TCP),
    fixed!("tcp6", TCP),
    fixed!("udp", TCP),
    fixed!("udp6", TCP),
    fixed!("unix", UNIX),
];
