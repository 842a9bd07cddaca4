//! References of any text: what is accepted comes back the same when written and parsed again.
#![no_main]

use bundles::reference::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let again: Reference = reference.to_string().parse().expect("what was written parses");
        assert_eq!(again, reference);
    }
    let _ = text.parse::<bundles::digest::Digest>();
    let _ = text.parse::<bundles::pack::Addition>();
});
