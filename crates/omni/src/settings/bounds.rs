//! All that bounds how much executors do at once and how much a call may hand back.

use std::time::Duration;

use anyhow::Result;
use omni_exec::{ExecConfig, PolicyBounds, RunnerConfig};

use super::keys::number_of;
use super::settings_file::SettingsFile;

/// How much executors do at once, how long they wait for a process, and how much a call may hand back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExecBounds {
    queue_max: usize,
    queue_per_tool_max: usize,
    idle_worker_ttl: Duration,
    ready_timeout: Duration,
    pub(crate) forked_max: usize,
    pub(crate) spawned_max: usize,
    pub(crate) result_bytes_max: usize,
    frame_bytes_max: usize,
}

/// What a frame has besides a call's arguments, or the two parts of its result.
const FRAME_REST_BYTES: usize = 64 << 10;

/// A frame's size at most, however small what is to fit into it: the runner contract has it so, and a traceback, a log
/// line or a question need some room.
const FRAME_BYTES_MIN: usize = (16 << 20) + FRAME_REST_BYTES;

impl ExecBounds {
    pub(super) fn resolve(file: &SettingsFile, requests: &omni_server::Limits) -> Result<Self> {
        let seconds =
            |name, written| number_of(name, written).map(|number| Duration::from_secs(number as u64));
        let workers = file.workers.clone().unwrap_or_default();
        let result_bytes_max = number_of("limits.result_mib", file.limits.result_mib())? << 20;
        // No key of its own: whatever a client may send must reach a worker, and a result has its text and its data.
        let arguments = requests.frame_bytes_max.max(requests.body_bytes_max);
        let frame_bytes_max = arguments.max(2 * result_bytes_max) + FRAME_REST_BYTES;
        Ok(ExecBounds {
            queue_max: number_of("queue.calls", file.queue.calls)?,
            queue_per_tool_max: number_of("queue.per_tool", file.queue.per_tool)?,
            idle_worker_ttl: seconds("workers.max_idle", workers.max_idle())?,
            ready_timeout: seconds("workers.ready_timeout", workers.ready_timeout())?,
            forked_max: number_of("fork.processes", file.fork.processes())?,
            spawned_max: number_of("spawn.processes", file.spawn.processes)?,
            result_bytes_max,
            frame_bytes_max: frame_bytes_max.max(FRAME_BYTES_MIN),
        })
    }

    pub(crate) fn apply(&self, config: &mut ExecConfig) {
        config.queue_max = self.queue_max;
        config.queue_per_tool_max = self.queue_per_tool_max;
        config.idle_worker_ttl = self.idle_worker_ttl;
        config.ready_timeout = self.ready_timeout;
        config.forked_max = self.forked_max;
        config.spawned_max = self.spawned_max;
        config.result_bytes_max = self.result_bytes_max;
        config.frame_bytes_max = self.frame_bytes_max;
    }

    /// The same for the policy around all executors.
    pub(crate) fn of_policy(&self) -> PolicyBounds {
        PolicyBounds { frame_bytes_max: self.frame_bytes_max, ..PolicyBounds::default() }
    }

    /// The same for what a runner hands back.
    pub(crate) fn apply_to_runner(&self, config: &mut RunnerConfig) {
        config.result_bytes_max = self.result_bytes_max;
        config.line_bytes_max = self.frame_bytes_max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::RunArguments;
    use crate::settings::RunSettings;

    fn bounds(text: &str) -> ExecBounds {
        let file: SettingsFile = toml::from_str(text).unwrap();
        RunSettings::resolve(&RunArguments::default(), &file).unwrap().bounds
    }

    fn config() -> ExecConfig {
        ExecConfig::new("/p".into(), "/o".into(), "/l".into(), "/r".into())
    }

    #[test]
    fn the_defaults_of_the_table_of_keys_are_those_of_the_executors() {
        let (mut config, usual) = (config(), config());
        bounds("").apply(&mut config);
        assert_eq!(format!("{config:?}"), format!("{usual:?}"));
        let address: omni_exec::RunnerAddress = "unix:/r".parse().unwrap();
        let mut runner = RunnerConfig::new(address.clone());
        bounds("").apply_to_runner(&mut runner);
        assert_eq!(format!("{runner:?}"), format!("{:?}", RunnerConfig::new(address)));
    }

    #[test]
    fn a_frame_holds_what_a_client_may_send_and_a_result_may_be() {
        let frame = |text: &str| bounds(text).frame_bytes_max >> 20;
        assert_eq!(frame("[admission]\nline_mib = 1\nbody_mib = 1\n[limits]\nresult_mib = 1"), 16);
        assert_eq!(frame("[admission]\nline_mib = 40"), 40);
        assert_eq!(frame("[admission]\nbody_mib = 24\nmemory_mib = 192"), 24);
        assert_eq!(frame("[limits]\nresult_mib = 32"), 64);
    }
}
