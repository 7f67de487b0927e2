//! A folder for a store, and tasks to put into it.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use omni_store::{NewTask, Store, StoreConfig, Task};

pub(crate) struct Lab {
    dir: tempfile::TempDir,
    pub(crate) now: SystemTime,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Lab { dir: tempfile::tempdir().unwrap(), now }
    }

    /// The store's folder, which is not there before a store is used.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder().join("omni.db")
    }

    pub(crate) fn store(&self) -> Store {
        self.store_with(|_| {})
    }

    pub(crate) fn store_with(&self, adjust: impl FnOnce(&mut StoreConfig)) -> Store {
        let mut config = StoreConfig::default();
        adjust(&mut config);
        Store::open(self.folder(), config).unwrap()
    }

    /// A task of Ada, kept for an hour.
    pub(crate) fn task(&self, id: &str) -> NewTask {
        NewTask {
            id: id.to_owned(),
            owner: "ada".to_owned(),
            method: "tools/call".to_owned(),
            name: "maths_slow".to_owned(),
            created: self.now,
            ttl: Some(Duration::from_secs(3600)),
            poll_interval: Some(Duration::from_millis(500)),
        }
    }

    /// What Ada sees of a task.
    pub(crate) fn seen(&self, store: &Store, id: &str) -> Option<Task> {
        store.task(id, "ada", self.now).wait().unwrap()
    }
}
