//! Directories as blocks of entries and names.

use super::BLOCK;

const ENTRY: usize = 12;
const BLOCK_LEN: usize = BLOCK as usize;

/// One entry, ready to be written.
pub(super) struct Dirent<'a> {
    pub(super) name: &'a [u8],
    pub(super) nid: u64,
    pub(super) kind: u8,
}

/// Numbers of entries per block and the size of the whole, for these lengths of names.
pub(super) fn layout(name_lengths: impl Iterator<Item = usize>) -> (Vec<usize>, u64) {
    let (mut blocks, mut count, mut used) = (Vec::new(), 0, 0);
    for length in name_lengths {
        if used + ENTRY + length > BLOCK_LEN {
            blocks.push(count);
            (count, used) = (0, 0);
        }
        count += 1;
        used += ENTRY + length;
    }
    let size = blocks.len() * BLOCK_LEN + used;
    blocks.push(count);
    (blocks, size as u64)
}

/// The bytes of a directory; `entries` ascend by name.
pub(super) fn encode(entries: &[Dirent<'_>]) -> Vec<u8> {
    let (blocks, size) = layout(entries.iter().map(|entry| entry.name.len()));
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut rest = entries;
    for (index, count) in blocks.iter().enumerate() {
        bytes.resize(index * BLOCK_LEN, 0);
        let (block, later) = rest.split_at(*count);
        encode_block(block, &mut bytes);
        rest = later;
    }
    bytes
}

fn encode_block(entries: &[Dirent<'_>], bytes: &mut Vec<u8>) {
    let mut name_offset = entries.len() * ENTRY;
    for entry in entries {
        bytes.extend(entry.nid.to_le_bytes());
        bytes.extend(&name_offset.to_le_bytes()[..2]);
        bytes.extend([entry.kind, 0]);
        name_offset += entry.name.len();
    }
    for entry in entries {
        bytes.extend(entry.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_blocks() {
        let names: Vec<Vec<u8>> = (0..100).map(|n| format!("{n:0>250}").into_bytes()).collect();
        let entries: Vec<_> = names.iter().map(|name| Dirent { name, nid: 7, kind: 1 }).collect();
        let (blocks, size) = layout(names.iter().map(Vec::len));
        assert_eq!(blocks, [15, 15, 15, 15, 15, 15, 10]);
        assert_eq!(size, 6 * 4096 + 10 * 262);
        assert_eq!(encode(&entries).len() as u64, size);
    }
}
