//! What must outlive the server's process: tasks, and which sealed states have been used.
//!
//! One SQLite database in a folder of its own, which several servers may share. Each [`Store`] has one thread that alone
//! touches the database; callers send it operations and get a [`Reply`], to be awaited or waited for. Nothing is
//! acknowledged before it is on the disk. In reading order:
//!
//! ```text
//! Store ─▶ Writer (thread, batches) ─▶ Database (open, check, put aside) ─▶ tasks, used_nonces (rows)
//!                                         ServerLock (which servers live)
//! ```

mod bounds;
mod database;
mod error;
mod folder;
mod operation;
mod overview;
mod put_aside;
mod reply;
mod schema;
mod server_lock;
mod store;
mod task;
mod tasks;
mod time;
mod used_nonces;
mod writer;

pub use bounds::StoreConfig;
pub use error::{OpenError, Quota, SqliteError, StoreError};
pub use overview::{Overview, overview};
pub use reply::Reply;
pub use store::Store;
pub use task::{Changed, Ending, LostTask, NewTask, RemovedTask, Requested, Task, TaskChange, TaskRequest};
