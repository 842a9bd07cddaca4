//! Sockets within the guest, and the connections that the monitor opens to the program.

/// All sockets that have a name, and the streams to the monitor.
#[derive(Debug, Default)]
pub struct Net {}
