//! A task whose call runs in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use omni_protocol::{Encoder, Revision, Task, TaskState};
use omni_store::{NewTask, Store, TaskChange};
use tokio::sync::oneshot;

use super::watch::TaskWatch;
use crate::call_client::ClientLink;

/// Why a live task is ended although its call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// Its client has cancelled it, and the store says so already.
    Cancelled,
    /// The time that it is kept for is over.
    Expired,
    /// The server stops.
    Shutdown,
}

/// A task whose call runs in this process: what its client is told of it, and how it is reached.
pub(crate) struct LiveTask {
    pub(super) row: NewTask,
    pub(super) revision: Revision,
    /// What the call asks, and how far it says that it is.
    pub(super) link: Arc<ClientLink>,
    state: Mutex<LiveState>,
}

struct LiveState {
    updated: SystemTime,
    /// What was open when the task was last looked at, and what it had said.
    asked: Vec<String>,
    message: Option<String>,
    /// How it has ended, where the store could not take note of it.
    end: Option<TaskState>,
    stop: Option<oneshot::Sender<StopReason>>,
    watches: Vec<Weak<TaskWatch>>,
}

impl LiveTask {
    /// The task of that row. The receiver resolves when it is to end.
    pub(super) fn new(
        row: NewTask,
        revision: Revision,
        link: Arc<ClientLink>,
    ) -> (Arc<Self>, oneshot::Receiver<StopReason>) {
        let (stop, stopped) = oneshot::channel();
        let state = LiveState {
            updated: row.created,
            asked: Vec::new(),
            message: None,
            end: None,
            stop: Some(stop),
            watches: Vec::new(),
        };
        (Arc::new(LiveTask { row, revision, link, state: Mutex::new(state) }), stopped)
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task as it is now.
    pub(super) fn task(&self, encoder: &Encoder) -> Task {
        let questions = self.input_requests(encoder);
        let state = self.state();
        let working = || questions.map_or(TaskState::Working, TaskState::InputRequired);
        Task {
            id: self.row.id.clone(),
            state: state.end.clone().unwrap_or_else(working),
            message: state.message.clone(),
            created: since_1970(self.row.created),
            updated: since_1970(state.updated),
            ttl: self.row.ttl,
            poll_interval: self.row.poll_interval.unwrap_or_default(),
        }
    }

    fn input_requests(&self, encoder: &Encoder) -> Option<Bytes> {
        let questions = self.link.open_asks();
        let keyed = questions.iter().map(|(key, ask)| (key.as_str(), ask));
        (!questions.is_empty()).then(|| encoder.input_requests(self.revision, keyed))
    }

    /// Looks whether the call asks something else than before, or has said how far it is; then its watchers are told, and the
    /// store is told of its questions, for clients that ask another server.
    pub(super) fn look(&self, encoder: &Encoder, store: &Store) {
        let asked: Vec<String> = self.link.open_asks().into_iter().map(|(key, _)| key).collect();
        let message = self.link.last_message();
        let now = SystemTime::now();
        {
            let mut state = self.state();
            let asks_other = state.asked != asked;
            if state.end.is_some() || !asks_other && state.message == message {
                return;
            }
            state.updated = now;
            state.asked = asked;
            state.message = message;
            if !asks_other {
                drop(state);
                return self.tell();
            }
        }
        let change = TaskChange {
            input_requests: self.input_requests(encoder).map(|questions| questions.to_vec()),
            status_message: self.link.last_message(),
            poll_interval: None,
        };
        // What becomes of it is seen when the task ends: until then this process knows better.
        drop(store.change(&self.row.id, change, now));
        self.tell();
    }

    /// Tells `watch` of each change from now on, as long as somebody has it.
    pub(super) fn watch(&self, watch: &Arc<TaskWatch>) {
        let watches = &mut self.state().watches;
        watches.retain(|known| known.strong_count() > 0);
        watches.push(Arc::downgrade(watch));
    }

    /// Tells its watchers that it has changed.
    pub(super) fn tell(&self) {
        let watches: Vec<_> = self.state().watches.iter().filter_map(Weak::upgrade).collect();
        watches.iter().for_each(|watch| watch.note(&self.row.id));
    }

    /// Has it end, unless it is about to.
    pub(super) fn stop(&self, why: StopReason) {
        if let Some(stop) = self.state().stop.take() {
            // Whoever drives it may have come to the end meanwhile.
            let _ = stop.send(why);
        }
    }

    /// Keeps how it has ended, since the store cannot.
    pub(super) fn keep_end(&self, end: TaskState) {
        let mut state = self.state();
        state.updated = SystemTime::now();
        state.end = Some(end);
    }

    /// Whether its call runs.
    pub(super) fn runs(&self) -> bool {
        self.state().end.is_none()
    }

    /// Whether the time that it is kept for is over.
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.row.created).unwrap_or_default();
        self.row.ttl.is_some_and(|ttl| age >= ttl)
    }
}

/// What the log calls a task: enough of its id to tell it from others, and too little to ask for it by.
pub(super) fn logged(id: &str) -> &str {
    const CHARS: usize = 8;
    id.char_indices().nth(CHARS).map_or(id, |(end, _)| &id[..end])
}

pub(super) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
