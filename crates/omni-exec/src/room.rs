//! Room in memory for large results: one account for the process, since its memory is one.
//!
//! A result is paid for before it is read from whoever made it, and its bytes carry the receipt until the last of
//! them is dropped, which is when they have been written to the client. A client that does not read so keeps tools
//! waiting in their own pipes, and fills nothing here.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What large results may take when nobody says: three eighths of 64 MiB.
const RESULT_BYTES_MAX: usize = 24 << 20;

struct Room {
    kib: u32,
    free: Arc<Semaphore>,
}

static ROOM: OnceLock<Room> = OnceLock::new();

/// Sets how many bytes all large results together may take, from the first that is read from a tool to the last that
/// is written to a client. To be called once, before the first call; later ones change nothing.
pub fn set_result_room(bytes: usize) {
    ROOM.get_or_init(|| Room::new(bytes));
}

impl Room {
    fn new(bytes: usize) -> Self {
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Room { kib, free: Arc::new(Semaphore::new(kib as usize)) }
    }
}

type Asking = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// Room that is asked for, or held, for one result.
#[derive(Default)]
pub(crate) struct Place {
    asking: Option<Asking>,
    held: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Ready once there is room for that many bytes. What is larger than all the room waits until it is alone.
    pub(crate) fn poll(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_some() {
            return Poll::Ready(());
        }
        let room = ROOM.get_or_init(|| Room::new(RESULT_BYTES_MAX));
        let asking = self.asking.get_or_insert_with(|| {
            let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, room.kib);
            let free = room.free.clone();
            Box::pin(async move { free.acquire_many_owned(kib).await.ok() })
        });
        self.held = ready!(asking.as_mut().poll(cx));
        self.asking = None;
        Poll::Ready(())
    }

    /// The bytes with the receipt for them.
    pub(crate) fn fill(&mut self, bytes: Vec<u8>) -> Bytes {
        self.asking = None;
        match self.held.take() {
            Some(held) => Bytes::from_owner(Paid { bytes, _held: held }),
            None => bytes.into(),
        }
    }
}

struct Paid {
    bytes: Vec<u8>,
    _held: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Paid {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn room_is_given_back_when_the_last_slice_of_a_result_is_dropped() {
        let mut first = Place::default();
        poll_fn(|cx| first.poll(RESULT_BYTES_MAX, cx)).await;
        let bytes = first.fill(vec![0; 100]);
        let slice = bytes.slice(10..20);
        let mut second = Place::default();
        let mut waits = std::pin::pin!(poll_fn(|cx| second.poll(1 << 20, cx)));
        assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
        drop(bytes);
        assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
        drop(slice);
        waits.await;
    }
}
