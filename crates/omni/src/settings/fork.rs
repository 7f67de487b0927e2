//! `[fork]` of `omni.toml`: how `fork` has processes ready for tools whose skill does not say it.

use anyhow::Result;
use omni_call::ForkSettings;
use serde::Deserialize;

use super::keys::number_of;

/// `[fork]` of `omni.toml`. Bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForkTable {
    ahead: Option<i64>,
    calls: Option<i64>,
    processes: Option<i64>,
}

impl ForkTable {
    /// As it is written.
    pub(super) fn processes(&self) -> Option<i64> {
        self.processes
    }

    pub(super) fn resolve(&self) -> Result<ForkSettings> {
        Ok(ForkSettings { ahead: said("fork.ahead", self.ahead)?, calls: said("fork.calls", self.calls)? })
    }
}

/// The number, where the file has one: a tool's own word comes before the default.
fn said(name: &str, written: Option<i64>) -> Result<Option<u32>> {
    let number = number_of(name, written)?;
    Ok(written.and_then(|_| u32::try_from(number).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_settings_are_bounded_and_an_unknown_one_is_an_error() {
        let resolve = |text: &str| toml::from_str::<ForkTable>(text).unwrap().resolve();
        assert_eq!(resolve("").unwrap(), ForkSettings::default());
        let set = resolve("ahead = 2\ncalls = 100").unwrap();
        assert_eq!(set, ForkSettings { ahead: Some(2), calls: Some(100) });
        for wrong in ["ahead = -1", "ahead = 65", "calls = 0", "calls = 4294967297"] {
            let error = resolve(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("`fork.{wrong}`")) && error.contains("is not from"), "{error}");
        }
        assert!(toml::from_str::<ForkTable>("prewarmed = 2").is_err());
    }
}
