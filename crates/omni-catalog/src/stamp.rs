//! Has a file or folder changed since it was read, as far as one system call can tell?

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the file system says about one path. Equal stamps mean equal content, except for a write in the
/// same tick of the clock, which [`Stamp::settled`] guards against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) modified_ns: i64,
    /// A changed permission moves this one only.
    pub(crate) changed_ns: i64,
    pub(crate) size: u64,
    pub(crate) inode: u64,
}

impl Stamp {
    /// Stands for a stamp that must not be trusted: what it was taken of has to be read again.
    pub(crate) const UNSETTLED: Stamp = Stamp { modified_ns: 0, changed_ns: 0, size: 0, inode: 0 };
    /// Stands for a path that is not there, or behind a folder that may not be entered.
    pub(crate) const ABSENT: Stamp = Stamp { modified_ns: 0, changed_ns: 0, size: 0, inode: u64::MAX };

    /// Looks at `path`, through links.
    pub(crate) fn of(path: &Path) -> Stamp {
        std::fs::metadata(path).map_or(Stamp::ABSENT, |metadata| Stamp::from(&metadata))
    }

    /// The stamp to remember for something read at `now`, or a later moment, after this stamp was taken.
    ///
    /// File systems count time in ticks. A second write within the tick of the first would leave the
    /// stamp as it was, so what changed a moment ago is remembered as unknown and read again next time.
    pub(crate) fn settled(self, now: SystemTime) -> Stamp {
        if self == Stamp::ABSENT {
            return self;
        }
        let now_ns = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        let newest_ns = self.modified_ns.max(self.changed_ns);
        // A time of whole seconds suggests a file system that counts in seconds, or in steps of two.
        let tick_ns = if newest_ns % 1_000_000_000 == 0 { 2_100_000_000 } else { 20_000_000 };
        if now_ns.saturating_sub(newest_ns) < tick_ns { Stamp::UNSETTLED } else { self }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            // A folder's size means nothing, and on some file systems it moves by itself.
            size: if metadata.is_dir() { 0 } else { metadata.len() },
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_changed_within_the_clock_tick_is_not_trusted() {
        let at = |ns: i64| Stamp { modified_ns: ns, changed_ns: ns, size: 1, inode: 1 };
        let now = UNIX_EPOCH + Duration::from_millis(10_500);
        assert_eq!(at(10_495_000_001).settled(now), Stamp::UNSETTLED);
        assert_eq!(at(10_400_000_001).settled(now), at(10_400_000_001));
        assert_eq!(at(9_000_000_000).settled(now), Stamp::UNSETTLED, "a clock of seconds has long ticks");
        assert_eq!(at(99_000_000_001).settled(now), Stamp::UNSETTLED, "the future");
    }
}
