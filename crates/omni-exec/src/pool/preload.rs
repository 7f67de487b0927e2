//! Files that workers import when they start, because their skill asks for it (`preload`), instead of at the first
//! call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omni_call::{Code, RunSpec, SkillId};
use serde_json::json;

use crate::executor_processes::ExecutorProcesses;
use crate::start_failure::StartFailure;
use crate::wire::WorkerMode;
use crate::worker::Worker;

/// How long all imports together may take: large libraries take seconds.
const PRELOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// What the workers of a pool import before they take calls.
#[derive(Default)]
pub(super) struct Preload {
    state: Mutex<PreloadState>,
}

#[derive(Default)]
struct PreloadState {
    /// One tool of each file.
    tools: Vec<Arc<RunSpec>>,
    /// A worker ended, or hung, while it imported these: from then on their calls import them.
    given_up: bool,
}

/// Why there is no worker.
pub(super) enum WorkerStartError {
    Failed(StartFailure),
    /// It ended, or hung, while it imported what it should. The next worker is started without these imports.
    PreloadFailed,
}

impl Preload {
    fn lock(&self) -> MutexGuard<'_, PreloadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the workers that are started from now on import the tool's file.
    pub(super) fn note(&self, tool: &Arc<RunSpec>) {
        let mut state = self.lock();
        let same = |known: &Arc<RunSpec>| {
            Arc::ptr_eq(known, tool)
                || (known.target.dir(), known.target.file()) == (tool.target.dir(), tool.target.file())
        };
        match state.tools.iter_mut().find(|known| same(known)) {
            // The latest says which version is meant.
            Some(known) => known.clone_from(tool),
            None => state.tools.push(Arc::clone(tool)),
        }
    }

    /// Has the imports tried again, since the files may have changed.
    pub(super) fn renew(&self) {
        self.lock().given_up = false;
    }

    /// Whether new workers import files of any of these skills.
    pub(super) fn has_any(&self, changed: &[Code]) -> bool {
        let state = self.lock();
        state.tools.iter().any(|tool| changed.iter().any(|code| code.skill == tool.code().skill))
    }

    /// The frame that asks for the imports, and the skills that it names; `None` when there are none.
    fn frame(&self) -> Option<(String, Vec<SkillId>)> {
        let state = self.lock();
        if state.given_up || state.tools.is_empty() {
            return None;
        }
        let file = |tool: &Arc<RunSpec>| {
            let digest = tool.target.python().and_then(|python| python.digest.as_deref());
            json!({
                "skill": tool.skill, "dir": tool.target.dir(), "file": tool.target.file(), "digest": digest,
            })
        };
        let files: Vec<_> = state.tools.iter().map(file).collect();
        let skills = state.tools.iter().map(|tool| tool.code().skill).collect();
        Some((json!({"preload": {"files": files}}).to_string(), skills))
    }

    /// Starts a worker that has imported what it should.
    pub(super) async fn start(
        &self,
        processes: &Arc<ExecutorProcesses>,
        mode: WorkerMode,
        permit: Box<dyn Send>,
    ) -> Result<Worker, WorkerStartError> {
        let mut worker = Worker::start(processes, mode, permit).await.map_err(WorkerStartError::Failed)?;
        let Some((frame, skills)) = self.frame() else { return Ok(worker) };
        match worker.preload(&frame, PRELOAD_TIMEOUT).await {
            Ok(()) => {
                worker.note_preloaded(skills);
                Ok(worker)
            }
            Err(_) if processes.closing() => Err(WorkerStartError::PreloadFailed),
            Err(reason) => {
                self.lock().given_up = true;
                tracing::warn!(
                    reason,
                    "a worker did not live through the imports of the skills that say `preload`: their calls \
                     import them from now on"
                );
                Err(WorkerStartError::PreloadFailed)
            }
        }
    }
}
