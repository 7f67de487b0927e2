//! Which tasks of one subscription have changed since it last told its client.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The tasks that a subscription has to tell of. Each stands in it once, however often it has changed, so it is never longer
/// than what was subscribed to.
#[derive(Default)]
pub(crate) struct TaskWatch {
    changed: Mutex<VecDeque<String>>,
    wake: Notify,
}

impl TaskWatch {
    fn changed(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that a task has changed.
    pub(super) fn note(&self, task: &str) {
        let mut changed = self.changed();
        if !changed.iter().any(|noted| noted == task) {
            changed.push_back(task.to_owned());
        }
        drop(changed);
        self.wake.notify_one();
    }

    /// Waits for the next task that has changed. Cancel safe. One reader at a time.
    pub(crate) async fn next(&self) -> String {
        loop {
            if let Some(task) = self.changed().pop_front() {
                return task;
            }
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_task_that_changes_often_is_told_once_and_again_when_it_changes_later() {
        let watch = TaskWatch::default();
        ["a", "b", "a"].into_iter().for_each(|task| watch.note(task));
        assert_eq!(watch.next().await, "a");
        watch.note("a");
        assert_eq!((watch.next().await, watch.next().await), ("b".into(), "a".into()));
        assert_eq!(watch.next().now_or_never(), None);
    }
}
