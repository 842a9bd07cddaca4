//! Linux error numbers, as a type of their own.

use core::fmt;
use linux_raw_sys::errno as raw;

/// An error number of `errno(3)`; never 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(u16);

/// The result of an operation that cannot wait.
pub type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    /// What a system call puts into `rax`: the negated number.
    #[must_use]
    pub const fn as_return_value(self) -> u64 {
        (-(self.0 as i64)).cast_unsigned()
    }

    /// The error with this number, if it can be one of Linux.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1..=4095 => Some(Self(number as u16)),
            _ => None,
        }
    }

    /// The positive number of errno(3).
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

macro_rules! numbers {
    ($($name:ident)*) => {
        #[expect(missing_docs, reason = "errno(3) describes them")]
        impl Errno { $(pub const $name: Self = Self(raw::$name as u16);)* }

        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)*
                    Self(other) => write!(f, "errno {other}"),
                }
            }
        }
    };
}

numbers! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV
    ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE
    EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENODATA EOVERFLOW EILSEQ ENOTSOCK EDESTADDRREQ EMSGSIZE
    EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT
    ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS ESTALE ECANCELED EOWNERDEAD ENOTRECOVERABLE ELIBBAD
    EIDRM ENOMSG
}
