//! What the rest of omni sees of the store.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use crate::bounds::{QUEUE_BYTES_MAX, QUEUE_MAX, StoreConfig};
use crate::error::{OpenError, StoreError};
use crate::folder::Folder;
use crate::operation::{Access, Operation, Scope, Stop, operation};
use crate::reply::Reply;
use crate::task::{
    Changed, Ending, LostTask, NewTask, RemovedTask, Requested, Task, TaskChange, TaskRequest,
};
use crate::writer::Writer;
use crate::{tasks, used_nonces};

/// Tasks and used nonces, in a database that survives the process.
///
/// A clone is the same store. Operations are carried out one after the other, in the order in which they were sent, by a
/// thread that begins with the first of them; nothing is made on the disk before that. An operation that [`Reply`] has
/// acknowledged survives the process's end in any way, and a power cut. The thread ends after the last clone is dropped, once it
/// has done what was sent; [`Store::close`] waits for that.
///
/// Several servers may share a folder. Each task belongs to the store that has created it, and only that one changes it, as
/// long as its process lives.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    folder: Folder,
    config: StoreConfig,
    writer: Mutex<WriterThread>,
    queue_bytes: Arc<AtomicUsize>,
}

enum WriterThread {
    NotStarted,
    Running { queue: SyncSender<Box<dyn Operation>>, thread: JoinHandle<()> },
    Closed,
}

impl Store {
    /// A store in `folder`, which is made for the user alone, and opened, when it is first used.
    pub fn on_first_use(folder: impl Into<PathBuf>, config: StoreConfig) -> Self {
        Store {
            shared: Arc::new(Shared {
                folder: Folder::new(folder.into()),
                config,
                writer: Mutex::new(WriterThread::NotStarted),
                queue_bytes: Arc::new(AtomicUsize::new(0)),
            }),
        }
    }

    /// A store in `folder` that is open. Blocks: see [`Reply::wait`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`], as a rule.
    pub fn open(folder: impl Into<PathBuf>, config: StoreConfig) -> Result<Self, StoreError> {
        let store = Store::on_first_use(folder, config);
        store.ready().wait()?;
        Ok(store)
    }

    /// Opens the database, unless it is open.
    pub fn ready(&self) -> Reply<()> {
        self.send(Access::Read, 0, |_| Ok(()))
    }

    /// Stores a task that begins to work. Its client may be told of it when this is acknowledged, and not before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`], and [`StoreError::Quota`] when tasks that are over make no room.
    pub fn create(&self, task: NewTask) -> Reply<()> {
        let bytes = task.id.len() + task.owner.len() + task.method.len() + task.name.len();
        self.send(Access::Write, bytes, move |scope| tasks::create(scope, &task))
    }

    /// Says what has changed about a task of this store that goes on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`] when its questions do not fit.
    pub fn change(&self, id: &str, change: TaskChange, now: SystemTime) -> Reply<Changed> {
        let (id, bytes) = (id.to_owned(), change.input_requests.as_ref().map_or(0, Vec::len));
        self.send(Access::Write, bytes, move |scope| tasks::change(scope, &id, &change, now))
    }

    /// Ends a task of this store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`] when the result does not fit. An ending with less than 3 KiB always does.
    pub fn finish(&self, id: &str, ending: Ending, now: SystemTime) -> Reply<Changed> {
        let bytes = match &ending {
            Ending::Completed(result) => result.len(),
            Ending::Failed { message, error } => message.len() + error.len(),
            Ending::Cancelled => 0,
        };
        let id = id.to_owned();
        self.send(Access::Write, bytes, move |scope| tasks::finish(scope, &id, &ending, now))
    }

    /// The task, if it is this owner's and its time is not over.
    pub fn task(&self, id: &str, owner: &str, now: SystemTime) -> Reply<Option<Task>> {
        let (id, owner) = (id.to_owned(), owner.to_owned());
        self.send(Access::Read, 0, move |scope| tasks::task(scope, &id, &owner, now))
    }

    /// Cancels a task for its owner, or hands answers to it. A cancelled one says so at once, whoever runs it; its call is to
    /// be ended by the server that does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`] when answers for another server do not fit.
    pub fn request(&self, id: &str, owner: &str, request: TaskRequest, now: SystemTime) -> Reply<Requested> {
        let bytes = match &request {
            TaskRequest::Cancel => 0,
            TaskRequest::Answer(answer) => answer.len(),
        };
        let (id, owner) = (id.to_owned(), owner.to_owned());
        self.send(Access::Write, bytes, move |scope| tasks::request(scope, &id, &owner, &request, now))
    }

    /// Takes out what other servers were asked of tasks of this store, oldest first. Whoever runs tasks asks from time to
    /// time: it costs no write where there is nothing.
    pub fn take_requests(&self) -> Reply<Vec<(String, TaskRequest)>> {
        self.send(Access::Write, 0, tasks::take_requests)
    }

    /// Ends the tasks of servers that have ended themselves, as failed with this message and error, and says which these
    /// are. Tasks of servers that live are left alone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when it cannot be found out which servers live.
    pub fn declare_lost(&self, message: &str, error: &[u8], now: SystemTime) -> Reply<Vec<LostTask>> {
        let (message, error) = (message.to_owned(), error.to_owned());
        self.send(Access::Write, 0, move |scope| tasks::declare_lost(scope, &message, &error, now))
    }

    /// Removes tasks whose time is over, at most 1,000 at a time, and says which these are.
    pub fn remove_expired(&self, now: SystemTime) -> Reply<Vec<RemovedTask>> {
        self.send(Access::Write, 0, move |scope| tasks::remove_expired(scope, now))
    }

    /// Whether this is the first use of a nonce, by whichever server. It is remembered until `expires`; after that every use
    /// is refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`]: then it is neither used nor refused.
    pub fn use_once(&self, nonce: &[u8], expires: SystemTime, now: SystemTime) -> Reply<bool> {
        let nonce = nonce.to_owned();
        self.send(Access::Write, 0, move |scope| used_nonces::use_once(scope, &nonce, expires, now))
    }

    /// Waits until all that was sent is done, and lets go of the database. What is sent afterwards, by any clone, gets
    /// [`StoreError::Closed`]. Tasks of this store that have not ended are lost then. Blocks.
    pub fn close(&self) {
        let before = std::mem::replace(&mut *self.shared.writer(), WriterThread::Closed);
        match before {
            WriterThread::NotStarted | WriterThread::Closed => {}
            WriterThread::Running { queue, thread } => {
                drop(queue);
                // A thread that panicked has said so.
                let _ = thread.join();
            }
        }
    }

    fn send<T, F>(&self, access: Access, bytes: usize, run: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Scope<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (operation, reply) = operation(access, bytes, run);
        match self.shared.send(operation) {
            Ok(()) => reply,
            Err(error) => Reply::refused(error),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("folder", &self.shared.folder.path()).finish_non_exhaustive()
    }
}

impl Shared {
    fn writer(&self) -> MutexGuard<'_, WriterThread> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, operation: Box<dyn Operation>) -> Result<(), StoreError> {
        let bytes = operation.bytes();
        if self.queue_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > QUEUE_BYTES_MAX {
            self.queue_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        let sent = self.enqueue(operation);
        if sent.is_err() {
            self.queue_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent
    }

    /// Hands an operation to the thread. One that ended by a bug is started anew, with the operation that finds it out.
    fn enqueue(&self, mut operation: Box<dyn Operation>) -> Result<(), StoreError> {
        let mut writer = self.writer();
        loop {
            match &*writer {
                WriterThread::Closed => return Err(StoreError::Closed),
                WriterThread::NotStarted => *writer = self.start()?,
                WriterThread::Running { queue, .. } => match queue.try_send(operation) {
                    Ok(()) => return Ok(()),
                    Err(TrySendError::Full(_)) => return Err(StoreError::Busy),
                    Err(TrySendError::Disconnected(returned)) => {
                        self.queue_bytes.store(returned.bytes(), Ordering::Relaxed);
                        operation = returned;
                        *writer = WriterThread::NotStarted;
                    }
                },
            }
        }
    }

    fn start(&self) -> Result<WriterThread, StoreError> {
        let writer = Writer::new(self.folder.clone(), self.config.clone(), Arc::clone(&self.queue_bytes));
        let (queue, operations) = sync_channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("omni-store".to_owned())
            .spawn(move || writer.work(&operations))
            .map_err(|error| StoreError::Open(OpenError::Thread { source: Arc::new(error) }))?;
        Ok(WriterThread::Running { queue, thread })
    }
}
