//! What a packed program may miss when it runs.

use std::fmt;
use std::path::PathBuf;

/// Something that the image lacks. It can be written all the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// An added file asks for a library that this machine does not have; the program may do without.
    MissingLibrary(String),
    /// A symbolic link leads to something of this machine that is not in the image.
    LinkOutside {
        /// The link in the image.
        link: PathBuf,
        /// What it leads to, on this machine.
        target: PathBuf,
        /// What that must be called in the image.
        wanted: PathBuf,
    },
    /// A symbolic link leads nowhere, on this machine as in the image.
    LinkNowhere {
        /// The link in the image.
        link: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// A script's interpreter may need a library of its own, and where that is is not known here.
    UnknownInterpreter(PathBuf),
    /// A known interpreter does not say where its standard library is.
    SilentInterpreter(PathBuf),
    /// An argument of the program names a file of this machine that is not in the image.
    ArgumentOutside(PathBuf),
    /// An argument of the program names a file of the image by a path that leads elsewhere there.
    ArgumentElsewhere {
        /// The argument, a relative path.
        argument: String,
        /// Where the file is in the image.
        path: PathBuf,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLibrary(library) => {
                write!(f, "an added file asks for {library}, which is not on this machine")
            }
            Self::LinkOutside { link, target, wanted } => {
                let (link, target) = (link.display(), target.display());
                write!(f, "{link} is a link to something that is not in the image; --add {target}")?;
                if target.to_string() != wanted.display().to_string() {
                    write!(f, ":{}", wanted.display())?;
                }
                f.write_str(" would bring it along")
            }
            Self::LinkNowhere { link, target } => {
                write!(
                    f,
                    "{} is a link to {}, which is not on this machine",
                    link.display(),
                    target.display()
                )
            }
            Self::UnknownInterpreter(program) => write!(
                f,
                "{} may load files besides its libraries; --add PATH brings them along",
                program.display()
            ),
            Self::SilentInterpreter(program) => write!(
                f,
                "{} does not say where its standard library is; --add PATH brings it along",
                program.display()
            ),
            Self::ArgumentElsewhere { argument, path } => {
                write!(f, "{argument} is {} in the image; name it so, or give --cwd", path.display())
            }
            Self::ArgumentOutside(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is named by the command and not in the image; --add {path} would bring it along"
                )
            }
        }
    }
}
