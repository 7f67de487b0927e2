//! `[admission]` of `omni.toml`: what clients may send and keep open.

use anyhow::{Result, bail};
use omni_server::Limits;
use serde::Deserialize;

use super::keys::number_of;

/// `[admission]` of `omni.toml`. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdmissionTable {
    memory_mib: Option<i64>,
    body_mib: Option<i64>,
    line_mib: Option<i64>,
    calls: Option<i64>,
    waiting_calls: Option<i64>,
    connections: Option<i64>,
    sessions: Option<i64>,
    open_requests: Option<i64>,
}

impl AdmissionTable {
    pub(super) fn resolve(&self) -> Result<Limits> {
        let limits = Limits {
            memory_bytes_max: number_of("admission.memory_mib", self.memory_mib)? << 20,
            body_bytes_max: number_of("admission.body_mib", self.body_mib)? << 20,
            frame_bytes_max: number_of("admission.line_mib", self.line_mib)? << 20,
            calls_max: number_of("admission.calls", self.calls)?,
            calls_waiting_max: number_of("admission.waiting_calls", self.waiting_calls)?,
            connections_max: number_of("admission.connections", self.connections)?,
            sessions_max: number_of("admission.sessions", self.sessions)?,
            in_flight_max: number_of("admission.open_requests", self.open_requests)?,
        };
        // Five eighths are for requests, and two bodies of them are kept for whoever comes anew.
        let least = (limits.body_bytes_max >> 20) * 8;
        if limits.memory_bytes_max >> 20 < least {
            bail!(
                "`admission.memory_mib = {}` in omni.toml is too little for bodies of {} MiB (`admission.body_mib`); \
                 use {least} or more",
                limits.memory_bytes_max >> 20,
                limits.body_bytes_max >> 20
            );
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Limits> {
        toml::from_str::<AdmissionTable>(text).unwrap().resolve()
    }

    #[test]
    fn each_bound_can_be_set_and_the_others_keep_their_defaults() {
        let limits = resolve("memory_mib = 128\ncalls = 10\nconnections = 100").unwrap();
        assert_eq!((limits.memory_bytes_max, limits.calls_max, limits.connections_max), (128 << 20, 10, 100));
        let usual = Limits::default();
        assert_eq!(limits.body_bytes_max, usual.body_bytes_max);
        assert_eq!(resolve("").unwrap(), usual, "the defaults of the table of keys are the server's");
    }

    #[test]
    fn bounds_that_make_no_sense_are_refused_with_their_key_and_their_range() {
        for (text, named) in [
            ("calls = 0", "admission.calls = 0"),
            ("connections = 3", "from 16"),
            ("memory_mib = 16", "use 32 or more"),
            ("body_mib = 16", "use 128 or more"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!(toml::from_str::<AdmissionTable>("call = 1").is_err());
    }
}
