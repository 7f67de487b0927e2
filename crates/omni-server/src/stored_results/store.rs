//! Files with results: how many there may be, how long, and whose each is.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::time::Instant;

use super::owner::Owner;
use crate::random::random_hex;

/// Bounds on what is kept. `[results]` of omni.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredResultsConfig {
    /// A result of more bytes than this is shortened. Default 1,000 KiB: clients made with the Python SDK refuse an event of more
    /// than 1 MiB, and agents show a model some 2,000 characters of it.
    pub inline_bytes_max: usize,
    /// Structured content that a tool owes, since it declares a schema of it, stays up to so many bytes. Default 8 MiB, which
    /// is what a result may have by default.
    pub structured_bytes_max: usize,
    /// What all kept results may take. The oldest go before that. Default 256 MiB.
    pub bytes_max: u64,
    /// How many may be kept. Default 1,000.
    pub count_max: usize,
    /// How long one is kept. Default 1 h.
    pub kept_for: Duration,
}

impl Default for StoredResultsConfig {
    fn default() -> Self {
        StoredResultsConfig {
            inline_bytes_max: 1000 << 10,
            structured_bytes_max: 8 << 20,
            bytes_max: 256 << 20,
            count_max: 1000,
            kept_for: Duration::from_secs(60 * 60),
        }
    }
}

/// Written in one go.
const WRITE_BYTES: usize = 64 << 10;

/// The file in a server's folder that it holds a lock on as long as it lives.
const LOCK: &str = "lock";

/// The results that a server keeps, in a folder of its own beside those of other servers of the user.
///
/// All of its methods but `config` and `remove_in_time` may wait for the disk. Dropping it removes what is kept.
#[derive(Debug)]
pub struct StoredResults {
    config: StoredResultsConfig,
    folder: PathBuf,
    _lock: File,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    results: VecDeque<StoredResult>,
    bytes: u64,
    /// A task waits for the oldest to end.
    is_awaited: bool,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct StoredResult {
    pub(super) name: String,
    owner: Owner,
    pub(super) size: u64,
    pub(super) mime_type: String,
    /// Its bytes are UTF-8 without a NUL.
    pub(super) is_text: bool,
    ends: Instant,
}

impl StoredResults {
    /// Makes the folder of this server in `above`, private, and removes those of servers that are gone.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or locked.
    pub fn open(above: &Path, config: StoredResultsConfig) -> io::Result<Arc<Self>> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(above)?;
        remove_abandoned(above);
        let folder = above.join(random_hex::<8>());
        private(&folder)?;
        let lock = new_file(&folder.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Arc::new(StoredResults { config, folder, _lock: lock, kept: Mutex::default() }))
    }

    pub(crate) fn config(&self) -> &StoredResultsConfig {
        &self.config
    }

    /// Keeps `size` bytes that `write` writes, and removes the oldest as far as that is needed for room.
    ///
    /// # Errors
    ///
    /// There is more than may be kept in all, it cannot be written, or `write` fails.
    pub(super) fn keep(
        &self,
        owner: &Owner,
        size: u64,
        mime_type: &str,
        is_text: bool,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<StoredResult> {
        if size > self.config.bytes_max {
            let message =
                format!("{size} bytes are more than all that may be kept, {} bytes", self.config.bytes_max);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
        }
        let result = StoredResult {
            name: random_hex::<16>(),
            owner: owner.clone(),
            size,
            mime_type: mime_type.to_owned(),
            is_text,
            ends: Instant::now() + self.config.kept_for,
        };
        // Its place is taken before it is written, so that several at once keep to the bounds too.
        let gone = {
            let mut kept = self.kept();
            let mut gone = kept.take_ended();
            while kept.bytes + size > self.config.bytes_max || kept.results.len() >= self.config.count_max {
                let Some(oldest) = kept.take_oldest() else { break };
                gone.push(oldest);
            }
            kept.bytes += size;
            kept.results.push_back(result.clone());
            gone
        };
        self.remove(gone);
        let written = new_file(&self.path(&result.name)).and_then(|file| {
            let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
            write(&mut file)?;
            file.flush()
        });
        if let Err(error) = written {
            let failed = self.kept().take(&result.name);
            self.remove(failed);
            return Err(error);
        }
        Ok(result)
    }

    /// The result of that name and its file, for whoever it belongs to.
    pub(super) fn open_result(&self, owner: &Owner, name: &str) -> Option<(StoredResult, File)> {
        let kept = self.kept();
        let found = kept.results.iter().find(|result| result.name == name && result.owner == *owner)?;
        let found = Some(found.clone()).filter(|result| result.ends > Instant::now())?;
        drop(kept);
        let file = File::open(self.path(&found.name)).ok()?;
        Some((found, file))
    }

    /// Sees to it that what is kept goes when its time is over: one task waits as long as there is anything. To be called
    /// after something was kept; waits for nothing itself.
    pub(crate) fn remove_in_time(self: &Arc<Self>) {
        let mut next = {
            let mut kept = self.kept();
            let Some(oldest) = kept.results.front().filter(|_| !kept.is_awaited) else { return };
            let ends = oldest.ends;
            kept.is_awaited = true;
            ends
        };
        let stored = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep_until(next).await;
                let Some(stored) = stored.upgrade() else { return };
                // Removing a file may wait for the disk.
                match tokio::task::spawn_blocking(move || stored.remove_ended()).await {
                    Ok(Some(ends)) => next = ends,
                    Ok(None) | Err(_) => return,
                }
            }
        });
    }

    /// Removes what has been kept for long enough. Returns when the next ends; `None` when nothing is kept any more, and
    /// nobody waits for it.
    fn remove_ended(&self) -> Option<Instant> {
        let (ended, next) = {
            let mut kept = self.kept();
            let (ended, next) = (kept.take_ended(), kept.results.front().map(|result| result.ends));
            kept.is_awaited = next.is_some();
            (ended, next)
        };
        self.remove(ended);
        next
    }

    fn remove(&self, results: impl IntoIterator<Item = StoredResult>) {
        for result in results {
            if let Err(error) = fs::remove_file(self.path(&result.name))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "a kept result could not be removed");
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take_oldest(&mut self) -> Option<StoredResult> {
        let oldest = self.results.pop_front()?;
        self.bytes -= oldest.size;
        Some(oldest)
    }

    fn take_ended(&mut self) -> Vec<StoredResult> {
        let now = Instant::now();
        let mut ended = Vec::new();
        while self.results.front().is_some_and(|oldest| oldest.ends <= now) {
            ended.extend(self.take_oldest());
        }
        ended
    }

    fn take(&mut self, name: &str) -> Option<StoredResult> {
        let at = self.results.iter().position(|result| result.name == name)?;
        let taken = self.results.remove(at)?;
        self.bytes -= taken.size;
        Some(taken)
    }
}

impl Drop for StoredResults {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, "the folder of kept results could not be removed");
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes the folders of servers that did not end in good order: nobody holds the lock in them.
fn remove_abandoned(above: &Path) {
    let Ok(folders) = fs::read_dir(above) else { return };
    for folder in folders.flatten().map(|entry| entry.path()) {
        let lock = OpenOptions::new().write(true).open(folder.join(LOCK));
        // One without a lock is being made at this moment, or removed.
        let Ok(lock) = lock else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "results of an earlier server could not be removed");
        }
    }
}
