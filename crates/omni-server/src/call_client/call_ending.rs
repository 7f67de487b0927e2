//! How a call ends because of its client, whatever its tool does.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use omni_call::{BoxFuture, OutcomeKind};

/// How a call is to end although its tool goes on: nothing until it is [`set`](Self::set), which counts once.
#[derive(Debug, Default)]
pub(super) struct CallEnding {
    kind: OnceLock<OutcomeKind>,
    waiting: AtomicWaker,
}

impl CallEnding {
    pub(super) fn set(&self, kind: OutcomeKind) {
        let _ = self.kind.set(kind);
        self.waiting.wake();
    }

    /// Resolves when it is set.
    pub(super) fn wait(ending: Arc<CallEnding>) -> BoxFuture<'static, OutcomeKind> {
        Box::pin(std::future::poll_fn(move |cx| ending.poll(cx)))
    }

    /// How the call is to end, once that is known. One task at a time can wait.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<OutcomeKind> {
        self.waiting.register(cx.waker());
        match self.kind.get() {
            Some(kind) => Poll::Ready(kind.clone()),
            None => Poll::Pending,
        }
    }
}
