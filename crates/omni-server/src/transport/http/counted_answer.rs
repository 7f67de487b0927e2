//! Answers whose bytes are their client's until they are written.

use std::sync::Arc;

use bytes::Bytes;
use omni_protocol::Frame;

use crate::admission::{PeerAccount, Permit, Quantity};

/// An answer up to this size is not counted while it waits to be read: it fits into what the kernel holds.
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;

/// Has the answer's bytes counted as the peer's until the last of them is written.
pub(crate) fn counted(frame: Frame, account: &PeerAccount) -> Frame {
    if frame.len() <= UNCOUNTED_BYTES_MAX {
        return frame;
    }
    let permit = Arc::new(account.charge(Quantity::AnswerBytes, frame.len()));
    // The permit goes with the bytes: the body is dropped when they are handed to a buffer, not when they are out.
    let count = |bytes: Bytes| match bytes.is_empty() {
        true => bytes,
        false => Bytes::from_owner(Counted { bytes, _permit: permit.clone() }),
    };
    let Frame { head, body, middle, second, tail, error } = frame;
    Frame {
        head: count(head),
        body: count(body),
        middle: count(middle),
        second: count(second),
        tail: count(tail),
        error,
    }
}

struct Counted {
    bytes: Bytes,
    _permit: Arc<Permit>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
