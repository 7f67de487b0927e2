//! One Python process that speaks the worker protocol and runs one call at a time: what is known of it.

mod attempt_site;
mod call;
mod clocks;
mod hello;
mod python_command;
mod shutdown;
mod start;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omni_call::SkillId;
use omni_process::{Output, Process, StatusPage};
use tokio::time::Sleep;

use crate::attempt::RunningCall;
use crate::channel::Channel;
use crate::worker_usage::WorkerUsage;
use clocks::CallClocks;
pub(crate) use python_command::{FORK_PARENT, python_main_args};

/// A live worker process with everything that belongs to it. Dropping it closes its channel and kills it.
pub(crate) struct Worker {
    pub(crate) channel: Channel,
    pub(crate) output: Output,
    pub(crate) process: Process,
    page: Arc<StatusPage>,
    /// One timer for all calls, set anew only when a call's deadline is nearer than what it is set to: most calls end
    /// before they would have needed a timer.
    alarm: Pin<Box<Sleep>>,
    call: Option<CurrentCall>,
    /// A serial number, which no other worker of this server has.
    pub(crate) key: u64,
    /// The number of the current call, or of the one that ended last. Calls are numbered in the order of sending.
    number: u64,
    /// The number of the last call sent.
    sent: u64,
    /// When the current call became that.
    begun_at: Instant,
    /// It has said that it is ready.
    ready: bool,
    /// It broke the protocol, or its last call has changed it: it gets no further call.
    unusable: bool,
    /// Its last call found other files of its skill here than it means, until somebody asks.
    stale: bool,
    /// Skills of which it has imported files before its first call.
    preloaded: Vec<SkillId>,
    /// How its last call has changed it, as a JSON array, until that is taken.
    contamination: Option<Box<str>>,
    result_bytes_max: usize,
    /// How much it has been used, and whether it is to be replaced for that.
    pub(crate) usage: WorkerUsage,
}

/// The call that a worker runs.
struct CurrentCall {
    running: RunningCall,
    clocks: CallClocks,
}

impl Worker {
    /// Keeps what calls leave in the worker's temporary folder after the worker has ended.
    pub(crate) fn keep_temp(&self) {
        if let Some(temp) = self.process.temp() {
            temp.keep();
        }
    }

    /// Whether its last call found other files of its skill here than it means, and has not run. Says so once.
    pub(crate) fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.stale)
    }

    /// Notes of which skills it has imported files before its first call.
    pub(crate) fn note_preloaded(&mut self, skills: Vec<SkillId>) {
        self.preloaded = skills;
    }

    pub(crate) fn preloaded(&self) -> &[SkillId] {
        &self.preloaded
    }

    /// The number of the current call.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How long the last call took, from when it became the current one.
    pub(crate) fn last_call_duration(&self) -> Duration {
        self.begun_at.elapsed()
    }

    /// The page on which the worker notes which call it has started.
    pub(crate) fn page(&self) -> Arc<StatusPage> {
        Arc::clone(&self.page)
    }

    pub(crate) fn result_bytes_max(&self) -> usize {
        self.result_bytes_max
    }

    pub(crate) fn stderr_bytes_max(&self) -> usize {
        self.output.tail_bytes_max()
    }

    /// Whether a call is running here.
    pub(crate) fn has_call(&self) -> bool {
        self.call.is_some()
    }

    /// Whether the worker may serve another call: it lives and is unchanged, and nothing is left to be sent or read.
    pub(crate) fn reusable(&self) -> bool {
        // Where no call is pipelined, a frame after the last result was made up for a later call.
        let owes = self.sent != self.number;
        let settled = self.channel.flushed() && (owes || self.channel.is_empty());
        self.call.is_none() && !self.unusable && settled && !self.process.exited()
    }
}
