//! `[limits]` of `omni.toml`: what every process of a tool may take from the machine.

use anyhow::{Result, bail};
use omni_exec::ProcessLimits;
use serde::Deserialize;

/// `[limits]` of `omni.toml`: what every process of a tool may take from the machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Memory in MiB.
    memory_mib: Option<u64>,
    open_files: Option<u64>,
    /// Size of a file that is written, in MiB.
    file_mib: Option<u64>,
}

impl Limits {
    /// Less than this, and Python itself would not start.
    const MEMORY_MIB_MIN: u64 = 32;
    const OPEN_FILES_MIN: u64 = 64;

    pub(super) fn resolve(&self) -> Result<ProcessLimits> {
        if let Some(mib) = self.memory_mib.filter(|mib| *mib < Self::MEMORY_MIB_MIN) {
            bail!(
                "`limits.memory_mib = {mib}` in omni.toml is too little for Python; use {} or more",
                Self::MEMORY_MIB_MIN
            );
        }
        if let Some(files) = self.open_files.filter(|files| *files < Self::OPEN_FILES_MIN) {
            bail!(
                "`limits.open_files = {files}` in omni.toml is too few for Python; use {} or more",
                Self::OPEN_FILES_MIN
            );
        }
        Ok(ProcessLimits {
            memory_bytes: self.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
            open_files: self.open_files,
            file_bytes: self.file_mib.map(|mib| mib.saturating_mul(1 << 20)),
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
