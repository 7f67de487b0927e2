//! `[fork]` of `omni.toml`: how `fork` has processes ready for tools whose skill does not say it.

use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use omni_call::ForkSettings;
use serde::Deserialize;

/// `[fork]` of `omni.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForkTable {
    /// Processes that wait, already forked; 0 forks when the call comes.
    ahead: Option<i64>,
    /// Calls that one process serves.
    calls: Option<i64>,
}

impl ForkTable {
    pub(super) fn resolve(&self) -> Result<ForkSettings> {
        Ok(ForkSettings {
            ahead: bounded("ahead", self.ahead, 0..=ForkSettings::AHEAD_MAX)?,
            calls: bounded("calls", self.calls, 1..=ForkSettings::CALLS_MAX)?,
        })
    }
}

fn bounded(name: &str, value: Option<i64>, allowed: RangeInclusive<u32>) -> Result<Option<u32>> {
    let Some(value) = value else { return Ok(None) };
    match u32::try_from(value).ok().filter(|value| allowed.contains(value)) {
        Some(value) => Ok(Some(value)),
        None => {
            bail!("`fork.{name} = {value}` in omni.toml is not from {} to {}", allowed.start(), allowed.end())
        }
    }
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
