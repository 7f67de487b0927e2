//! The requests of one batch (revision 2025-03-26), answered together.

use futures_util::stream::{FuturesUnordered, StreamExt};
use omni_protocol::{ErrorCode, Frame, Id, Rejected, RpcError, error_frame};

use crate::admission::{PeerAccount, Permit, Quantity};
use crate::frames::refusal;
use crate::running_request::RequestOutput;
use crate::session::InFlightRequest;

/// What the answers of one batch may be together, in bytes. A few kilobytes ask for a hundred of them, and the first
/// is held until the last is there.
const BATCH_ANSWER_BYTES_MAX: usize = 8 << 20;

/// One request of a batch.
pub(super) struct Item {
    id: Option<Id>,
    answer: ItemAnswer,
}

enum ItemAnswer {
    Now(Frame),
    Later(Box<InFlightRequest>),
}

impl Item {
    /// One that was not begun.
    pub(super) fn refused(rejected: &Rejected) -> Self {
        Item { id: rejected.id.clone(), answer: ItemAnswer::Now(refusal(rejected)) }
    }

    /// One that was answered at once.
    pub(super) fn answered(id: Id, answer: Frame) -> Self {
        Item { id: Some(id), answer: ItemAnswer::Now(answer) }
    }

    /// One that is being answered.
    pub(super) fn running(id: Id, request: InFlightRequest) -> Self {
        Item { id: Some(id), answer: ItemAnswer::Later(Box::new(request)) }
    }

    /// The answer; `None` once the request was cancelled, of which nothing may be said any more. Notifications before
    /// the answer have no place in an array of answers.
    async fn answer(self) -> Option<Frame> {
        let mut request = match self.answer {
            ItemAnswer::Now(frame) => return Some(frame),
            ItemAnswer::Later(request) => request,
        };
        loop {
            match request.step().await {
                Some(RequestOutput::Event(_)) => {}
                Some(RequestOutput::Done(frame)) => return Some(frame),
                None => return None,
            }
        }
    }
}

/// The answers as one array, in the order of the requests; `None` when there is nothing to answer.
///
/// An answer that would make it longer than [`BATCH_ANSWER_BYTES_MAX`], or for which the peer has no room, is an
/// error in its place. Its call has been made.
pub(super) async fn join(items: Vec<Item>, account: &PeerAccount) -> Option<Frame> {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new(); items.len()];
    let answer = |(n, item): (usize, Item)| async move {
        let id = item.id.clone();
        (n, id, item.answer().await)
    };
    let mut coming: FuturesUnordered<_> = items.into_iter().enumerate().map(answer).collect();
    let mut bytes = 0;
    let mut held: Vec<Permit> = Vec::new();
    while let Some((n, id, frame)) = coming.next().await {
        let Some(frame) = frame else { continue };
        let fits = bytes + frame.len() <= BATCH_ANSWER_BYTES_MAX;
        let permit = fits.then(|| account.try_take(Quantity::RequestBytes, frame.len())).flatten();
        // Copied at once: a large result keeps its place among those that are read from tools, and others of this
        // batch may be waiting for one.
        parts[n] = match permit {
            Some(permit) => {
                held.push(permit);
                frame.parts().concat()
            }
            None => error_frame(id.as_ref(), &too_long()).parts().concat(),
        };
        bytes += parts[n].len();
    }
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| array_of(parts))
}

/// The answers as the members of an array. The longest is not copied, and each other goes as soon as it is: they are not
/// held twice.
fn array_of(mut parts: Vec<Vec<u8>>) -> Frame {
    let longest = (0..parts.len()).max_by_key(|&n| parts[n].len()).unwrap_or_default();
    let behind = parts.split_off(longest);
    let mut head = vec![b'['];
    for part in parts {
        head.extend_from_slice(&part);
        head.push(b',');
    }
    let mut behind = behind.into_iter();
    let body = behind.next().unwrap_or_default();
    let mut middle = Vec::new();
    for part in behind {
        middle.push(b',');
        middle.extend_from_slice(&part);
    }
    middle.push(b']');
    Frame { head: head.into(), body: body.into(), middle: middle.into(), ..Frame::default() }
}

fn too_long() -> RpcError {
    let why = format!(
        "the request was carried out, and its answer is left out: the answers of a batch may have \
         {BATCH_ANSWER_BYTES_MAX} bytes together; send it by itself"
    );
    RpcError::new(ErrorCode::Overloaded, why)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::admission::Admission;
    use crate::config::Limits;
    use crate::running_request::RunningRequest;

    #[tokio::test]
    async fn answers_keep_their_order_and_those_beyond_the_sum_are_errors_under_their_ids() {
        let account = Admission::new(&Limits::default(), 100).account(None);
        let large = |n: usize| {
            let text = format!(r#"{{"id":{n},"result":"{}"}}"#, "x".repeat(3 << 20));
            let frame = Frame { head: text.into(), ..Frame::default() };
            let id = Id::parse(&Bytes::from(n.to_string())).unwrap();
            if n == 1 {
                return Item::answered(id, frame);
            }
            let running = RunningRequest::new(id.clone(), std::future::ready(frame), None);
            Item::running(id, InFlightRequest::new(running, None))
        };
        let frame = join((0..60).map(large).collect(), &account).await.unwrap();
        assert!(frame.len() < BATCH_ANSWER_BYTES_MAX + 60 * 400, "{} bytes", frame.len());
        let answers: Vec<serde_json::Value> = serde_json::from_slice(&frame.into_bytes()).unwrap();
        let ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64()).collect();
        assert_eq!(ids, (0..60).map(Some).collect::<Vec<_>>());
        let whole = |answer: &&serde_json::Value| answer["result"].is_string();
        assert_eq!(answers.iter().filter(whole).count(), 2);
        assert!(answers.iter().all(|answer| whole(&answer) || answer["error"]["code"] == -31000));
        assert!(account.may_send_more());
    }
}
