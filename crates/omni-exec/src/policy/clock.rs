//! The clock of the layers.

use std::time::Instant;

/// Now, by the clock that the runtime's timers go by: a test can have it stand still.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
