//! Reading a request's body: bounded in size and time, and charged to the peer's account as it arrives.

use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use omni_protocol::ErrorCode;
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::{Reply, overloaded, refusal};
use crate::admission::{BodyBytes, PeerAccount, Permit};

/// A body has this long to arrive, and a second more for each [`RATE_MIN`] bytes of it that have come.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The least bytes a second in which a long body must arrive.
const RATE_MIN: f64 = 65_536.0;

/// A body of which nothing has arrived for this long may no longer go beyond the bound while others wait.
const STEP_BACK_AFTER: Duration = Duration::from_secs(1);

/// How long a body waits for room before it is refused.
const ROOM_WAIT: Duration = Duration::from_secs(15);

/// Room for the pieces of a body is taken in steps of this size, its first piece apart.
const STEP_BYTES: usize = 16 << 10;

/// A body in so many pieces must have [`PIECE_BYTES_MIN`] in each of them on average: a byte in a chunk costs us more
/// than whoever sends it.
const PIECES_FREE: usize = 4096;
const PIECE_BYTES_MIN: usize = 16;

/// Reads a whole body. The permit is for the bytes it holds.
///
/// # Errors
/// 413 when it is longer than `max`, also when it only says so; 408 when it does not come on; 503 when there is no
/// room for it; 400 when it breaks off, or comes in tiny pieces.
pub(super) async fn read(
    body: Incoming,
    max: usize,
    account: &PeerAccount,
) -> Result<(Bytes, Permit), Reply> {
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let mut reading = BodyReader { body, held: account.body(), room: 0, arrived: 0, deadline: None };
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut pieces = 0;
    while let Some(piece) = reading.piece().await? {
        pieces += 1;
        reading.arrived += piece.len();
        if reading.arrived > max {
            return Err(too_large(max));
        }
        if pieces > PIECES_FREE && reading.arrived < pieces * PIECE_BYTES_MIN {
            return Err(refuse(StatusCode::BAD_REQUEST, "the body comes in pieces of a few bytes"));
        }
        reading.pay(if pieces == 1 { 0 } else { STEP_BYTES }).await?;
        if pieces == 1 {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok((if all.is_empty() { first } else { all.freeze() }, reading.held.whole()))
}

struct BodyReader {
    body: Incoming,
    held: BodyBytes,
    /// Bytes there is room for.
    room: usize,
    arrived: usize,
    /// When it is to be complete, as long as nothing more comes. Unset until there was something to wait for.
    deadline: Option<Instant>,
}

impl BodyReader {
    async fn piece(&mut self) -> Result<Option<Bytes>, Reply> {
        loop {
            let frame = match self.next_now().await {
                Some(frame) => frame,
                None => self.next_in_time().await?,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| {
                refuse(StatusCode::BAD_REQUEST, &format!("the body could not be read: {error}"))
            })?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }

    /// What is there already, which is the whole of most bodies: no clock is looked at for it.
    async fn next_now(&mut self) -> Option<Next> {
        let mut frame = std::pin::pin!(self.body.frame());
        std::future::poll_fn(|cx| {
            Poll::Ready(match frame.as_mut().poll(cx) {
                Poll::Ready(next) => Some(next),
                Poll::Pending => None,
            })
        })
        .await
    }

    async fn next_in_time(&mut self) -> Result<Next, Reply> {
        let started = *self.deadline.get_or_insert_with(|| Instant::now() + BODY_TIMEOUT);
        let deadline = started + Duration::from_secs_f64(self.arrived as f64 / RATE_MIN);
        if let Ok(frame) = timeout(STEP_BACK_AFTER, self.body.frame()).await {
            return Ok(frame);
        }
        self.held.step_back();
        timeout_at(deadline, self.body.frame()).await.map_err(|_| {
            let why = format!("the body did not come: {} bytes of it did", self.arrived);
            refuse(StatusCode::REQUEST_TIMEOUT, &why)
        })
    }

    /// Takes room for what has arrived, `step` bytes at least.
    async fn pay(&mut self, step: usize) -> Result<(), Reply> {
        let Some(missing) = self.arrived.checked_sub(self.room).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let missing = missing.max(step);
        self.room += missing;
        if self.held.grow_now(missing) {
            return Ok(());
        }
        let asked = Instant::now();
        if timeout(ROOM_WAIT, self.held.grow(missing)).await.is_err() {
            let why = "the server holds as many requests as its memory allows; try again in a second";
            return Err(overloaded(None, why));
        }
        // The server caused this wait, so it does not count against the client.
        self.deadline = self.deadline.map(|deadline| deadline + asked.elapsed());
        Ok(())
    }
}

type Next = Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>;

fn too_large(max: usize) -> Reply {
    refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("a request body may have {max} bytes at most"))
}

fn refuse(status: StatusCode, why: &str) -> Reply {
    refusal(status, None, ErrorCode::InvalidRequest, why)
}
