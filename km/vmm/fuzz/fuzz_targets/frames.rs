//! Frames of a slot's stream, cut anywhere. What decodes must encode to what it was.
#![no_main]

use km_vmm::protocol::{Boot, Call, Ended, FrameDecoder, Kind, NotReady, Prepared, Ready, Snapshotted, Started};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, stream)) = bytes.split_first() else { return };
    let mut decoder = FrameDecoder::new();
    let mut again = Vec::new();
    for mut piece in stream.chunks(usize::from(step).max(1)) {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(frame)) => {
                    frame.encode_into(&mut again).unwrap();
                    let header = frame.header().unwrap();
                    assert!(header.of_call().is_ok() || frame.kind.is_of_connection());
                    let _ = match frame.kind {
                        Kind::Boot => frame.record::<Boot>().is_ok(),
                        Kind::Call => frame.record::<Call>().is_ok(),
                        Kind::Ended => frame.record::<Ended>().is_ok(),
                        Kind::NotReady => frame.record::<NotReady>().is_ok(),
                        Kind::Prepared => frame.record::<Prepared>().is_ok(),
                        Kind::Ready => frame.record::<Ready>().is_ok(),
                        Kind::Snapshotted => frame.record::<Snapshotted>().is_ok(),
                        Kind::Started => frame.record::<Started>().is_ok(),
                        _ => frame.log().is_ok(),
                    };
                }
                Ok(None) => break,
                Err(_) => {
                    assert!(stream.starts_with(&again));
                    return;
                }
            }
        }
    }
    assert!(stream.starts_with(&again));
});
