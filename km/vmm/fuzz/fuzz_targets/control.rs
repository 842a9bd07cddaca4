//! Messages of the control socket, from either side. What decodes must decode again from its own encoding.
#![no_main]

use km_vmm::protocol::{FromWorker, ToWorker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = ToWorker::decode(bytes) {
        assert_eq!(ToWorker::decode(&message.encode().unwrap()).unwrap(), message);
    }
    if let Ok(message) = FromWorker::decode(bytes) {
        assert_eq!(FromWorker::decode(&message.encode().unwrap()).unwrap(), message);
    }
});
