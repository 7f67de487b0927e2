//! How a running call is interrupted, and how a worker is asked to exit: the first two steps of ending a process.
//!
//! The steps, each with its grace in `bounds.rs`: ask an idle worker to exit (`EXIT_GRACE`), or interrupt a running
//! call (`CANCEL_PATIENCE`); then SIGTERM (`TERM_GRACE`); then SIGKILL. `Process::terminate` does the last two and
//! reaps.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use omni_call::{Deadline, NoClient};
use omni_process::ExitStatus;
use rustix::process::Signal;

use super::Worker;
use crate::attempt::{AttemptResult, CallContext};
use crate::questions::CallQuestions;
use crate::wire;

impl Worker {
    /// Asks a sync worker to raise `CallCancelled` in its call, and waits `patience` for the call to end. True when it
    /// ended and the worker can serve another call. It cannot when the call has left a thread or a child process: that
    /// would go on working for a caller who has left.
    pub(crate) async fn cancel(&mut self, patience: Duration) -> bool {
        self.process.signal(Signal::USR2);
        if let Some(call) = self.call.as_ref().filter(|call| call.running.asked) {
            // A signal that arrives just before the call begins to wait for an answer does not wake it (decision 0038).
            wire::push_cancel(self.channel.outbox(), call.running.id);
        }
        match self.await_call_end(patience).await {
            AttemptResult::Result(_)
            | AttemptResult::Error(_)
            | AttemptResult::TooLarge
            | AttemptResult::Skipped
            | AttemptResult::Stale => self.reusable() && self.process.is_alone(),
            AttemptResult::Died(_) | AttemptResult::Broken(_) | AttemptResult::Expired(_) => false,
        }
    }

    /// Waits `patience` for the last frame of a call that has ended in the worker already. True when it came.
    pub(crate) async fn await_last_frame(&mut self, patience: Duration) -> bool {
        !matches!(self.await_call_end(patience).await, AttemptResult::Expired(_))
    }

    /// Waits `patience` for the end of a call whose caller has left.
    async fn await_call_end(&mut self, patience: Duration) -> AttemptResult {
        let mut deadline = Deadline::new(Instant::now(), Some(patience), None);
        let mut asks = CallQuestions::over();
        poll_fn(|cx| {
            let (deadline, port, asks) = (&mut deadline, &mut NoClient, &mut asks);
            self.poll_call(cx, &mut CallContext { deadline, port, asks })
        })
        .await
    }

    /// Asks a worker to exit. What skills registered with `atexit` runs first.
    pub(crate) fn ask_to_exit(&mut self) {
        wire::push_drain(self.channel.outbox());
        self.channel.flush_now();
    }

    /// Waits for the process to exit, however long that takes, and reads what it prints meanwhile.
    pub(crate) async fn wait_exit(&mut self) -> ExitStatus {
        poll_fn(|cx| {
            self.output.poll_unattributed(cx);
            self.process.poll_exit(cx)
        })
        .await
    }
}
