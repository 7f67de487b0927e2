//! The requests of one batch (revision 2025-03-26), answered together.

use futures_util::future::join_all;
use omni_protocol::Frame;
use tokio::sync::oneshot;

use crate::server::Answer;

/// One request of a batch, and what ends when its client takes it back.
pub(crate) struct Item {
    pub(crate) answer: Answer,
    /// `None` for one that is answered already.
    pub(crate) cancelled: Option<oneshot::Receiver<()>>,
}

impl Item {
    /// What needs no waiting.
    pub(crate) fn now(frame: Frame) -> Self {
        Item { answer: Answer::Now(frame), cancelled: None }
    }

    /// The answer; `None` once the request was cancelled, of which nothing may be said any more. Notifications before
    /// the answer have no place in an array of answers.
    async fn answer(self) -> Option<Frame> {
        match (self.answer, self.cancelled) {
            (Answer::Now(frame), _) => Some(frame),
            (Answer::Later(running), None) => Some(running.answer().await),
            (Answer::Later(running), Some(cancelled)) => tokio::select! {
                biased;
                _ = cancelled => None,
                frame = running.answer() => Some(frame),
            },
        }
    }
}

/// The answers as one array, in the order of the requests; `None` when there is nothing to answer.
pub(crate) async fn join(items: Vec<Item>) -> Option<Frame> {
    let frames: Vec<Frame> =
        join_all(items.into_iter().map(Item::answer)).await.into_iter().flatten().collect();
    if frames.is_empty() {
        return None;
    }
    let mut array = Vec::with_capacity(frames.iter().map(Frame::len).sum::<usize>() + frames.len() + 2);
    for (n, frame) in frames.iter().enumerate() {
        array.push(if n == 0 { b'[' } else { b',' });
        frame.parts().iter().for_each(|part| array.extend_from_slice(part));
    }
    array.push(b']');
    Some(Frame { head: array.into(), ..Frame::default() })
}
