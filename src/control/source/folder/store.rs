//! Secrets of a folder as clients keep them: those that have the mark `..managed-by` among their files. Others are the
//! operator's, and to clients as if they were not there.
//!
//! A secret that a client makes has one file, named as it. The mark's two dots keep it from being a file of the secret.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use api::validate::{is_dns_label, is_dns_subdomain, is_secret_key};
use volume::secrets::VALUE_MAX;

use super::FolderCatalog;
use super::secrets::DOCKER_CONFIG_KEY;
use crate::source::{Answer, Kept, MANAGER, SecretStore};

/// The file that marks a secret as one that clients keep; [`MANAGER`] is in it.
const MARK: &str = "..managed-by";
/// Beginning of a folder that is not, or no longer, a secret.
const ASIDE: &str = "..";

impl FolderCatalog {
    /// The folder of a secret, if its names can be such.
    fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        anyhow::ensure!(is_dns_label(namespace), "`{namespace}` cannot be a namespace");
        anyhow::ensure!(
            is_dns_subdomain(name) && is_secret_key(name),
            "`{name}` cannot be the name of a secret"
        );
        Ok(self.secrets_folder().join(namespace).join(name))
    }

    /// Makes a folder that becomes a secret, whole, by its rename.
    fn make(&self, namespace: &str, name: &str, value: &[u8]) -> anyhow::Result<bool> {
        let folder = self.secret(namespace, name)?;
        check(value)?;
        let parent = folder.parent().context("it lies in a namespace")?;
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let fresh = parent.join(format!("{ASIDE}{name}.{:016x}", fastrand::u64(..)));
        DirBuilder::new().mode(0o700).create(&fresh)?;
        let made = volume::replace_private(&fresh.join(name), value)
            .and_then(|()| volume::replace_private(&fresh.join(MARK), MANAGER.as_bytes()))
            .and_then(|()| match folder.exists() {
                true => Err(io::ErrorKind::AlreadyExists.into()),
                // A folder that came meanwhile has files, and so is not replaced.
                false => fs::rename(&fresh, &folder),
            });
        match made {
            Ok(()) => {
                File::open(parent)?.sync_all()?;
                Ok(true)
            }
            Err(error) => {
                fs::remove_dir_all(&fresh).ok();
                let kinds = [io::ErrorKind::AlreadyExists, io::ErrorKind::DirectoryNotEmpty];
                if kinds.contains(&error.kind()) { Ok(false) } else { Err(error.into()) }
            }
        }
    }

    fn change(&self, namespace: &str, name: &str, value: &[u8]) -> anyhow::Result<bool> {
        let folder = self.secret(namespace, name)?;
        check(value)?;
        if !is_managed(&folder) {
            return Ok(false);
        }
        volume::replace_private(&folder.join(name), value)?;
        Ok(true)
    }

    fn take_away(&self, namespace: &str, name: &str) -> anyhow::Result<bool> {
        let folder = self.secret(namespace, name)?;
        if !is_managed(&folder) {
            return Ok(false);
        }
        // Gone at once, whatever happens while its files go.
        let aside = folder.with_file_name(format!("{ASIDE}{name}.{:016x}", fastrand::u64(..)));
        fs::rename(&folder, &aside)?;
        fs::remove_dir_all(&aside)?;
        Ok(true)
    }

    fn kept(&self, namespace: &str) -> anyhow::Result<Vec<String>> {
        anyhow::ensure!(is_dns_label(namespace), "`{namespace}` cannot be a namespace");
        let mut names = names(&self.secrets_folder().join(namespace))?;
        names.retain(|name| self.secret(namespace, name).is_ok_and(|folder| is_managed(&folder)));
        Ok(names)
    }
}

/// Names of the folders in a folder; none where it is not there.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn is_managed(folder: &Path) -> bool {
    fs::read_to_string(folder.join(MARK)).is_ok_and(|by| by.trim() == MANAGER)
}

fn check(value: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(value.len() as u64 <= VALUE_MAX, "the value of a secret has at most {VALUE_MAX} bytes");
    Ok(())
}

impl SecretStore for FolderCatalog {
    fn namespaces(&self) -> Answer<'_, anyhow::Result<Vec<String>>> {
        Box::pin(async move {
            let mut all = names(&self.secrets_folder())?;
            all.retain(|namespace| self.kept(namespace).is_ok_and(|kept| !kept.is_empty()));
            Ok(all)
        })
    }

    fn list<'a>(&'a self, namespace: &'a str) -> Answer<'a, anyhow::Result<Vec<String>>> {
        Box::pin(async move { self.kept(namespace) })
    }

    fn find<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, anyhow::Result<Option<Kept>>> {
        Box::pin(async move {
            let folder = self.secret(namespace, name)?;
            let credentials = folder.join(DOCKER_CONFIG_KEY).exists();
            Ok(is_managed(&folder).then_some(if credentials { Kept::Credentials } else { Kept::Files }))
        })
    }

    fn create<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        value: &'a [u8],
    ) -> Answer<'a, anyhow::Result<bool>> {
        Box::pin(async move { self.make(namespace, name, value) })
    }

    fn update<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        value: &'a [u8],
    ) -> Answer<'a, anyhow::Result<bool>> {
        Box::pin(async move { self.change(namespace, name, value) })
    }

    fn delete<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, anyhow::Result<bool>> {
        Box::pin(async move { self.take_away(namespace, name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_secrets_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = FolderCatalog::new(folder.path().to_owned(), None, None);
        let of_operator = folder.path().join("secrets/default/db");
        fs::create_dir_all(&of_operator).unwrap();
        fs::write(of_operator.join("db"), "theirs").unwrap();
        assert!(!catalog.make("default", "db", b"mine").unwrap(), "the name is taken");
        assert!(!catalog.change("default", "db", b"mine").unwrap());
        assert!(!catalog.take_away("default", "db").unwrap());
        assert_eq!(fs::read_to_string(of_operator.join("db")).unwrap(), "theirs");
        assert!(catalog.make("default", "token", b"one\n").unwrap());
        assert!(!catalog.make("default", "token", b"two").unwrap());
        assert_eq!(catalog.kept("default").unwrap(), ["token"]);
        let file = folder.path().join("secrets/default/token/token");
        assert_eq!(fs::read(&file).unwrap(), b"one\n");
        assert!(catalog.change("default", "token", b"two").unwrap());
        // What functions get of it is its file alone.
        let files = volume::secrets::read(file.parent().unwrap()).unwrap();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("token".to_owned(), b"two".to_vec())]);
        assert!(
            catalog.take_away("default", "token").unwrap() && !catalog.take_away("default", "token").unwrap()
        );
        assert_eq!(names(&folder.path().join("secrets/default")).unwrap(), ["db"]);
    }

    #[test]
    fn names_that_are_no_paths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = FolderCatalog::new(folder.path().to_owned(), None, None);
        for (namespace, name) in [("..", "a"), ("a/b", "a"), ("n", "../a"), ("n", ".."), ("n", ""), ("", "a")]
        {
            assert!(catalog.make(namespace, name, b"x").is_err(), "{namespace}/{name}");
        }
        assert!(catalog.make("n", "a", &vec![0; VALUE_MAX as usize + 1]).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
