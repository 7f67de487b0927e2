//! What a worker can say of a call that has ended there, or that still runs after its time limit.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::task::Poll;

use omni_call::Call;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::Worker;
use crate::attempt::AttemptSite;
use crate::bounds::{STACK_QUIET, STACK_WAIT};
use crate::stack::{call_heading, looks_complete, user_frames};

impl AttemptSite for Worker {
    fn has_started(&self) -> bool {
        self.page.has_started(self.number)
    }

    fn take_contamination(&mut self) -> Option<Box<str>> {
        self.contamination.take()
    }

    fn stderr_tail(&self) -> Option<String> {
        self.output.stderr_tail()
    }

    async fn stack(&mut self, call: &Call) -> Option<String> {
        let python = call.spec.target.python()?;
        self.python_stack(&python.dir, python.is_async, self.number).await
    }
}

impl Worker {
    /// Asks Python for the stack of the call `id`, and waits a little for it. `None` when Python does not answer, or
    /// the call is not in the skill's files.
    pub(crate) async fn python_stack(&mut self, skill_dir: &Path, is_async: bool, id: u64) -> Option<String> {
        if self.process.is_stopped() {
            return None;
        }
        // The stack of an async call comes after those of the threads.
        let heading = if is_async { call_heading(id) } else { String::new() };
        let mark = self.output.stderr_length();
        self.process.signal(Signal::USR1);
        let mut length = mark;
        let mut quiet = Box::pin(sleep(STACK_QUIET));
        let all = poll_fn(|cx| {
            self.output.poll(cx, None);
            if self.process.poll_exit(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.output.stderr_length() != length {
                length = self.output.stderr_length();
                quiet.as_mut().reset(tokio::time::Instant::now() + STACK_QUIET);
            }
            while quiet.as_mut().poll(cx).is_ready() {
                if looks_complete(self.output.stderr_since(mark), &heading) {
                    return Poll::Ready(());
                }
                quiet.as_mut().reset(tokio::time::Instant::now() + STACK_QUIET);
            }
            Poll::Pending
        });
        let _ = timeout(STACK_WAIT, all).await;
        user_frames(&String::from_utf8_lossy(self.output.stderr_since(mark)), skill_dir, id)
    }
}
