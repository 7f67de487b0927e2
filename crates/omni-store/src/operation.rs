//! What the writer is asked to do, as it lies in its queue.

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::bounds::StoreConfig;
use crate::error::{OpenError, Quota, StoreError};
use crate::folder::Folder;
use crate::reply::Reply;
use crate::server_lock::ServerLock;

/// What an operation works with. It stands in a transaction, which others of its batch share.
pub(crate) struct Scope<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) config: &'a StoreConfig,
    pub(crate) folder: &'a Folder,
    pub(crate) server: &'a mut ServerLock,
}

/// Why an operation did nothing.
pub(crate) enum Stop {
    /// It was found out before anything was written: the rest of the batch goes on.
    Refused(StoreError),
    /// The transaction is of no more use.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Stop::Sqlite(error)
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Stop::Refused(error.into())
    }
}

impl From<Quota> for Stop {
    fn from(quota: Quota) -> Self {
        Stop::Refused(StoreError::Quota(quota))
    }
}

/// An operation and whoever waits for it. It may be run several times: what counts is the run whose transaction is
/// committed.
pub(crate) trait Operation: Send {
    /// How many bytes of the queue it takes.
    fn bytes(&self) -> usize;

    /// Whether it changes anything: those that only read are run apart, and wait for no disk.
    fn writes(&self) -> bool;

    fn run(&mut self, scope: &mut Scope<'_>) -> rusqlite::Result<()>;

    /// Tells the caller what the last run gave, or the error because of which that is void.
    fn reply(self: Box<Self>, failure: Option<StoreError>);
}

/// An operation that `run` does, and where its answer is to go.
pub(crate) fn operation<T, F>(kind: Access, bytes: usize, run: F) -> (Box<dyn Operation>, Reply<T>)
where
    T: Send + 'static,
    F: FnMut(&mut Scope<'_>) -> Result<T, Stop> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    (Box::new(Pending { kind, bytes, run, answer: None, sender }), Reply::from_writer(receiver))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

struct Pending<T, F> {
    kind: Access,
    bytes: usize,
    run: F,
    answer: Option<Result<T, StoreError>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: FnMut(&mut Scope<'_>) -> Result<T, Stop> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn writes(&self) -> bool {
        match self.kind {
            Access::Read => false,
            Access::Write => true,
        }
    }

    fn run(&mut self, scope: &mut Scope<'_>) -> rusqlite::Result<()> {
        self.answer = Some(match (self.run)(scope) {
            Ok(answer) => Ok(answer),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::Sqlite(error)) => return Err(error),
        });
        Ok(())
    }

    fn reply(self: Box<Self>, failure: Option<StoreError>) {
        let answer = match failure {
            Some(error) => Err(error),
            None => self.answer.unwrap_or(Err(StoreError::Stopped)),
        };
        // Nobody may wait any more.
        let _ = self.sender.send(answer);
    }
}
