//! Native asynchronous I/O: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2), io_pgetevents(2).

use super::row::Row;
use super::rw::{read_once, write_offset, write_once};
use super::waiting::{self, wait_for};
use crate::aio::{Context, Event, NewContext};
use crate::errno::{Errno, Result};
use crate::fs::eventfd::EventFd;
use crate::fs::file::{File, O_APPEND, O_PATH, OpenFile};
use crate::fs::io::{Sink, Source};
use crate::fs::node::data::SIZE_MAX;
use crate::kernel::{Args, Ctx};
use crate::mm::user::UserRanges;
use crate::mm::vma::{Backing, Prot, Traits};
use crate::mm::{MapRequest, Placement};
use crate::wait::{Interruption, Stop, SysResult, Wait};
use alloc::rc::Rc;
use km_abi::layout::PROGRAM_END;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Nothing that a machine has makes a request wait, but for what polling is for.
const NO_POLL: &str = "IOCB_CMD_POLL is EINVAL; requests are complete when they have been submitted";

pub const ROWS: &[Row] = &[
    Row::full(206, "io_setup", sys_io_setup),
    Row::full(207, "io_destroy", sys_io_destroy),
    Row::full(208, "io_getevents", sys_io_getevents),
    Row::partial(209, "io_submit", sys_io_submit, NO_POLL),
    Row::full(210, "io_cancel", sys_io_cancel),
    Row::full(333, "io_pgetevents", sys_io_pgetevents),
];

/// `struct iocb`: a request.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// Where `aio_key` is in a request.
const KEY_AT: u64 = 8;
/// IOCB_FLAG_RESFD: an eventfd counts the event as well.
const WITH_EVENT_FD: u32 = 1;

mod opcode {
    pub const READ: u16 = 0;
    pub const WRITE: u16 = 1;
    pub const SYNC: u16 = 2;
    pub const DATA_SYNC: u16 = 3;
    pub const READ_VECTOR: u16 = 7;
    pub const WRITE_VECTOR: u16 = 8;
}

/// Beyond it Linux does not even look whether there is room.
const EVENTS_REPRESENTABLE: u64 = 1 << 22;

fn sys_io_setup(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [events, place, ..] = *args;
    let events = events & 0xffff_ffff;
    // Half of all numbers is what Linux doubles to nothing, which it says is too many.
    if events == 1 << 31 && ctx.memory().load::<u64>(place)? == 0 {
        return Err(Errno::EAGAIN.into());
    }
    if ctx.memory().load::<u64>(place)? != 0 || !(1..=EVENTS_REPRESENTABLE).contains(&events) {
        return Err(Errno::EINVAL.into());
    }
    let new = NewContext::new(events)?;
    // libaio looks there for a ring of events, and makes system calls where it finds none.
    let request = MapRequest {
        placement: Placement::Hint(0),
        len: new.mapping_bytes(),
        prot: Prot::READ | Prot::WRITE,
        traits: Traits::empty(),
        backing: Backing::Anonymous,
        populate: false,
        no_reserve: false,
    };
    let space = Rc::clone(&ctx.process().space);
    let address = space.borrow_mut().map(request)?;
    if let Err(errno) = ctx.memory().store(place, &address) {
        space.borrow_mut().unmap(address, new.mapping_bytes())?;
        return Err(errno.into());
    }
    space.borrow_mut().aio.insert(address, new);
    Ok(0)
}

fn context(ctx: &mut Ctx<'_>, address: u64) -> Result<Rc<Context>> {
    ctx.process().space.borrow().aio.get(address)
}

fn sys_io_destroy(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let space = Rc::clone(&ctx.process().space);
    let mut space = space.borrow_mut();
    let context = space.aio.remove(args[0])?;
    // The program may have unmapped it by itself.
    let _ = space.unmap(args[0], context.len);
    Ok(0)
}

fn sys_io_submit(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [id, count, list, ..] = *args;
    if count.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    let context = context(ctx, id)?;
    let count = count.min(context.most());
    // A request that had to wait for its file is made again; those before it are done.
    for index in ctx.progress().done..count {
        let place = list.wrapping_add(index * 8);
        let submitted = match ctx.memory().load(place) {
            Ok(request) => submit(ctx, &context, request),
            Err(errno) => Err(errno.into()),
        };
        match submitted {
            Ok(()) => ctx.progress().done = index + 1,
            Err(Stop::Errno(_)) if index > 0 => return Ok(index),
            Err(stop) => return Err(stop),
        }
    }
    Ok(count)
}

/// Carries out one request. What is wrong with it fails the call; what goes wrong in the transfer is its result.
fn submit(ctx: &mut Ctx<'_>, context: &Context, address: u64) -> core::result::Result<(), Stop> {
    let request: Request = ctx.memory().load(address)?;
    if request.reserved != 0 || request.bytes.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    context.check_room()?;
    let open = |ctx: &mut Ctx<'_>, fd: u32| {
        let file = ctx.files().borrow().get(u64::from(fd));
        file.filter(|file| !file.has(O_PATH)).ok_or(Errno::EBADF)
    };
    let file = open(ctx, request.fd)?;
    let counter = if request.flags & WITH_EVENT_FD != 0 { Some(open(ctx, request.event_fd)?) } else { None };
    let counter = match &counter {
        Some(file) => Some(file.file.as_any().downcast_ref::<EventFd>().ok_or(Errno::EINVAL)?),
        None => None,
    };
    ctx.memory().store(address.wrapping_add(KEY_AT), &0u32)?;
    let result = match carry_out(ctx, &file, &request) {
        Ok(Ok(count)) => count as i64,
        Ok(Err(errno)) => errno.as_return_value().cast_signed(),
        Err(stop) => return Err(stop),
    };
    context.push(Event { data: request.data, request: address, result, second_result: 0 });
    if let Some(counter) = counter {
        // A counter that is full stays so.
        let _ = counter.write(0, &mut 1u64.to_le_bytes().as_slice());
    }
    Ok(())
}

/// What a request that was accepted comes to.
type Outcome = core::result::Result<Result<usize>, Stop>;

fn carry_out(ctx: &mut Ctx<'_>, file: &OpenFile, request: &Request) -> Outcome {
    match request.opcode {
        opcode::READ | opcode::READ_VECTOR => {
            file.check_readable()?;
            let (mut ranges, position) = ranges(ctx, file, request)?;
            if ranges.room() == 0 {
                return Ok(Ok(0));
            }
            match read_once(ctx, file, position, &mut ranges) {
                Err(Errno::EAGAIN) => again(ctx, file),
                moved => Ok(moved),
            }
        }
        opcode::WRITE | opcode::WRITE_VECTOR => {
            file.check_writable()?;
            let (mut ranges, position) = ranges(ctx, file, request)?;
            if ranges.left() == 0 {
                return Ok(Ok(0));
            }
            let append = file.has(O_APPEND);
            let position = if append { write_offset(file, true) } else { position };
            match write_once(ctx, file, position, &mut ranges) {
                Err(Errno::EAGAIN) => again(ctx, file),
                moved => Ok(moved),
            }
        }
        opcode::SYNC | opcode::DATA_SYNC => {
            let is_plain = [request.buffer, request.bytes, request.offset.cast_unsigned()] == [0; 3];
            let kept = file.file.node().is_some_and(|node| node.data().is_some() || node.meta.get().is_dir());
            if is_plain && request.rw_flags == 0 && kept { Ok(Ok(0)) } else { Err(Errno::EINVAL.into()) }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// A pipe or socket is not ready: the call waits as read(2) would, or the request ends with EAGAIN.
fn again(ctx: &mut Ctx<'_>, file: &OpenFile) -> Outcome {
    match wait_for(ctx, file, None) {
        Stop::Errno(errno) => Ok(Err(errno)),
        stop => Err(stop),
    }
}

/// The memory of a request, and its position in the file.
fn ranges(ctx: &mut Ctx<'_>, file: &OpenFile, request: &Request) -> Result<(UserRanges, u64)> {
    if file.file.node().is_some_and(|node| node.meta.get().is_dir()) {
        return Err(Errno::EINVAL);
    }
    let memory = ctx.memory();
    let ranges = match request.opcode {
        opcode::READ | opcode::WRITE => {
            let end = request.buffer.checked_add(request.bytes);
            if end.is_none_or(|end| end > PROGRAM_END) {
                return Err(Errno::EFAULT);
            }
            UserRanges::one(memory, request.buffer, request.bytes)
        }
        _ => UserRanges::vector(memory, request.buffer, request.bytes)?,
    };
    let position = u64::try_from(request.offset).map_err(|_| Errno::EINVAL)?;
    if position.saturating_add(ranges.left() as u64) > SIZE_MAX {
        return Err(Errno::EINVAL);
    }
    Ok((ranges, position))
}

fn sys_io_getevents(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = timeout(ctx, args[4])?;
    collect(ctx, args, timeout_ns)
}

/// The time-out of io_getevents(2): unlike others, no value is refused, and a negative one never comes.
fn timeout(ctx: &mut Ctx<'_>, address: u64) -> Result<Option<u64>> {
    match waiting::timespec(ctx, address) {
        Err(Errno::EINVAL) => Ok(None),
        timeout => timeout,
    }
}

fn sys_io_pgetevents(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = timeout(ctx, args[4])?;
    let [mask, size] = if args[5] == 0 { [0; 2] } else { ctx.memory().load::<[u64; 2]>(args[5])? };
    waiting::with_mask(ctx, mask, size, |ctx| collect(ctx, args, timeout_ns))
}

/// Moves events to the program until there are enough; how many is in the progress.
fn collect(ctx: &mut Ctx<'_>, args: &Args, timeout_ns: Option<u64>) -> SysResult {
    let [id, least, most, place, ..] = *args;
    let (least, most) = (least.cast_signed(), most.cast_signed());
    let context = context(ctx, id)?;
    if least < 0 || least > most {
        return Err(Errno::EINVAL.into());
    }
    let (least, most) = (least.cast_unsigned(), most.cast_unsigned());
    let mut done = ctx.progress().done;
    while done < most
        && let Some(event) = context.first()
    {
        match ctx.memory().store(place.wrapping_add(done * size_of::<Event>() as u64), &event) {
            Ok(()) => context.pop(),
            Err(_) if done > 0 => return Ok(done),
            Err(errno) => return Err(errno.into()),
        }
        done += 1;
        ctx.progress().done = done;
    }
    let deadline_ns = waiting::deadline(ctx, timeout_ns);
    if done >= least || waiting::is_over(timeout_ns, deadline_ns) {
        return Ok(done);
    }
    let wait = Wait { interruption: Interruption::Fail, ..Wait::on(&context.queue) };
    Err(Stop::Block(wait.until(deadline_ns)))
}

/// No request is ever under way, so there is none to take back.
fn sys_io_cancel(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let key: u32 = ctx.memory().load(args[1].wrapping_add(KEY_AT))?;
    if key == 0 {
        context(ctx, args[0])?;
    }
    Err(Errno::EINVAL.into())
}
