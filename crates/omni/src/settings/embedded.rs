//! `[embedded]` of `omni.toml`: the interpreter inside the server.

use anyhow::Result;
use serde::Deserialize;

use super::keys::number_of;

/// `[embedded]` of `omni.toml`. Default and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbeddedTable {
    threads: Option<i64>,
}

impl EmbeddedTable {
    /// Plain calls at most that run in it at once.
    pub(super) fn threads(&self) -> Result<usize> {
        number_of("embedded.threads", self.threads)
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
