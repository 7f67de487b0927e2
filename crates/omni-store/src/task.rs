//! A task, and what may become of it.

use std::time::{Duration, SystemTime};

use omni_call::TaskStatus;

/// A task that begins to work. The store gives it to the server that creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Must be unguessable: whoever has it and is its owner has the task.
    pub id: String,
    /// The principal whose task it is. To everybody else it does not exist.
    pub owner: String,
    /// The method that the client called.
    pub method: String,
    /// What it named: the tool.
    pub name: String,
    /// By the wall clock.
    pub created: SystemTime,
    /// How long it is kept, from its creation on. `None` keeps it until it is removed by hand.
    pub ttl: Option<Duration>,
    /// How often its client should ask.
    pub poll_interval: Option<Duration>,
}

/// A task as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The id.
    pub id: String,
    /// The principal whose task it is.
    pub owner: String,
    /// The method that the client called.
    pub method: String,
    /// What it named: the tool.
    pub name: String,
    /// When it was created, in whole milliseconds.
    pub created: SystemTime,
    /// When it was changed last.
    pub updated: SystemTime,
    /// How long it is kept, from its creation on.
    pub ttl: Option<Duration>,
    /// How often its client should ask.
    pub poll_interval: Option<Duration>,
    /// Where it is.
    pub status: TaskStatus,
    /// A sentence about that.
    pub status_message: Option<String>,
    /// The open questions, as JSON, while it is [`TaskStatus::InputRequired`].
    pub input_requests: Option<Vec<u8>>,
    /// The result of a completed task, or the error of a failed one, as JSON.
    pub result: Option<Vec<u8>>,
    /// Whether the store that was asked has created it: then its call runs in this process.
    pub is_mine: bool,
}

/// What changes about a task that goes on. What is `None` stays as it is, except for the questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskChange {
    /// The open questions, as JSON: the task waits for them. `None`: it has none, and works.
    pub input_requests: Option<Vec<u8>>,
    /// A sentence about where it is.
    pub status_message: Option<String>,
    /// How often its client should ask from now on.
    pub poll_interval: Option<Duration>,
}

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a result, as JSON.
    Completed(Vec<u8>),
    /// With an error, as JSON.
    Failed {
        /// A sentence for people.
        message: String,
        /// The error.
        error: Vec<u8>,
    },
    /// Its client wanted it no more.
    Cancelled,
}

/// What became of a wish to change a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It is as wished.
    Done,
    /// Nothing: the task had ended before.
    HadEnded(TaskStatus),
    /// Nothing: there is no such task, or it is somebody else's.
    Unknown,
}

/// What became of a [`TaskRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Requested {
    /// The task runs in this process: whoever runs it here is to do what was asked.
    Mine,
    /// It runs in another server's process, which finds the request by [`Store::take_requests`](crate::Store::take_requests).
    Forwarded,
    /// Nothing: the task had ended before.
    HadEnded(TaskStatus),
    /// Nothing: there is no such task, or it is somebody else's.
    Unknown,
}

/// What a client wants of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskRequest {
    /// End its call. The row says already that it is cancelled.
    Cancel,
    /// These are answers to its questions, as JSON.
    Answer(Vec<u8>),
}

/// A task whose server ended before it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTask {
    /// The id.
    pub id: String,
    /// The principal whose task it was.
    pub owner: String,
}

/// A task that was removed since its time was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedTask {
    /// The id.
    pub id: String,
    /// Where it was. One that had not ended has a call to be cancelled, if it is mine.
    pub status: TaskStatus,
    /// Whether this store has created it.
    pub is_mine: bool,
}
