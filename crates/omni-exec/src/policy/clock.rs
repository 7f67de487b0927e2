//! The clock that the layers use, which a test can stop.

use std::time::Instant;

/// The present time of the clock that the runtime's timers use too.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
