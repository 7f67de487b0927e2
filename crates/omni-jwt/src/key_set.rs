//! The keys that an issuer publishes: a JWK Set (RFC 7517, section 5).

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::key::Key;
use crate::strict_json;

/// The largest set that is read. Sets of issuers have two to six keys, some with chains of certificates: 20 KiB.
pub const KEY_SET_BYTES_MAX: usize = 256 << 10;
/// The most keys that a set may have.
pub const KEYS_MAX: usize = 64;

/// A signature is held to so many keys at most, where its token names none.
const TRIES_MAX: usize = 8;

/// The public keys of an issuer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet {
    keys: Vec<Key>,
    /// Of each key that is not used: which of the set, from 1 on, and why not.
    skipped: Vec<(usize, &'static str)>,
}

/// Why a text is no set of keys. Shows nothing of the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("it has {bytes} bytes; a set of keys has {KEY_SET_BYTES_MAX} at most")]
    TooLarge { bytes: usize },
    #[error("it is no JWK Set: a JSON object whose `keys` is a list of objects, none with a name twice")]
    NoSet,
    #[error("it has {keys} keys; {KEYS_MAX} are read at most")]
    TooMany { keys: usize },
    #[error(
        "key {key} of it is a private key: whoever reads it can sign tokens, so nobody may use it; publish its public half"
    )]
    Private { key: usize },
    #[error("none of its {keys} keys can be used{}", first(.skipped))]
    NoneUsable { keys: usize, skipped: Vec<(usize, &'static str)> },
}

fn first(skipped: &[(usize, &'static str)]) -> String {
    skipped.first().map_or(String::new(), |(key, why)| format!(": key {key} {why}"))
}

impl KeySet {
    /// Reads a set. Keys that are not for signatures of ours are left out, see [`KeySet::skipped`].
    ///
    /// # Errors
    /// It is no set, is too large, has no key that can be used, or one that is private.
    pub fn read(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLarge { bytes: text.len() });
        }
        let set = strict_json::object(text).ok_or(KeySetError::NoSet)?;
        let Some(Value::Array(items)) = set.get("keys") else { return Err(KeySetError::NoSet) };
        if items.len() > KEYS_MAX {
            return Err(KeySetError::TooMany { keys: items.len() });
        }
        let mut read = KeySet::default();
        for (key, item) in (1..).zip(items) {
            let Value::Object(members) = item else { return Err(KeySetError::NoSet) };
            if members.contains_key("d") {
                return Err(KeySetError::Private { key });
            }
            match Key::of(members) {
                Ok(usable) => read.keys.push(usable),
                Err(why) => read.skipped.push((key, why)),
            }
        }
        match read.keys.is_empty() {
            true => Err(KeySetError::NoneUsable { keys: items.len(), skipped: read.skipped }),
            false => Ok(read),
        }
    }

    /// How many of its keys are used.
    pub fn usable(&self) -> usize {
        self.keys.len()
    }

    /// Of each key that is not used: which of the set, from 1 on, and why not.
    pub fn skipped(&self) -> &[(usize, &'static str)] {
        &self.skipped
    }

    /// The keys that a signature may be of: those of its id, else those without one; for a token that names no key, any.
    /// The id is only compared: nothing is looked up by it.
    pub(crate) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let named = id.is_some_and(|id| self.has(id));
        let fitting = move |key: &&Key| {
            let own = key.id.as_deref();
            key.fits(algorithm) && (id.is_none() || if named { own == id } else { own.is_none() })
        };
        self.keys.iter().filter(fitting).take(TRIES_MAX)
    }

    /// Whether it has a key of that id, for whatever algorithm.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }
}
