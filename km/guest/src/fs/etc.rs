//! Files of /etc that a container engine supplies: resolv.conf, hosts, hostname. They take the place of the image's,
//! which say how the machine was called where the image was built, and which name servers it had.

use super::node::{Node, dir};
use super::vfs::{directory, file};
use crate::errno::Result;
use alloc::format;
use alloc::rc::Rc;

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/// For machines that reach nothing. There is no name server: lookups of other names fail at once, because nothing listens on loopback.
const RESOLV_CONF: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

pub(super) fn supply(root: &Rc<Node>, hostname: &str, resolv_conf: Option<&str>) -> Result<()> {
    let etc = directory(root, b"etc", 0o755)?;
    let hosts = format!("{HOSTS}127.0.0.1\t{hostname}\n");
    let files = [
        ("hosts", hosts.as_str()),
        ("hostname", &format!("{hostname}\n")),
        ("resolv.conf", resolv_conf.unwrap_or(RESOLV_CONF)),
    ];
    for (name, content) in files {
        remove(&etc, name.as_bytes())?;
        file(&etc, name.as_bytes(), 0o644, content.as_bytes())?;
    }
    Ok(())
}

/// Removes the image's own, a file or a link to one; a directory is left alone.
fn remove(etc: &Rc<Node>, name: &[u8]) -> Result<()> {
    match dir::lookup(etc, name)? {
        Some(node) if node.dir().is_none() => {
            dir::remove(etc, name)?;
            node.drop_link();
            Ok(())
        }
        _ => Ok(()),
    }
}
