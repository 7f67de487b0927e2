//! Frames that wait to be sent to one client: those of a session, and those that a running request sends before its
//! answer, which over HTTP go another way.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use omni_protocol::Frame;

/// Notifications that may wait. A client that reads slower than its tool talks loses the ones beyond, and is told how
/// many.
const WAITING_MAX: usize = 1_000;

/// The same in bytes. One is always taken, however long it is.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Frames on their way to one client, in order. Its lock is held for one step at a time, never across a wait.
#[derive(Default)]
pub(crate) struct Outbox {
    queued: Mutex<QueuedFrames>,
}

#[derive(Default)]
struct QueuedFrames {
    frames: VecDeque<Frame>,
    bytes: usize,
    dropped: usize,
    /// Closed: no frame will be taken out any more.
    closed: bool,
    reader: Option<Waker>,
}

impl Outbox {
    /// Adds a notification, which is lost when too many wait.
    pub(crate) fn push(&self, frame: Frame) {
        let mut queued = self.queued();
        let room = queued.frames.len() < WAITING_MAX
            && queued.bytes.saturating_add(frame.len()) <= WAITING_BYTES_MAX;
        if room || queued.frames.is_empty() {
            queued.add(frame);
        } else {
            queued.dropped += 1;
        }
    }

    /// Adds what must not be lost, and whose number has a bound elsewhere. Given back when nobody will take it out.
    #[must_use]
    pub(crate) fn push_always(&self, frame: Frame) -> Option<Frame> {
        let mut queued = self.queued();
        if queued.closed {
            return Some(frame);
        }
        queued.add(frame);
        None
    }

    /// Takes the next frame out.
    pub(crate) fn pop(&self) -> Option<Frame> {
        let mut queued = self.queued();
        let frame = queued.frames.pop_front()?;
        queued.bytes -= frame.len();
        Some(frame)
    }

    /// Waits for the next frame. Cancel safe. One reader at a time.
    pub(crate) async fn next(&self) -> Frame {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Frame> {
        let mut queued = self.queued();
        match queued.frames.pop_front() {
            Some(frame) => {
                queued.bytes -= frame.len();
                Poll::Ready(frame)
            }
            None => {
                if !queued.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                    queued.reader = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// How many notifications were lost since this was last asked.
    pub(crate) fn take_dropped(&self) -> usize {
        std::mem::take(&mut self.queued().dropped)
    }

    /// Closes it: from now on no frame is taken out.
    pub(crate) fn close(&self) {
        self.queued().closed = true;
    }

    fn queued(&self) -> MutexGuard<'_, QueuedFrames> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueuedFrames {
    fn add(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;

    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame { head: Bytes::from(vec![b'x'; bytes]), ..Frame::default() }
    }

    #[test]
    fn notifications_beyond_the_bounds_are_counted_and_what_must_not_be_lost_is_kept() {
        for (bytes, kept) in [(1, WAITING_MAX), (WAITING_BYTES_MAX / 10, 10), (WAITING_BYTES_MAX * 2, 1)] {
            let outbox = Outbox::default();
            (0..WAITING_MAX + 5).for_each(|_| outbox.push(frame(bytes)));
            assert_eq!(outbox.take_dropped(), WAITING_MAX + 5 - kept);
            assert_eq!(outbox.push_always(frame(7)), None);
            let out: Vec<_> = std::iter::from_fn(|| outbox.pop()).map(|frame| frame.len()).collect();
            assert_eq!((out.len(), out[kept]), (kept + 1, 7));
            assert_eq!(outbox.take_dropped(), 0);
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_and_a_closed_outbox_gives_back() {
        let outbox = std::sync::Arc::new(Outbox::default());
        assert!(outbox.next().now_or_never().is_none());
        let reading = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.next().await.len() }
        });
        tokio::task::yield_now().await;
        outbox.push(frame(3));
        assert_eq!(reading.await.unwrap(), 3);
        outbox.close();
        assert_eq!(outbox.push_always(frame(4)), Some(frame(4)));
    }
}
