//! Is a whole file text? What is read in ranges is read as one thing: its parts are all texts, or all bytes.
//!
//! A part of what is no text may well look like one. Cut as text it would lose what begins no character, and nobody who
//! puts the parts together would notice.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::str;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Whoever reads one file in ranges has it looked through once.
const REMEMBERED_MAX: usize = 64;

/// A file that has just been written may be written again with nothing to tell by: times have the grain of a clock's tick.
const AT_REST: Duration = Duration::from_secs(2);

/// Read in one go.
const CHUNK_BYTES: usize = 256 << 10;

/// What a file is told by from another, and from itself before an edit: device, inode, size, and the times of its last
/// changes.
type Version = (u64, u64, u64, (i64, i64), (i64, i64));

/// What was found of the files that were looked through last.
#[derive(Debug, Default)]
pub(super) struct TextChecks(Mutex<VecDeque<(Version, bool)>>);

impl TextChecks {
    /// Whether the file is UTF-8 as a whole, and holds no NUL. Reads it, up to the first byte that is neither; `None` when
    /// it was cancelled. Blocks.
    pub(super) fn is_text(&self, file: &File, cancelled: &AtomicBool) -> io::Result<Option<bool>> {
        let metadata = file.metadata()?;
        let version = version(&metadata);
        let known = self.list().iter().find(|(of, _)| *of == version).map(|(_, is_text)| *is_text);
        if known.is_some() {
            return Ok(known);
        }
        let found = look_through(file, cancelled)?;
        if let Some(is_text) = found
            && is_at_rest(&metadata)
        {
            let mut list = self.list();
            list.truncate(REMEMBERED_MAX - 1);
            list.push_front((version, is_text));
        }
        Ok(found)
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<(Version, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(metadata: &Metadata) -> Version {
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), metadata.size(), modified, (metadata.ctime(), metadata.ctime_nsec()))
}

fn is_at_rest(metadata: &Metadata) -> bool {
    let changed =
        u64::try_from(metadata.ctime()).map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|ago| ago > AT_REST))
}

fn look_through(file: &File, cancelled: &AtomicBool) -> io::Result<Option<bool>> {
    let mut buffer = vec![0; CHUNK_BYTES];
    // Bytes at the buffer's beginning of a character that the part before began.
    let (mut kept, mut at) = (0, 0);
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let read = match file.read_at(&mut buffer[kept..], at) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Ok(Some(kept == 0));
        }
        at += read as u64;
        let filled = kept + read;
        let whole = match str::from_utf8(&buffer[..filled]) {
            Ok(_) => filled,
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(Some(false)),
        };
        if buffer[..whole].contains(&0) {
            return Ok(Some(false));
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_text_when_all_of_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let long = "漢".repeat(CHUNK_BYTES);
        let mut late = long.clone().into_bytes();
        late.push(0xB0);
        for (bytes, is_text) in [
            (&b""[..], true),
            (b"abc", true),
            (b"abc\xb0def", false),
            (b"a\0b", false),
            (b"ab\xe6\xbc", false),
            (long.as_bytes(), true),
            (&late, false),
        ] {
            fs::write(&path, bytes).unwrap();
            let checks = TextChecks::default();
            let file = File::open(&path).unwrap();
            let go_on = AtomicBool::new(false);
            assert_eq!(checks.is_text(&file, &go_on).unwrap(), Some(is_text), "{} bytes", bytes.len());
            assert!(checks.list().is_empty(), "it has just been written");
            assert_eq!(checks.is_text(&file, &AtomicBool::new(true)).unwrap(), None);
        }
    }
}
