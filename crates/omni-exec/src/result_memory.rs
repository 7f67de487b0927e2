//! A bound on the memory that large results take, for the whole process.
//!
//! Memory for a large result is reserved before the result is read from its worker or runner. The reservation goes
//! along with the bytes and is released when the last of them is dropped, after they have been written to the client.
//! So a client that does not read keeps tools waiting, and their results stay in their own pipes instead of filling our
//! memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What large results may take when [`set_result_memory`] has not been called: three eighths of 64 MiB.
const RESULT_MEMORY_DEFAULT: usize = 24 << 20;

struct ResultMemory {
    kib: u32,
    free: Arc<Semaphore>,
}

static RESULT_MEMORY: OnceLock<ResultMemory> = OnceLock::new();

/// Sets how many bytes all large results together may take, from the first that is read from a tool to the last that
/// is written to a client. To be called once, before the first call; later ones change nothing.
pub fn set_result_memory(bytes: usize) {
    RESULT_MEMORY.get_or_init(|| ResultMemory::new(bytes));
}

impl ResultMemory {
    fn new(bytes: usize) -> Self {
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        ResultMemory { kib, free: Arc::new(Semaphore::new(kib as usize)) }
    }
}

type PendingReservation = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// A reservation for one result, waited for or held.
#[derive(Default)]
pub(crate) struct ResultReservation {
    asking: Option<PendingReservation>,
    held: Option<OwnedSemaphorePermit>,
}

impl ResultReservation {
    /// Ready once so many bytes are reserved. A result that is larger than the whole bound waits until it is the only
    /// one.
    pub(crate) fn poll(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_some() {
            return Poll::Ready(());
        }
        let room = RESULT_MEMORY.get_or_init(|| ResultMemory::new(RESULT_MEMORY_DEFAULT));
        let asking = self.asking.get_or_insert_with(|| {
            let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, room.kib);
            let free = room.free.clone();
            Box::pin(async move { free.acquire_many_owned(kib).await.ok() })
        });
        self.held = ready!(asking.as_mut().poll(cx));
        self.asking = None;
        Poll::Ready(())
    }

    /// Whether it was asked for and is not there yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.asking.is_some()
    }

    /// Bytes that release the reservation when the last of them is dropped.
    pub(crate) fn fill(&mut self, bytes: Vec<u8>) -> Bytes {
        self.asking = None;
        match self.held.take() {
            Some(held) => Bytes::from_owner(ReservedBytes { bytes, _held: held }),
            None => bytes.into(),
        }
    }
}

struct ReservedBytes {
    bytes: Vec<u8>,
    _held: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for ReservedBytes {
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
        let mut first = ResultReservation::default();
        poll_fn(|cx| first.poll(RESULT_MEMORY_DEFAULT, cx)).await;
        let bytes = first.fill(vec![0; 100]);
        let slice = bytes.slice(10..20);
        let mut second = ResultReservation::default();
        let mut waits = std::pin::pin!(poll_fn(|cx| second.poll(1 << 20, cx)));
        assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
        drop(bytes);
        assert!(timeout(Duration::ZERO, waits.as_mut()).await.is_err());
        drop(slice);
        waits.await;
    }
}
