//! The thread that alone touches the database. What waits for it together is committed together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::{ErrorCode, TransactionBehavior};

use crate::bounds::{BATCH_MAX, StoreConfig};
use crate::database::{Database, check_version};
use crate::error::{OpenError, StoreError, Trouble};
use crate::folder::Folder;
use crate::operation::{Operation, Scope};
use crate::server_lock::ServerLock;

type Batch = Vec<Box<dyn Operation>>;

/// How often a batch is begun anew since its database was put aside, by us or by another server.
const ATTEMPTS_MAX: usize = 3;

/// After how many failures of the disk, one after the other, the database is opened anew.
const FAILURES_MAX: u32 = 8;

pub(crate) struct Writer {
    folder: Folder,
    config: StoreConfig,
    database: Option<Database>,
    server: ServerLock,
    /// Whether all of the database is read when it is opened next: at first, and when it seems to be damaged.
    check: bool,
    /// How many transactions the disk has failed, one after the other.
    failures: u32,
    /// How many bytes wait in the queue, the batch that is being run included.
    queue_bytes: Arc<AtomicUsize>,
}

/// Why a batch was not committed.
enum Failure {
    Open(OpenError),
    Sqlite(rusqlite::Error),
    /// It was committed to a file that is not the database any more.
    PutAside,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

impl Writer {
    pub(crate) fn new(folder: Folder, config: StoreConfig, queue_bytes: Arc<AtomicUsize>) -> Self {
        let server = ServerLock::new(&folder);
        Writer { folder, config, database: None, server, check: true, failures: 0, queue_bytes }
    }

    /// Works until nobody can send anything any more, and all that was sent is done.
    pub(crate) fn work(mut self, queue: &Receiver<Box<dyn Operation>>) {
        let mut waiting = VecDeque::new();
        while let Ok(first) = queue.recv() {
            waiting.push_back(first);
            waiting.extend(queue.try_iter().take(BATCH_MAX - 1));
            while let Some(batch) = next_batch(&mut waiting) {
                let bytes = batch.iter().map(|operation| operation.bytes()).sum();
                self.finish(batch);
                self.queue_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        if let Some(database) = &self.database {
            database.checkpoint();
        }
    }

    /// Runs a batch and answers it.
    fn finish(&mut self, mut batch: Batch) {
        let mut failed = None;
        for _ in 0..ATTEMPTS_MAX {
            let failure = match self.attempt(&mut batch) {
                Ok(()) => {
                    self.failures = 0;
                    return answer(batch, None);
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Open(error) => return answer(batch, Some(&error.into())),
                Failure::PutAside => {
                    self.database = None;
                    failed = None;
                }
                Failure::Sqlite(error) => match Trouble::of(&error) {
                    Trouble::Locked => {
                        // It may be a lock of our own that could not be freed; this frees it.
                        self.database = None;
                        let waited = self.config.lock_timeout;
                        return answer(batch, Some(&StoreError::Locked { waited }));
                    }
                    Trouble::Damaged => {
                        self.database = None;
                        self.check = true;
                        failed = Some(error);
                    }
                    trouble @ (Trouble::Full | Trouble::Disk) => {
                        self.failures += 1;
                        // SQLite has rolled back, and overwrites what it could not finish. Opened anew it may find that in
                        // the log, whole: so only when nothing else has helped.
                        // And when SQLite could open the log for reading only, and so has written nothing.
                        if self.failures >= FAILURES_MAX
                            || error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
                        {
                            self.database = None;
                        }
                        if batch.len() > 1 {
                            // One that is too large shall not take the others with it.
                            return batch.into_iter().for_each(|one| self.finish(vec![one]));
                        }
                        let source = error.into();
                        let error = match trouble {
                            Trouble::Full => StoreError::DiskFull { source },
                            _ => StoreError::Io { source },
                        };
                        return answer(batch, Some(&error));
                    }
                },
            }
        }
        let error = match failed {
            Some(error) => StoreError::Damaged { source: error.into() },
            // Somebody exchanges the file again and again.
            None => StoreError::Locked { waited: self.config.lock_timeout },
        };
        answer(batch, Some(&error));
    }

    /// Runs a batch in one transaction.
    fn attempt(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        if self.database.as_ref().is_some_and(|database| !database.is_current()) {
            self.database = None;
        }
        let database = match &mut self.database {
            Some(database) => database,
            none => {
                let opened = Database::open(&self.folder, &self.config, self.check).map_err(Failure::Open)?;
                self.check = false;
                none.insert(opened)
            }
        };
        let writes = batch.iter().any(|operation| operation.writes());
        // A transaction that begins by reading and then wants to write can be refused at once.
        let behavior = if writes { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
        let transaction = database.connection.transaction_with_behavior(behavior)?;
        if let Err(error) = check_version(&transaction, &self.folder)? {
            drop(transaction);
            self.database = None;
            return Err(Failure::Open(error));
        }
        let mut scope = Scope {
            connection: &transaction,
            config: &self.config,
            folder: &self.folder,
            server: &mut self.server,
        };
        for operation in batch.iter_mut() {
            operation.run(&mut scope)?;
        }
        transaction.commit()?;
        if writes && !database.is_current() { Err(Failure::PutAside) } else { Ok(()) }
    }
}

/// What can be run together of what waits: all that only reads, or all that writes, up to the first of the other kind.
fn next_batch(waiting: &mut VecDeque<Box<dyn Operation>>) -> Option<Batch> {
    let writes = waiting.front()?.writes();
    let end = waiting.iter().position(|operation| operation.writes() != writes).unwrap_or(waiting.len());
    Some(waiting.drain(..end).collect())
}

fn answer(batch: Batch, failure: Option<&StoreError>) {
    for operation in batch {
        operation.reply(failure.cloned());
    }
}
