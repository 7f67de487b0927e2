//! Tasks: calls that outlive the requests that began them (extension `io.modelcontextprotocol/tasks`).
//!
//! In reading order: a running request that is `becoming` a task has its row committed, and is then answered with the task; a
//! `live` task has its call driven here, by `drive`; `registry` knows the live ones and the store of all others; `requests` answers
//! `tasks/get`, `tasks/update` and `tasks/cancel`; a `watch` tells a subscription which of its tasks have changed.

mod becoming;
mod drive;
mod live;
mod registry;
mod requests;
mod watch;

pub(crate) use becoming::{BecomingTask, TaskSeed, TaskStep};
pub(crate) use registry::Tasks;
pub(crate) use requests::{cancel, get, update};
pub(crate) use watch::TaskWatch;
