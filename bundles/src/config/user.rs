//! `user[:group]` of an image to numbers, by the image's own /etc/passwd and /etc/group.

use oci_spec::runtime::UserBuilder;

use super::{ConfigError, ID_MAX, User};
use crate::digest::shorten;
use crate::tree::{Kind, Tree};

/// No account file that means well is longer.
const FILE_MAX: u64 = 1 << 20;

/// Who an image's processes start as.
#[derive(Debug)]
pub(super) struct Identity {
    /// User, group and supplementary groups.
    pub(super) user: User,
    /// Home directory of the account; `/` without one, as with other tools.
    pub(super) home: String,
}

/// The user that the image's processes start as.
pub(super) fn resolve(text: &str, tree: &Tree) -> Result<Identity, ConfigError> {
    let malformed = || ConfigError::MalformedUser(shorten(text));
    let (user, group) = match text.split_once(':') {
        None => (text, None),
        Some((user, group)) if user.is_empty() || group.is_empty() || group.contains(':') => {
            return Err(malformed());
        }
        Some((user, group)) => (user, Some(group)),
    };
    let accounts = read_lines(tree, b"/etc/passwd")?;
    let groups = read_lines(tree, b"/etc/group")?;
    let user = if user.is_empty() { "0" } else { user };
    let account = Account::find(user, &accounts);
    let uid = account.as_ref().map(|account| account.uid).or_else(|| number(user));
    let uid = uid.ok_or_else(|| match is_known(user, &accounts) {
        true => ConfigError::IdOutOfRange { what: "user", name: shorten(user) },
        false => ConfigError::UnknownUser(shorten(user)),
    })?;
    let gid = match group {
        None => account.as_ref().map_or(0, |account| account.gid),
        Some(group) => {
            let gid = group_number(group, &groups).or_else(|| number(group));
            gid.ok_or_else(|| match is_known(group, &groups) {
                true => ConfigError::IdOutOfRange { what: "group", name: shorten(group) },
                false => ConfigError::UnknownGroup(shorten(group)),
            })?
        }
    };
    // An explicit group is the only one, as with other tools.
    let members = match (&account, group) {
        (Some(account), None) => supplementary(&account.name, gid, &groups),
        _ => Vec::new(),
    };
    let builder = UserBuilder::default().uid(uid).gid(gid);
    let user =
        if members.is_empty() { builder.build()? } else { builder.additional_gids(members).build()? };
    let home = account.map(|account| account.home).filter(|home| home.starts_with('/'));
    Ok(Identity { user, home: home.unwrap_or_else(|| "/".to_owned()) })
}

struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

impl Account {
    fn find(user: &str, lines: &[String]) -> Option<Self> {
        lines.iter().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let (uid, gid) = (number(fields.get(2)?)?, number(fields.get(3)?)?);
            (fields[0] == user || number(user) == Some(uid)).then(|| Self {
                name: fields[0].to_owned(),
                uid,
                gid,
                home: fields.get(5).copied().unwrap_or_default().to_owned(),
            })
        })
    }
}

/// The number of a user or group; nothing beyond [`ID_MAX`].
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&number: &u32| is_number(text) && number <= ID_MAX)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is a number, or a name in an account file: then it is its number that cannot be used.
fn is_known(text: &str, lines: &[String]) -> bool {
    let has_number = |line: &String| {
        let mut fields = line.split(':');
        fields.next() == Some(text) && fields.nth(1).is_some_and(is_number)
    };
    is_number(text) || lines.iter().any(has_number)
}

fn group_number(group: &str, lines: &[String]) -> Option<u32> {
    lines.iter().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields[0] == group).then(|| number(fields.get(2)?)).flatten()
    })
}

fn supplementary(user: &str, primary: u32, lines: &[String]) -> Vec<u32> {
    let mut members: Vec<u32> = lines
        .iter()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let listed = fields.get(3)?.split(',').any(|member| member == user);
            number(fields.get(2)?).filter(|&gid| listed && gid != primary)
        })
        .collect();
    members.sort_unstable();
    members.dedup();
    members
}

fn read_lines(tree: &Tree, path: &[u8]) -> Result<Vec<String>, ConfigError> {
    let Some(id) = tree.lookup(path).map_err(ConfigError::Lookup)? else { return Ok(Vec::new()) };
    let Kind::File(extent) = tree.node(id).kind else { return Ok(Vec::new()) };
    let bytes = tree.spool().head(extent, FILE_MAX);
    let bytes = bytes.map_err(|error| ConfigError::Lookup(crate::tree::TreeError::Spool(error)))?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::tree::Meta;

    fn tree() -> Tree {
        let mut tree = Tree::new(&std::env::temp_dir(), &Limits::default()).unwrap();
        for (path, text) in [
            ("etc/passwd", "root:x:0:0::/:\nweb:x:33:34::/srv/web:\nbad\nhuge:x:3000000000:0::/:\n"),
            ("etc/group", "www:x:34:\nhugegroup:x:3000000000:\nextra:x:50:web,other\nextra2:x:40:web\n"),
        ] {
            let extent = tree.spool_mut().append(text.as_bytes(), text.len() as u64).unwrap();
            tree.put(path.as_bytes(), Meta::with_mode(0o644), Kind::File(extent)).unwrap();
        }
        tree
    }

    fn ids(text: &str) -> Result<(u32, u32, Vec<u32>), ConfigError> {
        let user = resolve(text, &tree())?.user;
        Ok((user.uid(), user.gid(), user.additional_gids().clone().unwrap_or_default()))
    }

    #[test]
    fn homes() {
        let home = |text| resolve(text, &tree()).unwrap().home;
        assert_eq!((home("").as_str(), home("web").as_str(), home("1234").as_str()), ("/", "/srv/web", "/"));
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(ids("").unwrap(), (0, 0, vec![]));
        assert_eq!(ids("web").unwrap(), (33, 34, vec![40, 50]));
        assert_eq!(ids("33").unwrap(), (33, 34, vec![40, 50]));
        assert_eq!(ids("web:extra").unwrap(), (33, 50, vec![]));
        assert_eq!(ids("1234").unwrap(), (1234, 0, vec![]));
        assert_eq!(ids("1234:5").unwrap(), (1234, 5, vec![]));
    }

    #[test]
    fn numbers_that_are_too_large_are_called_so() {
        for text in
            ["3000000000", "4294967295", "99999999999999999999", "huge", "1:3000000000", "1:hugegroup"]
        {
            let error = ids(text).unwrap_err();
            assert!(matches!(error, ConfigError::IdOutOfRange { .. }), "{text}: {error}");
            assert!(error.to_string().contains("2147483647"), "{error}");
        }
        assert!(matches!(ids("nobody"), Err(ConfigError::UnknownUser(_))));
        assert!(matches!(ids("1:nogroup"), Err(ConfigError::UnknownGroup(_))));
        assert_eq!(ids("2147483647").unwrap().0, 2_147_483_647);
    }

    #[test]
    fn refusals() {
        for text in ["nobody", "-1", "4294967295", "+5", "web:nogroup", ":5", "5:", "1:2:3"] {
            assert!(ids(text).is_err(), "{text}");
        }
    }
}
