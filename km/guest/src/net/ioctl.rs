//! Control operations of sockets: queue lengths, and the one interface there is (netdevice(7)).

use super::socket::Protocol;
use crate::errno::Errno;
use crate::mm::user::UserMemory;
use crate::time::NANOS_PER_SECOND;
use crate::wait::SysResult;
use linux_raw_sys::ioctl as raw;
use linux_raw_sys::net::{AF_INET, AF_INET6};

/// `SIOCGIF…` numbers of netdevice(7).
const GET_NAME: u32 = 0x8910;
const GET_LIST: u32 = 0x8912;
const GET_FLAGS: u32 = 0x8913;
const GET_ADDRESS: u32 = 0x8915;
const GET_BROADCAST: u32 = 0x8919;
const GET_NETMASK: u32 = 0x891b;
const GET_METRIC: u32 = 0x891d;
const GET_MTU: u32 = 0x8921;
const GET_HARDWARE: u32 = 0x8927;
const GET_INDEX: u32 = 0x8933;
const GET_QUEUE_LENGTH: u32 = 0x8942;

/// When the last message came (socket(7)): in microseconds and nanoseconds, by the old and the new number of each.
const GET_STAMP: [u32; 2] = [0x8906, 0x8010_8906];
const GET_STAMP_NS: [u32; 2] = [0x8907, 0x8010_8907];

/// The name field of `struct ifreq`.
const NAME: [u8; 16] = *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// Size of `struct ifreq`.
const REQUEST_SIZE: usize = 40;
/// IFF_UP, IFF_LOOPBACK and IFF_RUNNING of `lo` (netdevice(7)).
const FLAGS: u16 = 0x49;
/// ARPHRD_LOOPBACK, the hardware type of `lo`.
const HARDWARE: u16 = 772;

/// ioctl(2) on a socket.
pub fn socket(socket: &dyn Protocol, memory: &UserMemory, request: u32, argument: u64) -> SysResult {
    match request {
        raw::FIONREAD => {
            if socket.is_listening() {
                return Err(Errno::EINVAL.into());
            }
            put_count(memory, argument, socket.readable_bytes())
        }
        raw::TIOCOUTQ => put_count(memory, argument, socket.unsent_bytes()),
        raw::SIOCATMARK => put_count(memory, argument, usize::from(socket.is_at_mark())),
        request if GET_STAMP.contains(&request) => stamp(socket, memory, argument, 1000),
        request if GET_STAMP_NS.contains(&request) => stamp(socket, memory, argument, 1),
        GET_LIST => list(memory, argument),
        GET_NAME | GET_FLAGS | GET_ADDRESS | GET_BROADCAST | GET_NETMASK | GET_METRIC | GET_MTU
        | GET_HARDWARE | GET_INDEX | GET_QUEUE_LENGTH => interface(memory, request, argument),
        _ => Err(Errno::ENOTTY.into()),
    }
}

fn put_count(memory: &UserMemory, argument: u64, count: usize) -> SysResult {
    memory.store(argument, &i32::try_from(count).unwrap_or(i32::MAX))?;
    Ok(0)
}

/// The time of the last message, its fraction in units of `unit_ns`.
fn stamp(socket: &dyn Protocol, memory: &UserMemory, argument: u64, unit_ns: u64) -> SysResult {
    let common = socket.common();
    if !matches!(common.kind.domain, AF_INET | AF_INET6) {
        return Err(Errno::ENOTTY.into());
    }
    let arrived_ns = common.last_arrival_ns.get().ok_or(Errno::ENOENT)?;
    memory.store(argument, &[arrived_ns / NANOS_PER_SECOND, arrived_ns % NANOS_PER_SECOND / unit_ns])?;
    Ok(0)
}

/// An IPv4 `sockaddr` for `struct ifreq`.
fn address(ip: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = 2;
    bytes[4..8].copy_from_slice(&ip);
    bytes
}

/// SIOCGIFCONF: the list of interfaces with addresses.
fn list(memory: &UserMemory, argument: u64) -> SysResult {
    let [length, buffer]: [u64; 2] = memory.load(argument)?;
    if buffer == 0 {
        memory.store(argument, &(REQUEST_SIZE as u32))?;
        return Ok(0);
    }
    let fits = length as u32 as usize >= REQUEST_SIZE;
    if fits {
        let mut entry = [0; REQUEST_SIZE];
        entry[..16].copy_from_slice(&NAME);
        entry[16..32].copy_from_slice(&address([127, 0, 0, 1]));
        memory.write(buffer, &entry)?;
    }
    memory.store(argument, &(if fits { REQUEST_SIZE as u32 } else { 0 }))?;
    Ok(0)
}

/// The other requests: a `struct ifreq` with a name, or an index for SIOCGIFNAME.
fn interface(memory: &UserMemory, request: u32, argument: u64) -> SysResult {
    let mut entry = [0u8; REQUEST_SIZE];
    memory.read(argument, &mut entry)?;
    let is_lo = if request == GET_NAME { entry[16..20] == [1, 0, 0, 0] } else { entry[..3] == *b"lo\0" };
    if !is_lo {
        return Err(Errno::ENODEV.into());
    }
    entry[..16].copy_from_slice(&NAME);
    let mut value = [0; 16];
    match request {
        GET_NAME => return Ok(memory.write(argument, &entry).map(|()| 0)?),
        GET_FLAGS => value[..2].copy_from_slice(&FLAGS.to_ne_bytes()),
        GET_ADDRESS => value = address([127, 0, 0, 1]),
        GET_NETMASK => value = address([255, 0, 0, 0]),
        GET_BROADCAST => value = address([0; 4]),
        GET_MTU => value[..4].copy_from_slice(&super::ip_options::LOOPBACK_MTU.to_ne_bytes()),
        GET_HARDWARE => value[..2].copy_from_slice(&HARDWARE.to_ne_bytes()),
        GET_INDEX => value[0] = 1,
        GET_QUEUE_LENGTH => value[..4].copy_from_slice(&1000u32.to_ne_bytes()),
        _ => {}
    }
    entry[16..32].copy_from_slice(&value);
    memory.write(argument, &entry)?;
    Ok(0)
}
