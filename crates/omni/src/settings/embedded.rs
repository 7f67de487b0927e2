//! `[embedded]` of `omni.toml`: the interpreter inside the server.

use anyhow::{Result, bail};
use serde::Deserialize;

/// `[embedded]` of `omni.toml`: the interpreter inside the server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbeddedTable {
    /// Plain calls at most that run in it at once.
    threads: Option<usize>,
}

impl EmbeddedTable {
    const THREADS: usize = 4;
    const THREADS_MAX: usize = 64;

    pub(super) fn threads(&self) -> Result<usize> {
        match self.threads {
            None => Ok(Self::THREADS),
            Some(threads @ 1..=Self::THREADS_MAX) => Ok(threads),
            Some(threads) => {
                bail!("`embedded.threads = {threads}` in omni.toml is not from 1 to {}", Self::THREADS_MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_threads_are_few() {
        let threads = |text: &str| toml::from_str::<EmbeddedTable>(text).unwrap().threads();
        assert_eq!((threads("").unwrap(), threads("threads = 1").unwrap()), (4, 1));
        let error = threads("threads = 0").unwrap_err().to_string();
        assert!(error.contains("embedded.threads = 0"), "{error}");
    }
}
