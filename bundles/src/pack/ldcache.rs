//! `/etc/ld.so.cache`, the loader's index of libraries (the format since glibc 2.2, alone or behind the older one).

use std::collections::HashMap;
use std::path::PathBuf;

const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const NEW_HEADER: usize = 48;
const NEW_ENTRY: usize = 24;
/// Flags of a 64-bit x86 library of glibc.
const X86_64: u32 = 0x0303;

/// The plain x86-64 libraries (those for special CPUs left out) that the cache names, the first of each name.
pub(super) fn parse(bytes: &[u8]) -> HashMap<String, PathBuf> {
    let mut libraries = HashMap::new();
    let Some(start) = bytes.windows(NEW_MAGIC.len()).position(|window| window == NEW_MAGIC) else {
        return libraries;
    };
    let bytes = &bytes[start..];
    let count = word(bytes, 20).unwrap_or(0) as usize;
    let entries = bytes.get(NEW_HEADER..).unwrap_or_default().chunks_exact(NEW_ENTRY).take(count);
    for entry in entries {
        let plain = word(entry, 0) == Some(X86_64) && entry[16..24] == [0; 8];
        if let (true, Some(name), Some(path)) =
            (plain, text(bytes, word(entry, 4)), text(bytes, word(entry, 8)))
        {
            libraries.entry(name).or_insert_with(|| PathBuf::from(path));
        }
    }
    libraries
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn text(bytes: &[u8], at: Option<u32>) -> Option<String> {
    let rest = bytes.get(at? as usize..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    Some(std::str::from_utf8(&rest[..end]).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_empty() {
        assert!(parse(b"").is_empty());
        assert!(parse(NEW_MAGIC).is_empty());
        let mut huge = NEW_MAGIC.to_vec();
        huge.extend([0xff; 200]);
        assert!(parse(&huge).is_empty());
    }
}
