//! The key that seals what clients keep for the server: the tokens of legacy sessions and the states of parked calls.

use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::random::random_bytes;

/// A secret of 32 bytes. Kept in the state folder, it lets what it has sealed outlive a restart.
#[derive(Clone)]
pub struct SealKey(pub [u8; 32]);

impl SealKey {
    /// A new key. What is sealed with it ends with whoever holds it.
    pub fn random() -> Self {
        SealKey(random_bytes())
    }
}

/// Where a server's key comes from. Clones give the same key.
#[derive(Clone)]
pub struct KeySource(Arc<LazyLock<SealKey, ReadKey>>);

type ReadKey = Box<dyn FnOnce() -> SealKey + Send>;

impl KeySource {
    /// `read` is called once, when the key is needed for the first time: a server that never seals anything reads and makes
    /// none.
    pub fn new(read: impl FnOnce() -> SealKey + Send + 'static) -> Self {
        KeySource(Arc::new(LazyLock::new(Box::new(read))))
    }

    /// A key of its own.
    pub fn random() -> Self {
        KeySource::new(SealKey::random)
    }

    /// The key.
    pub fn key(&self) -> &SealKey {
        &self.0
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key")
    }
}
