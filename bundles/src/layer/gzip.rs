//! Gzip files of several members (RFC 1952, 2.2), padded with zeros or not.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The content of all members. Zeros behind the last one are padding, as gzip(1) has it; anything else there is refused.
pub(super) struct Members<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Members<R> {
    pub(super) fn new(file: R) -> Self {
        Self(Some(GzDecoder::new(file)))
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let rest = self.0.take().map(GzDecoder::into_inner);
            self.0 = next_member(rest)?.map(GzDecoder::new);
        }
        Ok(0)
    }
}

/// The file if another member follows; `None` if it ends, or ends after zeros.
fn next_member<R: BufRead>(rest: Option<R>) -> io::Result<Option<R>> {
    let Some(mut rest) = rest else { return Ok(None) };
    let mut is_padding = false;
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.iter().any(|&byte| byte != 0) {
            let garbage = || io::Error::new(io::ErrorKind::InvalidData, "something follows its padding");
            return if is_padding || bytes[0] == 0 { Err(garbage()) } else { Ok(Some(rest)) };
        }
        is_padding = true;
        let zeros = bytes.len();
        rest.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{BufReader, Write};

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // A small buffer, so that padding comes in several parts.
        Members::new(BufReader::with_capacity(7, file)).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn members_and_padding() {
        let two = [member(b"one"), member(b"two")].concat();
        assert_eq!(read(&two).unwrap(), b"onetwo");
        for zeros in [1, 7, 512] {
            assert_eq!(read(&[two.clone(), vec![0; zeros]].concat()).unwrap(), b"onetwo");
        }
    }

    #[test]
    fn what_is_no_padding_is_refused() {
        for tail in [b"x".as_slice(), b"\0\0\0x", b"\0\0\0\0\0\0\0\0\0\0x"] {
            assert!(read(&[&member(b"one"), tail].concat()).is_err(), "{}", tail.escape_ascii());
        }
        let after_padding = [member(b"one"), vec![0; 20], member(b"two")].concat();
        assert!(read(&after_padding).is_err());
        let whole = member(b"one");
        assert!(read(&whole[..whole.len() - 3]).is_err());
    }
}
