//! `file`: resources and prompts that are files of a skill, read by this process. Starts no Python, nor any process.

mod beneath;
mod prompt;
mod resource;
mod text_check;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use omni_call::{
    BoxFuture, Call, CallPort, CallResult, Executor, FileKind, FileTarget, Outcome, OutcomeKind, Phase,
    ResourceContents, Target,
};
use tokio::sync::{Semaphore, watch};

use crate::outcome::{outcome, unstarted};
use crate::result_memory::ResultReservation;
use crate::within::within;
use resource::{OpenResource, ReadResource};
use text_check::TextChecks;

/// Files that are read at once. More would not make a disk faster, and each that hangs, on a server that is gone, holds a
/// thread: the calls behind them wait, and end by their own time limits.
const READS_MAX: usize = 8;

/// Reads each file on a thread that may block, within its call's time limits.
///
/// A call whose future is dropped, or whose time is up, ends at once; its thread stops before the next part that it would
/// read. Needs a tokio runtime while calls run.
pub struct Files {
    bytes_max: usize,
    reads: Arc<Semaphore>,
    text_checks: Arc<TextChecks>,
    closed: watch::Sender<bool>,
}

/// Tells the thread that reads for a call that nobody waits for it any more.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Files {
    /// One read gives `result_bytes_max` bytes of a file at most, and the messages of a prompt have as many at most.
    pub fn new(result_bytes_max: usize) -> Self {
        Files {
            bytes_max: result_bytes_max,
            reads: Arc::new(Semaphore::new(READS_MAX)),
            text_checks: Arc::default(),
            closed: watch::Sender::new(false),
        }
    }

    async fn run_open(&self, file: FileTarget, call: Call, port: &mut dyn CallPort) -> Outcome {
        let mut closed = self.closed.subscribe();
        port.begun();
        let answer =
            async { within(&call.deadline, self.answer(file, &call)).await.unwrap_or_else(|kind| kind) };
        let kind = tokio::select! {
            biased;
            kind = answer => kind,
            _ = closed.wait_for(|closed| *closed) => OutcomeKind::Shutdown,
        };
        outcome(&call, kind, Phase::Started, 1)
    }

    async fn answer(&self, file: FileTarget, call: &Call) -> OutcomeKind {
        let (request, bytes_max) = (call.request.clone(), self.bytes_max);
        let FileKind::Resource { mime_type, meta } = file.kind.clone() else {
            return self
                .on_a_thread(move || prompt::fill_in(&file, &request, bytes_max))
                .await
                .unwrap_or_else(lost);
        };
        let cancelled = CancelOnDrop::default();
        let uri = request.named().unwrap_or_default().to_owned();
        let token = Arc::clone(&cancelled.0);
        let checks = Arc::clone(&self.text_checks);
        let opened = self.on_a_thread(move || {
            let looked = (&*checks, &*token);
            let opened = OpenResource::open(&file, mime_type.as_deref(), meta, &uri, bytes_max, looked)?;
            // A file that costs little is read without a second thread.
            if opened.is_small() {
                opened.read(&token).map(ReadResource::Done)
            } else {
                Ok(ReadResource::Large(opened))
            }
        });
        let large = match opened.await {
            Ok(Ok(ReadResource::Done(contents))) => return finished(contents.into()),
            Ok(Ok(ReadResource::Large(opened))) => opened,
            Ok(Err(kind)) => return kind,
            Err(bug) => return lost(bug),
        };
        let mut reservation = ResultReservation::default();
        poll_fn(|cx| reservation.poll(large.bytes_expected(), cx)).await;
        let token = Arc::clone(&cancelled.0);
        match self.on_a_thread(move || large.read(&token)).await {
            Ok(Ok(contents)) => finished(reservation.fill(contents)),
            Ok(Err(kind)) => kind,
            Err(bug) => lost(bug),
        }
    }

    /// Runs what may block. The place among the reads is held by the thread, however long that takes.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let place = Arc::clone(&self.reads).acquire_owned().await.map_err(|error| error.to_string())?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|bug| bug.to_string())
    }
}

fn finished(contents: bytes::Bytes) -> OutcomeKind {
    OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
}

fn lost(bug: String) -> OutcomeKind {
    OutcomeKind::Lost { message: format!("reading the file failed, which is a bug in omni: {bug}") }
}

impl Executor for Files {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let refused = |outcome| -> BoxFuture<'a, Outcome> { Box::pin(std::future::ready(outcome)) };
        if *self.closed.borrow() {
            return refused(unstarted(&call, OutcomeKind::Shutdown));
        }
        match &call.spec.target {
            Target::File(file) => Box::pin(self.run_open(file.clone(), call, port)),
            Target::Python(_) | Target::Program(_) | Target::Remote { .. } | Target::Native { .. } => {
                let message = format!("`{}` is {}, and no file", call.spec.tool, call.spec.target.about());
                let hint = "this is a bug in omni: please report it".to_owned();
                refused(unstarted(&call, OutcomeKind::WorkerStart { message, hint }))
            }
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.closed.send_replace(true);
        Box::pin(std::future::ready(()))
    }
}
