//! Who has subscribed to which resource, and when one counts as updated.
//!
//! A resource is updated when its content is another one in the catalogue's next snapshot, or when a running call says so.
//! Of each URI that anybody has subscribed to, the table knows the version that listeners were told of last, so nothing
//! has to be found by comparing whole catalogues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omni_catalog::{Catalog, ResourceVersion};

use crate::admission::{PeerAccount, Permit, Quantity};
use crate::change_queue::ChangeQueue;

/// URIs that one session, or one `subscriptions/listen`, may have subscribed to.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 1_000;

/// The longest URI that can be subscribed to.
pub(crate) const URI_BYTES_MAX: usize = 8 << 10;

/// With more URIs than this the versions are compared on another thread.
const COMPARED_INLINE_MAX: usize = 1_000;

/// The resources that anybody has subscribed to.
#[derive(Debug, Default)]
pub(crate) struct ResourceUpdates {
    table: Mutex<HashMap<Arc<str>, Subscribed>>,
}

#[derive(Debug)]
struct Subscribed {
    /// What the listeners were told of last, or what it was when the first of them came.
    version: ResourceVersion,
    listeners: Vec<Arc<ChangeQueue>>,
}

/// Why a URI cannot be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubscriptionRefused {
    #[error("there is no such resource, and no template that it is made from")]
    Unknown,
    #[error("a URI of more than {URI_BYTES_MAX} bytes cannot be subscribed to")]
    TooLong,
    #[error("{SUBSCRIPTIONS_MAX} resources are subscribed to already; unsubscribe from one of them first")]
    TooMany,
    #[error("the server's clients have as many subscriptions as it keeps; try again when some have ended")]
    ServerFull,
}

impl ResourceUpdates {
    /// Has `listener` told of each update of `uri`. What the catalogue has of it is looked at under the table's lock:
    /// a snapshot that comes later is compared with that.
    fn subscribe(
        &self,
        uri: &str,
        catalog: &Catalog,
        listener: &Arc<ChangeQueue>,
    ) -> Result<Arc<str>, SubscriptionRefused> {
        let mut table = self.table();
        let version = catalog.snapshot().resource_version(uri);
        if version == ResourceVersion::Absent {
            return Err(SubscriptionRefused::Unknown);
        }
        let known = table.get_key_value(uri).map(|(known, _)| known.clone());
        let uri = known.unwrap_or_else(|| uri.into());
        let subscribed =
            table.entry(uri.clone()).or_insert_with(|| Subscribed { version, listeners: Vec::new() });
        subscribed.listeners.push(listener.clone());
        Ok(uri)
    }

    fn unsubscribe(&self, uri: &str, listener: &Arc<ChangeQueue>) {
        let mut table = self.table();
        let Some(subscribed) = table.get_mut(uri) else { return };
        if let Some(at) = subscribed.listeners.iter().position(|other| Arc::ptr_eq(other, listener)) {
            subscribed.listeners.swap_remove(at);
        }
        if subscribed.listeners.is_empty() {
            table.remove(uri);
        }
        drop(table);
        listener.forget(uri);
    }

    /// Tells all who have subscribed to it that a resource was updated.
    pub(crate) fn updated(&self, uri: &str) {
        let table = self.table();
        if let Some((uri, subscribed)) = table.get_key_value(uri) {
            subscribed.listeners.iter().for_each(|listener| listener.resource_updated(uri));
        }
    }

    /// Tells of what has other content in the snapshot in force than it had before.
    pub(crate) fn catalog_changed(self: &Arc<Self>, catalog: &Arc<Catalog>) {
        let count = self.table().len();
        if count == 0 {
            return;
        }
        let (updates, catalog) = (self.clone(), catalog.clone());
        let compare = move || updates.compare(&catalog);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if count > COMPARED_INLINE_MAX => drop(runtime.spawn_blocking(compare)),
            _ => compare(),
        }
    }

    fn compare(&self, catalog: &Catalog) {
        let mut table = self.table();
        let snapshot = catalog.snapshot();
        for (uri, subscribed) in table.iter_mut() {
            let version = snapshot.resource_version(uri);
            if version != subscribed.version {
                subscribed.version = version;
                subscribed.listeners.iter().for_each(|listener| listener.resource_updated(uri));
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Arc<str>, Subscribed>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resources that one listener has subscribed to. Dropping it ends all of these subscriptions.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    updates: Arc<ResourceUpdates>,
    listener: Arc<ChangeQueue>,
    /// Each with its place in the account of its peer.
    uris: HashMap<Arc<str>, Permit>,
}

impl Subscriptions {
    pub(crate) fn new(updates: Arc<ResourceUpdates>, listener: Arc<ChangeQueue>) -> Self {
        Subscriptions { updates, listener, uris: HashMap::new() }
    }

    /// Subscribes to a resource that there is, or that a template makes. Once more changes nothing.
    pub(crate) fn add(
        &mut self,
        uri: &str,
        catalog: &Catalog,
        account: &PeerAccount,
    ) -> Result<(), SubscriptionRefused> {
        if self.uris.contains_key(uri) {
            return Ok(());
        }
        if uri.len() > URI_BYTES_MAX {
            return Err(SubscriptionRefused::TooLong);
        }
        if self.uris.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscriptionRefused::TooMany);
        }
        let Some(permit) = account.try_take(Quantity::Subscriptions, 1) else {
            return Err(SubscriptionRefused::ServerFull);
        };
        let uri = self.updates.subscribe(uri, catalog, &self.listener)?;
        self.uris.insert(uri, permit);
        Ok(())
    }

    /// Ends one. Of what it is not subscribed to, nothing happens.
    pub(crate) fn remove(&mut self, uri: &str) {
        if self.uris.remove(uri).is_some() {
            self.updates.unsubscribe(uri, &self.listener);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.uris.keys().for_each(|uri| self.updates.unsubscribe(uri, &self.listener));
    }
}
