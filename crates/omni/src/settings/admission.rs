//! `[admission]` of `omni.toml`: what clients may send and keep open.

use anyhow::{Result, bail};
use omni_server::Limits;
use serde::Deserialize;

/// `[admission]` of `omni.toml`: what clients may send and keep open. Defaults are those of [`Limits`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdmissionTable {
    /// Memory in MiB for requests and large answers, of all clients together.
    memory_mib: Option<usize>,
    /// Largest body of an HTTP request, in MiB.
    body_mib: Option<usize>,
    /// Longest line on stdio, in MiB.
    line_mib: Option<usize>,
    /// Calls that executors have at once.
    calls: Option<usize>,
    /// Calls that wait for that; more are refused.
    waiting_calls: Option<usize>,
    /// Open HTTP connections.
    connections: Option<usize>,
    /// Remembered HTTP sessions of revisions before 2026-07-28.
    sessions: Option<usize>,
    /// Requests that a client on stdio may have open.
    open_requests: Option<usize>,
}

impl AdmissionTable {
    pub(super) fn resolve(&self) -> Result<Limits> {
        let usual = Limits::default();
        let mib = |name, value, usual: usize, most| -> Result<usize> {
            Ok(number(name, value, usual >> 20, 1, most)? << 20)
        };
        let limits = Limits {
            memory_bytes_max: mib("memory_mib", self.memory_mib, usual.memory_bytes_max, 1 << 20)?,
            body_bytes_max: mib("body_mib", self.body_mib, usual.body_bytes_max, 1 << 10)?,
            frame_bytes_max: mib("line_mib", self.line_mib, usual.frame_bytes_max, 1 << 10)?,
            calls_max: number("calls", self.calls, usual.calls_max, 1, 1024)?,
            calls_waiting_max: number(
                "waiting_calls",
                self.waiting_calls,
                usual.calls_waiting_max,
                1,
                1 << 20,
            )?,
            connections_max: number("connections", self.connections, usual.connections_max, 16, 1 << 20)?,
            sessions_max: number("sessions", self.sessions, usual.sessions_max, 1, 1 << 20)?,
            in_flight_max: number("open_requests", self.open_requests, usual.in_flight_max, 1, 1 << 16)?,
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

fn number(name: &str, value: Option<usize>, usual: usize, least: usize, most: usize) -> Result<usize> {
    let value = value.unwrap_or(usual);
    if !(least..=most).contains(&value) {
        bail!("`admission.{name} = {value}` in omni.toml is not from {least} to {most}");
    }
    Ok(value)
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
        assert_eq!(limits.body_bytes_max, Limits::default().body_bytes_max);
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
