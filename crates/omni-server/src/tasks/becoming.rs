//! How a running request becomes a task: when, and in which order.
//!
//! The row of a task is committed before its client is told of it, while the call goes on. A call that has begun to become a task
//! asks its questions in the task, and is answered with the task even where it ends meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use omni_call::with_causes;
use omni_protocol::{Frame, Id};
use omni_store::{NewTask, Reply};
use tokio::time::Sleep;

use super::registry::Tasks;
use crate::call_client::{ClientLink, TaskWish};
use crate::call_future::CallFuture;
use crate::random::random_hex;

/// What of a request is known of the task that it may become.
#[derive(Clone)]
pub(crate) struct TaskSeed {
    tasks: Arc<Tasks>,
    /// Whose it is.
    owner: Arc<str>,
    method: &'static str,
    tool: Arc<str>,
}

impl TaskSeed {
    pub(crate) fn new(tasks: &Arc<Tasks>, owner: &str, method: &'static str, tool: &str) -> Self {
        TaskSeed { tasks: tasks.clone(), owner: owner.into(), method, tool: tool.into() }
    }
}

/// A running request that may become a task.
pub(crate) struct BecomingTask {
    seed: TaskSeed,
    /// Until when it is answered as others are.
    slow: Option<Pin<Box<Sleep>>>,
    row: Option<PendingRow>,
    /// It stays what it is.
    given_up: bool,
}

/// A row that is being committed, or has been and is nobody's yet. **Dropping it ends the row.**
struct PendingRow {
    row: Option<NewTask>,
    tasks: Arc<Tasks>,
    reply: Reply<()>,
}

/// What is to be done with a request that may become a task.
pub(crate) enum TaskStep {
    /// It goes on as it is.
    Stays,
    /// Nothing may be said of it before its row is committed.
    Committing,
    /// Its row is committed: it is handed over, and answered with its task.
    Committed,
}

impl BecomingTask {
    pub(crate) fn new(seed: TaskSeed) -> Self {
        let slow = seed.tasks.config().after.map(|after| Box::pin(tokio::time::sleep(after)));
        BecomingTask { seed, slow, row: None, given_up: false }
    }

    /// Takes the next step. To be called whenever the call has been driven and goes on, or has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, link: &ClientLink, has_ended: bool) -> TaskStep {
        if self.given_up {
            return TaskStep::Stays;
        }
        if self.row.is_none() {
            let becomes = match link.task_wish() {
                TaskWish::AtOnce => true,
                TaskWish::WhenSlow if has_ended => false,
                TaskWish::WhenSlow => {
                    self.slow.as_mut().is_some_and(|slow| slow.as_mut().poll(cx).is_ready())
                }
                TaskWish::Never => false,
            };
            if !becomes {
                return TaskStep::Stays;
            }
            match self.seed.begin() {
                Ok(row) => self.row = Some(row),
                Err(why) => return self.give_up(why),
            }
        }
        let Some(pending) = &mut self.row else { return TaskStep::Stays };
        match Pin::new(&mut pending.reply).poll(cx) {
            Poll::Pending => TaskStep::Committing,
            Poll::Ready(Ok(())) => TaskStep::Committed,
            Poll::Ready(Err(error)) => {
                // There is no row.
                pending.row = None;
                self.row = None;
                self.give_up(&with_causes(&error))
            }
        }
    }

    /// The call stays what it is, for that reason.
    fn give_up(&mut self, why: &str) -> TaskStep {
        let tool = &*self.seed.tool;
        tracing::warn!(tool, why, "a call cannot become a task, and goes on without");
        self.given_up = true;
        TaskStep::Stays
    }

    /// Hands the call over once its row is committed; returns the answer to its request, whose id is `request`.
    pub(crate) fn hand_over(
        &mut self,
        link: &Arc<ClientLink>,
        call: CallFuture,
        request: Id,
    ) -> Option<Frame> {
        let row = self.row.take()?.row.take()?;
        let task = self.seed.tasks.take_over(row, link.clone(), call, request.clone());
        let revision = task.revision;
        let told = task.task(self.seed.tasks.encoder());
        Some(self.seed.tasks.encoder().task_created(&request, revision, &told))
    }
}

impl TaskSeed {
    fn begin(&self) -> Result<PendingRow, &'static str> {
        let config = self.tasks.config();
        self.tasks.has_room(&self.owner)?;
        let row = NewTask {
            // 256 bits: whoever has it, and is its owner, has the task.
            id: random_hex::<32>(),
            owner: self.owner.to_string(),
            method: self.method.to_owned(),
            name: self.tool.to_string(),
            created: SystemTime::now(),
            ttl: Some(config.keep),
            poll_interval: Some(config.poll_interval),
        };
        let reply = self.tasks.store().create(row.clone());
        Ok(PendingRow { row: Some(row), tasks: self.tasks.clone(), reply })
    }
}

impl Drop for PendingRow {
    fn drop(&mut self) {
        // Its call was cancelled with its request, and nobody was told of the task.
        if let Some(row) = &self.row {
            self.tasks.abandon(&row.id);
        }
    }
}
