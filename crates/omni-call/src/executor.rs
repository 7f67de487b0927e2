//! The seam between the server and every way to run a tool.

use std::sync::Arc;

use crate::{BoxFuture, Call, CallPort, Outcome};

/// One way to run tools: a worker pool, a process per call, an embedded interpreter, another server.
pub trait Executor: Send + Sync {
    /// Runs one call to its end. What happens meanwhile, and what the tool asks, goes to `port`.
    ///
    /// The future answers exactly once, and always: deadline, crash and lost worker are outcomes, not
    /// errors. **Dropping the future cancels the call**: the executor takes over whatever process runs
    /// it, asks it to stop, then kills it, and gives its place free only when it is gone. Nothing reaches
    /// `port` after the drop.
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome>;

    /// [`run`](Self::run) without a box around the future, for a layer that awaits it within its own. What has no reason
    /// to spare a box need not have this.
    fn run_unboxed<'a>(
        &'a self,
        call: Call,
        port: &'a mut dyn CallPort,
    ) -> impl Future<Output = Outcome> + Send + 'a
    where
        Self: Sized,
    {
        self.run(call, port)
    }

    /// Ends every process that this executor owns and resolves when they are gone. Calls still running
    /// end as [`OutcomeKind::Shutdown`](crate::OutcomeKind::Shutdown). Safe to call twice.
    fn shut_down(&self) -> BoxFuture<'_, ()>;
}

impl<E: Executor> Executor for Arc<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        (**self).run(call, port)
    }

    fn run_unboxed<'a>(
        &'a self,
        call: Call,
        port: &'a mut dyn CallPort,
    ) -> impl Future<Output = Outcome> + Send + 'a {
        (**self).run_unboxed(call, port)
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        (**self).shut_down()
    }
}

impl Executor for Arc<dyn Executor> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        (**self).run(call, port)
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        (**self).shut_down()
    }
}
