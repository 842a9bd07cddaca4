//! `/proc/net/tcp`, `udp` and `unix`: the sockets of the machine, as far as somebody has a descriptor of them or they
//! wait to be accepted.

use super::Subject;
use crate::errno::Result;
use crate::fs::synthetic::View;
use crate::net::address::{Address, UnixName};
use crate::net::socket::{Protocol, Socket};
use crate::net::tcp::Tcp;
use crate::net::udp::Udp;
use crate::net::unix::Unix;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use linux_raw_sys::net::{AF_INET, AF_INET6};

/// States of a TCP socket (`include/net/tcp_states.h` of Linux).
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const CLOSED: u8 = 7;
const LISTENING: u8 = 10;

const INET_HEAD: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const UNIX_HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

/// All sockets, by their numbers.
fn sockets(view: View<'_>) -> Vec<Rc<dyn Protocol>> {
    let mut found: BTreeMap<u64, Rc<dyn Protocol>> = BTreeMap::new();
    for process in view.kernel.tasks.processes() {
        let Ok(files) = process.files.try_borrow() else { continue };
        for open in files.numbers().filter_map(|fd| files.get(fd as u64)) {
            let Some(socket) = open.file.as_any().downcast_ref::<Socket>() else { continue };
            let waiting = socket.protocol.as_any().downcast_ref::<Tcp>().and_then(Tcp::listener);
            for child in waiting.into_iter().flat_map(|listener| listener.arrived()) {
                found.insert(child.common.number, child);
            }
            found.insert(socket.protocol.common().number, Rc::clone(&socket.protocol));
        }
    }
    found.into_values().collect()
}

/// An address as hexadecimal digits of the words in memory, and the port.
fn hexadecimal(address: SocketAddr, domain: u32) -> String {
    let ip = match (address.ip(), domain) {
        (IpAddr::V4(ip), AF_INET) => format!("{:08X}", u32::from_le_bytes(ip.octets())),
        (IpAddr::V4(ip), _) if ip.is_unspecified() => words(Ipv6Addr::UNSPECIFIED),
        (IpAddr::V4(ip), _) => words(ip.to_ipv6_mapped()),
        (IpAddr::V6(ip), _) => words(ip),
    };
    format!("{ip}:{:04X}", address.port())
}

fn words(ip: Ipv6Addr) -> String {
    let octets = ip.octets();
    octets.as_chunks().0.iter().map(|word| format!("{:08X}", u32::from_le_bytes(*word))).collect()
}

fn ip_of(address: Option<Address>, domain: u32) -> SocketAddr {
    match address {
        Some(Address::Ip(address)) => address,
        _ => crate::net::inet::unbound(domain),
    }
}

fn inet_rows(view: View<'_>, domain: u32, state: fn(&dyn Protocol) -> Option<u8>) -> Vec<u8> {
    let mut text = String::from(INET_HEAD);
    let own = sockets(view).into_iter().filter(|socket| socket.common().kind.domain == domain);
    for (index, (state, socket)) in own.filter_map(|socket| Some((state(&*socket)?, socket))).enumerate() {
        let common = socket.common();
        text += &format!(
            "{index:4}: {} {} {state:02X} 00000000:{:08X} 00:00000000 00000000 {:5}        0 {} 1 \
             0000000000000000 100 0 0 10 0\n",
            hexadecimal(ip_of(Some(socket.local()), domain), domain),
            hexadecimal(ip_of(socket.peer().ok(), domain), domain),
            socket.readable_bytes(),
            common.owner.uid,
            common.number,
        );
    }
    text.into_bytes()
}

/// The state of a TCP socket that has a place in the table; one without an address has none.
fn tcp_state(socket: &dyn Protocol) -> Option<u8> {
    let tcp: &Tcp = socket.as_any().downcast_ref()?;
    Some(match () {
        () if tcp.listener().is_some() => LISTENING,
        () if tcp.is_connecting() => SYN_SENT,
        () if socket.peer().is_ok() => ESTABLISHED,
        () => return None,
    })
}

/// The state of a UDP socket that has a port.
fn udp_state(socket: &dyn Protocol) -> Option<u8> {
    socket.as_any().downcast_ref::<Udp>()?;
    let has_port = matches!(socket.local(), Address::Ip(address) if address.port() != 0);
    has_port.then(|| if socket.peer().is_ok() { ESTABLISHED } else { CLOSED })
}

pub(super) fn tcp(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(inet_rows(view, AF_INET, tcp_state))
}

pub(super) fn tcp6(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(inet_rows(view, AF_INET6, tcp_state))
}

pub(super) fn udp(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(inet_rows(view, AF_INET, udp_state))
}

pub(super) fn udp6(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(inet_rows(view, AF_INET6, udp_state))
}

pub(super) fn unix(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    const ACCEPTS: u32 = 0x10000;
    const UNCONNECTED: u8 = 1;
    const CONNECTED: u8 = 3;
    let mut text = String::from(UNIX_HEAD);
    for socket in sockets(view).into_iter().filter(|socket| socket.as_any().is::<Unix>()) {
        let common = socket.common();
        let flags = if socket.is_listening() { ACCEPTS } else { 0 };
        let state = if socket.peer().is_ok() { CONNECTED } else { UNCONNECTED };
        let name = match socket.local() {
            Address::Unix(UnixName::Path(path)) | Address::UnixAt { path, .. } => {
                format!(" {}", String::from_utf8_lossy(&path))
            }
            Address::Unix(UnixName::Abstract(name)) => format!(" @{}", String::from_utf8_lossy(&name)),
            _ => String::new(),
        };
        let (kind, number) = (common.kind.kind, common.number);
        text += &format!(
            "0000000000000000: 00000002 00000000 {flags:08X} {kind:04X} {state:02X} {number:5}{name}\n"
        );
    }
    Ok(text.into_bytes())
}
