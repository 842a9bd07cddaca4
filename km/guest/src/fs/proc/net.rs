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

pub(super) const ENTRIES: &[Entry] = &[
    fixed!("dev", DEV),
    fixed!("if_inet6", IF_INET6),
    fixed!("ipv6_route", ""),
    fixed!("route", ROUTE),
    fixed!("snmp", ""),
    fixed!("tcp", TCP),
    fixed!("tcp6", TCP),
    fixed!("udp", TCP),
    fixed!("udp6", TCP),
    fixed!("unix", UNIX),
];
