//! The answer to an operation: a future, or something to wait for.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::StoreError;

/// The answer to an operation of a [`Store`](crate::Store), which has been sent already. Dropping it does not take the
/// operation back.
#[derive(Debug)]
#[must_use = "an operation has not been stored before its reply says so"]
pub struct Reply<T>(Source<T>);

#[derive(Debug)]
enum Source<T> {
    Refused(Option<StoreError>),
    Writer(oneshot::Receiver<Result<T, StoreError>>),
}

impl<T> Reply<T> {
    pub(crate) fn refused(error: StoreError) -> Self {
        Reply(Source::Refused(Some(error)))
    }

    pub(crate) fn from_writer(receiver: oneshot::Receiver<Result<T, StoreError>>) -> Self {
        Reply(Source::Writer(receiver))
    }

    /// Blocks until the answer is there.
    ///
    /// # Panics
    ///
    /// On a thread that drives futures: there it must be awaited.
    pub fn wait(self) -> Result<T, StoreError> {
        match self.0 {
            Source::Refused(error) => Err(error.unwrap_or(StoreError::Stopped)),
            Source::Writer(receiver) => receiver.blocking_recv().unwrap_or(Err(StoreError::Stopped)),
        }
    }
}

impl<T> Unpin for Reply<T> {}

impl<T> Future for Reply<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Source::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(StoreError::Stopped))),
            Source::Writer(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Stopped)))
            }
        }
    }
}
