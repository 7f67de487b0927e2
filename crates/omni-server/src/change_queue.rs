//! What one listener has still to be told of: each thing once, however often it has changed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is told of updates of resources within this time after others is told together: of one resource a listener hears
/// ten times a second at most, whatever a tool does.
pub(crate) const UPDATES_PAUSE: Duration = Duration::from_millis(100);

/// Changes that wait for one listener. Whoever adds to it adds only what the listener has subscribed to, so it is bounded
/// by its subscriptions.
#[derive(Debug, Default)]
pub(crate) struct ChangeQueue {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: Changes,
    /// The URIs that stand in `changes`.
    queued: HashSet<Arc<str>>,
    /// Updates are told of again from then on.
    pause_until: Option<Instant>,
}

/// What a listener is to be told of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What it may see of the lists has changed, for it alone.
    pub(crate) lists: bool,
    /// Resources that were updated, each once, the first that was first.
    pub(crate) resources: Vec<Arc<str>>,
}

impl ChangeQueue {
    /// A resource was updated that the listener has subscribed to.
    pub(crate) fn resource_updated(&self, uri: &Arc<str>) {
        let mut waiting = self.waiting();
        if waiting.queued.insert(uri.clone()) {
            waiting.changes.resources.push(uri.clone());
            drop(waiting);
            self.added.notify_one();
        }
    }

    /// What the listener may see has changed.
    pub(crate) fn lists_changed(&self) {
        self.waiting().changes.lists = true;
        self.added.notify_one();
    }

    /// The listener is to hear of that resource no more, not even of what has happened already.
    pub(crate) fn forget(&self, uri: &str) {
        let mut waiting = self.waiting();
        if waiting.queued.remove(uri) {
            waiting.changes.resources.retain(|queued| **queued != *uri);
        }
    }

    /// Waits for changes and takes all of them out. Cancel safe. One reader at a time.
    pub(crate) async fn next(&self) -> Changes {
        loop {
            match self.take(Instant::now()) {
                Ok(changes) => return changes,
                Err(Some(until)) => {
                    let _ = tokio::time::timeout_at(until, self.added.notified()).await;
                }
                Err(None) => self.added.notified().await,
            }
        }
    }

    /// All that comes. Never ends.
    pub(crate) fn into_stream(self: Arc<Self>) -> impl Stream<Item = Changes> + Send {
        stream::unfold(self, async |queue| Some((queue.next().await, queue)))
    }

    /// What is to be told now; else until when nothing is, unless more comes.
    fn take(&self, now: Instant) -> Result<Changes, Option<Instant>> {
        let mut waiting = self.waiting();
        let has_updates = !waiting.changes.resources.is_empty();
        let pause = waiting.pause_until.filter(|until| has_updates && now < *until);
        if let Some(until) = pause {
            // A list does not wait for the resources' pause.
            let lists = std::mem::take(&mut waiting.changes.lists);
            return if lists { Ok(Changes { lists, resources: Vec::new() }) } else { Err(Some(until)) };
        }
        if !has_updates && !waiting.changes.lists {
            return Err(None);
        }
        if has_updates {
            waiting.queued.clear();
            waiting.pause_until = Some(now + UPDATES_PAUSE);
        }
        Ok(std::mem::take(&mut waiting.changes))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn uri(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_updates_is_one_at_once_and_one_after_the_pause() {
        let queue = ChangeQueue::default();
        let (a, b) = (uri("a"), uri("b"));
        let began = Instant::now();
        queue.resource_updated(&a);
        assert_eq!(queue.next().await.resources, std::slice::from_ref(&a));
        for _ in 0..100_000 {
            queue.resource_updated(&b);
            queue.resource_updated(&a);
        }
        assert_eq!(queue.next().now_or_never(), None);
        assert_eq!(queue.next().await, Changes { lists: false, resources: vec![b, a] });
        assert_eq!(began.elapsed(), UPDATES_PAUSE);
        assert_eq!(queue.next().now_or_never(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_not_told_of_any_more_and_may_be_subscribed_to_again() {
        let queue = ChangeQueue::default();
        let a = uri("a");
        queue.resource_updated(&a);
        queue.forget("a");
        queue.forget("b");
        assert_eq!(queue.next().now_or_never(), None);
        queue.resource_updated(&a);
        assert_eq!(queue.next().await.resources, [a]);
    }
}
