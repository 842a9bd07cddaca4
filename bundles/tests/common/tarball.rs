//! Tar streams put together by hand, so that they can say what no honest tool would.

/// A tar stream in the making.
#[derive(Clone, Default)]
pub struct Tarball {
    bytes: Vec<u8>,
}

/// What a header says, for entries that need more than the short forms.
#[derive(Clone)]
pub struct Raw<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub mode: u32,
    pub uid: u64,
    pub size: u64,
    pub link: &'a [u8],
    pub device: (u32, u32),
}

impl Default for Raw<'_> {
    fn default() -> Self {
        Self { name: b"", kind: b'0', mode: 0o644, uid: 0, size: 0, link: b"", device: (0, 0) }
    }
}

impl Tarball {
    pub fn new() -> Self {
        Self::default()
    }

    /// A header as it is, and data as it is, padded to a block.
    pub fn raw(mut self, raw: &Raw<'_>, data: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..raw.name.len()].copy_from_slice(raw.name);
        header.as_mut_bytes()[157..157 + raw.link.len()].copy_from_slice(raw.link);
        header.as_mut_bytes()[156] = raw.kind;
        header.set_mode(raw.mode);
        header.set_uid(raw.uid);
        header.set_gid(raw.uid);
        header.set_mtime(1_600_000_000);
        header.set_size(raw.size);
        header.set_device_major(raw.device.0).unwrap();
        header.set_device_minor(raw.device.1).unwrap();
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.file_mode(name, content, 0o644)
    }

    pub fn file_mode(self, name: &str, content: &[u8], mode: u32) -> Self {
        self.raw(&Raw { name: name.as_bytes(), size: content.len() as u64, mode, ..Raw::default() }, content)
    }

    pub fn dir(self, name: &str) -> Self {
        self.raw(&Raw { name: name.as_bytes(), kind: b'5', mode: 0o755, ..Raw::default() }, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        let raw =
            Raw { name: name.as_bytes(), kind: b'2', mode: 0o777, link: target.as_bytes(), ..Raw::default() };
        self.raw(&raw, b"")
    }

    pub fn hardlink(self, name: &str, target: &str, mode: u32) -> Self {
        let raw = Raw { name: name.as_bytes(), kind: b'1', mode, link: target.as_bytes(), ..Raw::default() };
        self.raw(&raw, b"")
    }

    pub fn device(self, name: &str, kind: u8, major: u32, minor: u32) -> Self {
        let raw = Raw { name: name.as_bytes(), kind, mode: 0o666, device: (major, minor), ..Raw::default() };
        self.raw(&raw, b"")
    }

    /// An extension header with this body: `x` for PAX records, `g` for global ones, `L` and `K` for GNU long names.
    pub fn extension(self, kind: u8, body: &[u8]) -> Self {
        self.raw(&Raw { name: b"extension", kind, size: body.len() as u64, ..Raw::default() }, body)
    }

    /// PAX records for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            body.extend(format!("{length} {key}=").into_bytes());
            body.extend(*value);
            body.push(b'\n');
        }
        self.extension(b'x', &body)
    }

    /// The stream with its end marker.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}
