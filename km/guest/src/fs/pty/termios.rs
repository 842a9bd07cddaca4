//! Settings of a terminal (termios(3)).

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct termios` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Termios {
    /// `c_iflag`: what becomes of typed bytes.
    pub input: u32,
    /// `c_oflag`: what becomes of the program's bytes.
    pub output: u32,
    /// `c_cflag`: speed and parity; kept without effect.
    pub control: u32,
    /// `c_lflag`: echo, lines and signals.
    pub local: u32,
    /// `c_line`: number of the line discipline; kept without effect.
    pub line: u8,
    /// `c_cc`: special characters, by [`place`].
    pub characters: [u8; 19],
}

/// `struct winsize` of ioctl_tty(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct WindowSize {
    /// Lines of characters.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Both again in pixels.
    pub pixels: [u16; 2],
}

/// Flags of [`Termios::input`], [`Termios::output`] and [`Termios::local`].
#[expect(missing_docs, reason = "termios(3) describes them")]
pub mod flag {
    pub const INLCR: u32 = 0o100;
    pub const IGNCR: u32 = 0o200;
    pub const ICRNL: u32 = 0o400;
    pub const OPOST: u32 = 1;
    pub const ONLCR: u32 = 4;
    pub const ISIG: u32 = 1;
    pub const ICANON: u32 = 2;
    pub const ECHO: u32 = 0o10;
    pub const ECHOE: u32 = 0o20;
    pub const ECHOK: u32 = 0o40;
    pub const ECHONL: u32 = 0o100;
    pub const NOFLSH: u32 = 0o200;
    pub const TOSTOP: u32 = 0o400;
    pub const ECHOCTL: u32 = 0o1000;
    pub const IEXTEN: u32 = 0o100_000;
}

/// Which index of [`Termios::characters`] has which special character.
#[expect(missing_docs, reason = "termios(3) describes them")]
pub mod place {
    pub const INTR: usize = 0;
    pub const QUIT: usize = 1;
    pub const ERASE: usize = 2;
    pub const KILL: usize = 3;
    pub const EOF: usize = 4;
    pub const MIN: usize = 6;
    pub const SUSP: usize = 10;
    pub const EOL: usize = 11;
    pub const WERASE: usize = 14;
    pub const LNEXT: usize = 15;
    pub const EOL2: usize = 16;
}

impl Default for Termios {
    /// A new terminal's: canonical input with echo, as Linux has it.
    fn default() -> Self {
        Self {
            input: 0x500,
            output: 0x5,
            control: 0xbf,
            local: 0x8a3b,
            line: 0,
            characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
        }
    }
}

impl Termios {
    /// Whether a flag of c_lflag is set.
    #[must_use]
    pub fn has(&self, local: u32) -> bool {
        self.local & local != 0
    }

    /// Whether a byte is the special character of a place; 0 means that there is none.
    #[must_use]
    pub fn is(&self, byte: u8, place: usize) -> bool {
        byte != 0 && self.characters[place] == byte
    }
}
