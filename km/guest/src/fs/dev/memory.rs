//! The devices that are nothing but memory: null, zero, full, random, urandom.

use crate::errno::{Errno, Result};
use crate::fs::file::{File, Pages};
use crate::fs::io::{Sink, Source};
use crate::fs::node::Node;
use crate::kernel::Ctx;
use crate::mm::shared::SharedMemory;
use crate::wait::SysResult;
use alloc::rc::Rc;
use core::any::Any;

/// Which one (null(4), full(4), random(4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Ends at once, takes everything.
    Null,
    /// `/dev/zero`: reads give zeros, writes succeed and are dropped.
    Zero,
    /// `/dev/full`: reads give zeros, writes fail with ENOSPC.
    Full,
    /// Random bytes; what is written is not needed.
    Random,
}

/// An open memory device.
pub struct MemoryDevice {
    node: Rc<Node>,
    device: Device,
}

impl MemoryDevice {
    /// Opens a device through a node.
    #[must_use]
    pub fn new(node: Rc<Node>, device: Device) -> Self {
        Self { node, device }
    }
}

impl File for MemoryDevice {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        let mut page = [0; 4096];
        let mut done = 0;
        while out.room() > 0 && self.device != Device::Null {
            let len = out.room().min(page.len());
            if self.device == Device::Random {
                crate::random::fill(&mut page[..len]);
            }
            match out.put(&page[..len]) {
                Ok(count) => done += count,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(&self, _: u64, from: &mut dyn Source) -> Result<usize> {
        if self.device == Device::Full { Err(Errno::ENOSPC) } else { Ok(from.left()) }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        /// RNDGETENTCNT of random(4), and the answer of a generator that is full.
        const ENTROPY_COUNT: u32 = 0x8004_5200;
        const FULL: i32 = 256;
        match (self.device, request) {
            (Device::Random, ENTROPY_COUNT) => {
                ctx.memory().store(argument, &FULL).map(|()| 0).map_err(Into::into)
            }
            (Device::Random, _) => Err(Errno::EINVAL.into()),
            _ => Err(Errno::ENOTTY.into()),
        }
    }

    fn pages(&self) -> Option<Rc<dyn Pages>> {
        (self.device == Device::Zero).then(|| Rc::new(SharedMemory::default()) as Rc<dyn Pages>)
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
