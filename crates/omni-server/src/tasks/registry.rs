//! The tasks of a server: those whose calls run here, and the store of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use omni_call::{TaskStatus, with_causes};
use omni_protocol::{Encoder, Id, Task, TaskState};
use omni_store::{Ending, NewTask, Requested, Store, StoreError, TaskRequest};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use super::drive::drive;
use super::live::{LiveTask, StopReason, logged, since_1970};
use super::watch::TaskWatch;
use crate::call_client::ClientLink;
use crate::call_future::CallFuture;
use crate::config::TasksConfig;

/// How often the store is asked, while tasks run here, what other servers were asked of them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How long a server that stops waits until it is stored that its tasks have ended.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// What a client reads of a task whose server has ended before it.
const LOST: &str =
    "the server that ran this task has ended before the tool did: how far the tool came is not known";

/// The tasks of one server.
pub(crate) struct Tasks {
    config: TasksConfig,
    encoder: Arc<Encoder>,
    live: Mutex<LiveTasks>,
}

#[derive(Default)]
struct LiveTasks {
    by_id: HashMap<String, (Arc<LiveTask>, JoinHandle<()>)>,
    /// Somebody looks after them.
    tended: bool,
    closed: bool,
}

impl Tasks {
    pub(crate) fn new(config: TasksConfig, encoder: Arc<Encoder>) -> Arc<Self> {
        Arc::new(Tasks { config, encoder, live: Mutex::default() })
    }

    pub(super) fn config(&self) -> &TasksConfig {
        &self.config
    }

    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    pub(super) fn store(&self) -> &Store {
        &self.config.store
    }

    fn live(&self) -> MutexGuard<'_, LiveTasks> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more task of that owner may run.
    pub(super) fn has_room(&self, owner: &str) -> Result<(), &'static str> {
        let live = self.live();
        let running = || live.by_id.values().filter(|(task, _)| task.runs());
        if live.closed {
            return Err("the server stops");
        }
        if running().count() >= self.config.total {
            return Err("as many tasks run as may (`tasks.total`)");
        }
        if running().filter(|(task, _)| task.row.owner == owner).count() >= self.config.per_principal {
            return Err("as many tasks of its client run as may (`tasks.per_principal`)");
        }
        Ok(())
    }

    /// Takes over a call whose row is committed, and drives it from now on.
    pub(super) fn take_over(
        self: &Arc<Self>,
        row: NewTask,
        link: Arc<ClientLink>,
        call: CallFuture,
        request: Id,
    ) -> Arc<LiveTask> {
        let revision = link.detach();
        let id = row.id.clone();
        tracing::info!(task = logged(&id), tool = row.name, "a call has become a task");
        let (task, stopped) = LiveTask::new(row, revision, link);
        let mut live = self.live();
        let kept = (self.encoder.clone(), self.config.store.clone());
        let driven = drive(kept, task.clone(), call, request, stopped);
        let (tasks, ending) = (self.clone(), task.clone());
        let driver = tokio::spawn(async move {
            driven.await;
            tasks.ended(&ending);
        });
        live.by_id.insert(id, (task.clone(), driver));
        if !std::mem::replace(&mut live.tended, true) {
            tokio::spawn(self.clone().tend());
        }
        let closed = live.closed;
        drop(live);
        if closed {
            task.stop(StopReason::Shutdown);
        }
        task
    }

    /// A task has ended, and the store knows how, if it can.
    pub(super) fn ended(&self, task: &LiveTask) {
        if task.runs() {
            self.live().by_id.remove(&task.row.id);
        }
        task.tell();
    }

    /// Ends a row whose call was cancelled before its client was told of it.
    pub(super) fn abandon(&self, id: &str) {
        // It is committed, or fails, in the order in which it was sent.
        drop(self.store().finish(id, Ending::Cancelled, SystemTime::now()));
    }

    /// The live task of that id, if it is that owner's.
    pub(super) fn live_task(&self, id: &str, owner: &str) -> Option<Arc<LiveTask>> {
        let live = self.live();
        live.by_id.get(id).map(|(task, _)| task).filter(|task| task.row.owner == owner).cloned()
    }

    /// The task of that id as its owner is told of it; `None` when there is none, or it is somebody else's.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn find(&self, id: &str, owner: &str) -> Result<Option<Task>, StoreError> {
        if let Some(task) = self.live_task(id, owner) {
            return Ok(Some(task.task(&self.encoder)));
        }
        let stored = self.store().task(id, owner, SystemTime::now()).await?;
        let Some(stored) = stored else { return Ok(None) };
        if stored.status.is_final() || stored.is_mine {
            return Ok(Some(told(stored)));
        }
        // Another server runs it, if that server lives.
        let error = format!(r#"{{"code":-32603,"message":"{LOST}"}}"#);
        let now = SystemTime::now();
        for lost in self.store().declare_lost(LOST, error.as_bytes(), now).await? {
            tracing::warn!(task = logged(&lost.id), "a task is lost: its server has ended before it");
        }
        Ok(self.store().task(id, owner, now).await?.map(told))
    }

    /// Hands answers to a task's questions. `false` when there is no such task.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(super) async fn answer(
        &self,
        id: &str,
        owner: &str,
        responses: &[(String, Bytes)],
    ) -> Result<bool, StoreError> {
        if let Some(task) = self.live_task(id, owner) {
            self.answer_live(&task, responses);
            return Ok(true);
        }
        let answer = TaskRequest::Answer(written(responses));
        let requested = self.store().request(id, owner, answer, SystemTime::now()).await?;
        Ok(requested != Requested::Unknown)
    }

    fn answer_live(&self, task: &LiveTask, responses: &[(String, Bytes)]) {
        task.link.answer(responses);
        task.look(&self.encoder, self.store());
    }

    /// Cancels a task. `false` when there is no such task.
    ///
    /// # Errors
    /// The store cannot be used. A task that runs here is cancelled all the same.
    pub(super) async fn cancel(&self, id: &str, owner: &str) -> Result<bool, StoreError> {
        let requested = self.store().request(id, owner, TaskRequest::Cancel, SystemTime::now()).await;
        let Some(task) = self.live_task(id, owner) else {
            return Ok(requested? != Requested::Unknown);
        };
        if let Err(error) = requested {
            let error = with_causes(&error);
            tracing::error!(task = logged(id), error, "that a task was cancelled cannot be stored");
            if task.runs() {
                task.keep_end(TaskState::Cancelled);
            }
        }
        task.stop(StopReason::Cancelled);
        Ok(true)
    }

    /// Has `watch` told of changes of these tasks. Returns those that it will be told of, which are the owner's and run here or
    /// have ended; it is told of each of them once at the beginning.
    pub(crate) async fn watch(&self, owner: &str, ids: Vec<String>, watch: &Arc<TaskWatch>) -> Vec<String> {
        let mut honoured = Vec::new();
        for id in ids {
            let known = match self.live_task(&id, owner) {
                Some(task) => {
                    task.watch(watch);
                    true
                }
                None => match self.find(&id, owner).await {
                    Ok(task) => task.is_some_and(|task| task.state.status().is_final()),
                    Err(error) => {
                        let error = with_causes(&error);
                        tracing::warn!(
                            task = logged(&id),
                            error,
                            "a subscription leaves a task out: it cannot be read"
                        );
                        false
                    }
                },
            };
            if known {
                watch.note(&id);
                honoured.push(id);
            }
        }
        honoured
    }

    /// Looks after tasks that run here, until there are none: what other servers were asked of them, and whose time is over.
    async fn tend(self: Arc<Self>) {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            let now = SystemTime::now();
            {
                let mut live = self.live();
                let expired = |task: &LiveTask| task.is_expired(now);
                live.by_id.retain(|_, (task, _)| task.runs() || !expired(task));
                live.by_id.values().filter(|(task, _)| expired(task)).for_each(|(task, _)| {
                    task.stop(StopReason::Expired);
                });
                if live.by_id.is_empty() {
                    live.tended = false;
                    return;
                }
            }
            match self.store().take_requests().await {
                Ok(requests) => requests.into_iter().for_each(|(id, request)| self.requested(&id, request)),
                Err(error) => {
                    tracing::debug!(error = with_causes(&error), "the store of tasks cannot be asked")
                }
            }
            match self.store().remove_expired(now).await {
                Ok(removed) if !removed.is_empty() => {
                    tracing::debug!(tasks = removed.len(), "tasks are over their time")
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = with_causes(&error), "the store of tasks cannot be tidied")
                }
            }
        }
    }

    /// Does what another server was asked of a task that runs here.
    fn requested(&self, id: &str, request: TaskRequest) {
        let task = self.live().by_id.get(id).map(|(task, _)| task.clone());
        let Some(task) = task else { return };
        match request {
            TaskRequest::Cancel => task.stop(StopReason::Cancelled),
            TaskRequest::Answer(answer) => self.answer_live(&task, &read(&answer)),
        }
    }

    /// The server stops: no call becomes a task any more, those that run are ended, and their clients will read why.
    pub(crate) async fn close(&self) {
        let running: Vec<_> = {
            let mut live = self.live();
            live.closed = true;
            live.by_id.drain().map(|(_, running)| running).collect()
        };
        let ended = async {
            for (task, driver) in running {
                task.stop(StopReason::Shutdown);
                // A driver that panicked has said so.
                let _ = driver.await;
            }
        };
        if tokio::time::timeout(CLOSE_WAIT, ended).await.is_err() {
            tracing::warn!(
                "some tasks that the server has ended are not stored as ended: they count as lost"
            );
        }
        let store = self.store().clone();
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}

/// What the owner of a task is told of it.
fn told(stored: omni_store::Task) -> Task {
    let result = Bytes::from(stored.result.unwrap_or_else(|| b"{}".to_vec()));
    let state = match stored.status {
        TaskStatus::Working => TaskState::Working,
        TaskStatus::InputRequired => {
            TaskState::InputRequired(stored.input_requests.unwrap_or_else(|| b"{}".to_vec()).into())
        }
        TaskStatus::Completed => TaskState::Completed(result),
        TaskStatus::Failed => TaskState::Failed(result),
        TaskStatus::Cancelled => TaskState::Cancelled,
    };
    Task {
        id: stored.id,
        state,
        message: stored.status_message,
        created: since_1970(stored.created),
        updated: since_1970(stored.updated),
        ttl: stored.ttl,
        poll_interval: stored.poll_interval.unwrap_or_default(),
    }
}

/// Answers as one JSON object.
fn written(responses: &[(String, Bytes)]) -> Vec<u8> {
    let read = |text: &Bytes| serde_json::from_slice::<Box<RawValue>>(text).ok();
    let members: HashMap<&str, Box<RawValue>> =
        responses.iter().filter_map(|(key, text)| Some((key.as_str(), read(text)?))).collect();
    serde_json::to_vec(&members).unwrap_or_default()
}

/// The answers of such an object.
fn read(answer: &[u8]) -> Vec<(String, Bytes)> {
    let members: HashMap<String, Box<RawValue>> = serde_json::from_slice(answer).unwrap_or_default();
    members.into_iter().map(|(key, text)| (key, Bytes::from(text.get().to_owned()))).collect()
}
