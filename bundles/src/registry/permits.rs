//! Who may download at the same time: so many blobs of each tenant, so many from each registry.
//!
//! A tenant's own permit comes first. So no more than that many of its downloads ever wait at a registry, where permits are
//! given in the order of asking: whoever comes later waits for a few of each tenant, not for all of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Options;

/// The permits of a client. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    tenants: Pool,
    hosts: Pool,
}

/// Leave for one download, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _tenant: Option<OwnedSemaphorePermit>,
    _host: Option<OwnedSemaphorePermit>,
}

impl Permits {
    pub(super) fn new(options: &Options) -> Self {
        Self { tenants: Pool::new(options.parallel_per_tenant), hosts: Pool::new(options.parallel_per_host) }
    }

    /// Waits until both have one left.
    pub(super) async fn take(&self, tenant: &str, host: &str) -> Permit {
        let tenant = self.tenants.take(tenant).await;
        Permit { _tenant: tenant, _host: self.hosts.take(host).await }
    }
}

/// The same number of permits for each name.
#[derive(Clone, Debug)]
struct Pool {
    each: usize,
    names: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Pool {
    fn new(each: usize) -> Self {
        Self { each: each.max(1), names: Arc::default() }
    }

    async fn take(&self, name: &str) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            // A permit, or a wait for one, holds its semaphore; the others are as good as new ones.
            names.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            let new = || Arc::new(Semaphore::new(self.each));
            Arc::clone(names.entry(name.to_owned()).or_insert_with(new))
        };
        // It is never closed.
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_tenant_or_registry_does_not_hold_up_another() {
        let permits =
            Permits::new(&Options { parallel_per_tenant: 2, parallel_per_host: 3, ..Options::default() });
        let now = |tenant: &str, host: &str| permits.take(tenant, host).now_or_never();
        let first = now("a", "slow").expect("a permit is left");
        let _second = now("a", "slow").expect("a permit is left");
        assert!(now("a", "good").is_none(), "it has its two");
        let _third = now("b", "slow").expect("a permit is left");
        assert!(now("c", "slow").is_none(), "the registry has its three");
        let _fourth = now("b", "good").expect("another registry has permits of its own");
        drop(first);
        assert!(now("c", "slow").is_some());
        assert!(now("a", "good").is_some());
    }

    #[test]
    fn names_are_forgotten() {
        let permits = Permits::new(&Options::default());
        for number in 0..10 {
            drop(permits.take(&number.to_string(), "host").now_or_never());
        }
        assert!(permits.tenants.names.lock().unwrap().len() <= 1);
    }
}
