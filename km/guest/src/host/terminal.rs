//! What a program may ask of the terminal that its standard streams are. The line discipline is the host's: settings are
//! kept for the program to read back.

use crate::errno::Errno;
use crate::fs::pty::termios::{Termios, WindowSize};
use crate::mm::user::UserMemory;
use crate::wait::SysResult;
use core::cell::Cell;
use linux_raw_sys::ioctl as raw;

/// State of the terminal.
pub struct Terminal {
    settings: Cell<Termios>,
    size: Cell<WindowSize>,
    foreground: Cell<i32>,
}

impl Default for Terminal {
    fn default() -> Self {
        let settings = Termios {
            input: 0x4500,
            output: 0x5,
            control: 0xbf,
            local: 0x8a3b,
            line: 0,
            characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
        };
        let size = WindowSize { rows: 24, columns: 80, pixels: [0; 2] };
        Self { settings: Cell::new(settings), size: Cell::new(size), foreground: Cell::new(1) }
    }
}

impl Terminal {
    /// ioctl_tty(2).
    ///
    /// # Errors
    /// ENOTTY for what a terminal does not know, EFAULT.
    pub fn ioctl(&self, memory: &UserMemory, request: u32, argument: u64) -> SysResult {
        match request {
            raw::TCGETS => memory.store(argument, &self.settings.get())?,
            raw::TCSETS | raw::TCSETSW | raw::TCSETSF => self.settings.set(memory.load(argument)?),
            raw::TIOCGWINSZ => memory.store(argument, &self.size.get())?,
            raw::TIOCSWINSZ => self.size.set(memory.load(argument)?),
            raw::TIOCGPGRP | raw::TIOCGSID => memory.store(argument, &self.foreground.get())?,
            raw::TIOCSPGRP => self.foreground.set(memory.load(argument)?),
            raw::TIOCSCTTY | raw::TIOCNOTTY | raw::TCFLSH | raw::TCXONC | raw::TCSBRK => {}
            _ => return Err(Errno::ENOTTY.into()),
        }
        Ok(0)
    }
}
