//! `[streams]` of `omni.toml`: how streams over HTTP go on that their clients can resume.

use std::time::Duration;

use anyhow::Result;
use omni_server::StreamSettings;
use serde::Deserialize;

use super::keys::number_of;

/// As it is written. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamsTable {
    kept_for: Option<i64>,
    closed_after: Option<i64>,
}

impl StreamsTable {
    pub(super) fn resolve(&self) -> Result<StreamSettings> {
        let kept_for = number_of("streams.kept_for", self.kept_for)?;
        let closed_after = number_of("streams.closed_after", self.closed_after)?;
        Ok(StreamSettings {
            kept_for: Duration::from_secs(kept_for as u64),
            closed_after: (closed_after > 0).then(|| Duration::from_secs(closed_after as u64)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keys_say_by_default_is_what_the_server_has_by_default() {
        assert_eq!(StreamsTable::default().resolve().unwrap(), StreamSettings::default());
        let resolve = |text: &str| toml::from_str::<StreamsTable>(text).unwrap().resolve();
        let set = resolve("kept_for = 0\nclosed_after = 45").unwrap();
        let expected =
            StreamSettings { kept_for: Duration::ZERO, closed_after: Some(Duration::from_secs(45)) };
        assert_eq!(set, expected);
        for wrong in ["kept_for = 3601", "closed_after = -1"] {
            let error = resolve(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("streams.{wrong}")), "{error}");
        }
    }
}
