//! `[limits]` of `omni.toml`: what every process of a tool may take from the machine.

use anyhow::Result;
use omni_process::ProcessLimits;
use serde::Deserialize;

use super::keys::limit_of;

/// `[limits]` of `omni.toml`. Bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    memory_mib: Option<i64>,
    open_files: Option<i64>,
    file_mib: Option<i64>,
    result_mib: Option<i64>,
}

impl Limits {
    /// As it is written.
    pub(super) fn result_mib(&self) -> Option<i64> {
        self.result_mib
    }

    pub(super) fn resolve(&self) -> Result<ProcessLimits> {
        let bytes = |mib: u64| mib.saturating_mul(1 << 20);
        Ok(ProcessLimits {
            memory_bytes: limit_of("limits.memory_mib", self.memory_mib)?.map(bytes),
            open_files: limit_of("limits.open_files", self.open_files)?,
            file_bytes: limit_of("limits.file_mib", self.file_mib)?.map(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_processes_are_given_in_mebibytes_and_too_small_ones_are_refused() {
        let resolve = |text: &str| toml::from_str::<Limits>(text).unwrap().resolve();
        let limits = resolve("memory_mib = 512\nopen_files = 256").unwrap();
        assert_eq!(
            (limits.memory_bytes, limits.open_files, limits.file_bytes),
            (Some(512 << 20), Some(256), None)
        );
        for (text, named) in [("memory_mib = 1", "memory_mib"), ("open_files = 3", "open_files")] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("or more"), "{error}");
        }
        assert!(toml::from_str::<Limits>("memory = 1").is_err());
    }
}
