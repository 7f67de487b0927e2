//! `[results]` of `omni.toml`: which results are kept in files instead of being sent, and how long.

use std::time::Duration;

use anyhow::Result;
use omni_server::StoredResultsConfig;
use serde::Deserialize;

use super::keys::{limit_of, number_of};

/// As it is written. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultsTable {
    inline_kib: Option<i64>,
    structured_kib: Option<i64>,
    kept_mib: Option<i64>,
    kept: Option<i64>,
    kept_for: Option<i64>,
}

impl ResultsTable {
    /// `None` where every result is sent as it is.
    pub(super) fn resolve(&self) -> Result<Option<StoredResultsConfig>> {
        let inline = limit_of("results.inline_kib", self.inline_kib)?;
        let structured = number_of("results.structured_kib", self.structured_kib)?;
        let bytes_max = (number_of("results.kept_mib", self.kept_mib)? as u64) << 20;
        let count_max = number_of("results.kept", self.kept)?;
        let kept_for = Duration::from_secs(number_of("results.kept_for", self.kept_for)? as u64);
        Ok(inline.map(|kib| StoredResultsConfig {
            inline_bytes_max: usize::try_from(kib << 10).unwrap_or(usize::MAX),
            structured_bytes_max: structured << 10,
            bytes_max,
            count_max,
            kept_for,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keys_say_by_default_is_what_the_server_has_by_default() {
        assert_eq!(ResultsTable::default().resolve().unwrap(), Some(StoredResultsConfig::default()));
        let off = ResultsTable { inline_kib: Some(0), ..ResultsTable::default() };
        assert_eq!(off.resolve().unwrap(), None);
    }
}
