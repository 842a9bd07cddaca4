//! Control: what people want becomes what the volume has, and what came of it is told back.
//!
//! * [`source`]: where Images are written down, a folder or a cluster; the only user of the Kubernetes client.
//! * [`reconcile`]: one state machine for all sources. [`publish`]: image → bundle → volume, and collection; the only
//!   user of the registry client.
//! * [`doctor`]: what a cluster offers and lacks. [`metrics`]: its numbers.
//!
//! Control has the credentials and runs no guest; the node runs guests and has none. They meet on the volume alone.

#![forbid(unsafe_code)]

pub mod doctor;
pub mod metrics;
pub mod publish;
pub mod reconcile;
pub mod source;
