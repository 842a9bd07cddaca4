//! What the monitor (`km-vmm`) and the library OS (`km-hal`, `km-guest`) agree on, and nothing else.
//!
//! * [`layout`]: where everything lies in guest-physical and guest-virtual memory.
//! * [`hypercall`]: the doorbell ports, the page that carries operations and events.
//! * [`records`]: what the monitor tells a machine at boot and at the start of a call.
//! * [`changes`]: what a program left changed in its rootfs.
//! * [`outbound`]: connections that the program opens to peers beyond its machine.
//! * [`image`]: the header by which the monitor finds its way into the library OS's image.
//!
//! Both sides are built from one tree, and a snapshot is bound to its monitor's build. So nothing is negotiated: an image
//! or a snapshot with another [`ABI_VERSION`] is refused.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod changes;
pub mod hypercall;
pub mod image;
pub mod layout;
pub mod outbound;
pub mod records;

/// Changes whenever anything in this crate changes its meaning or its place in memory.
pub const ABI_VERSION: u32 = 10;
