//! What a machine tells of its changes, whatever it is, becomes a layer or is refused.
#![no_main]

use build::layer::Changes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir();
    let mut changes = Changes::new(&folder).expect("a file can be made");
    let mut stream = bytes;
    if build::told::read(&mut stream, &mut changes).is_ok() {
        changes.write(&folder, 0).expect("what was read is a layer");
    }
});
