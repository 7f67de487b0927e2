//! `[asking]` of `omni.toml`: how many calls wait for an answer of their client, and how long.

use std::time::Duration;

use anyhow::Result;
use omni_server::AskingLimits;
use serde::Deserialize;

use super::keys::number_of;

/// As it is written. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskingTable {
    per_principal: Option<i64>,
    total: Option<i64>,
    expires_after: Option<i64>,
}

impl AskingTable {
    pub(super) fn resolve(&self) -> Result<AskingLimits> {
        let seconds = number_of("asking.expires_after", self.expires_after)?;
        Ok(AskingLimits {
            per_principal: number_of("asking.per_principal", self.per_principal)?,
            total: number_of("asking.total", self.total)?,
            expires_after: Duration::from_secs(seconds as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keys_say_by_default_is_what_the_server_has_by_default() {
        assert_eq!(AskingTable::default().resolve().unwrap(), AskingLimits::default());
        let table: AskingTable =
            toml::from_str("per_principal = 300\ntotal = 400\nexpires_after = 5").unwrap();
        let limits = table.resolve().unwrap();
        assert_eq!((limits.per_principal, limits.total), (300, 400));
        assert_eq!(limits.expires_after, Duration::from_secs(5));
        for wrong in ["per_principal = 0", "total = 0", "expires_after = 0"] {
            let error = toml::from_str::<AskingTable>(wrong).unwrap().resolve().unwrap_err().to_string();
            assert!(error.contains(&format!("asking.{wrong}")), "{error}");
        }
    }
}
