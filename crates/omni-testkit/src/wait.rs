//! Waiting for what must come.

use std::time::Duration;

/// How long a test waits for something that should come at once, by the test's own clock: then it fails instead of
/// hanging. Longer than any wait of the server.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What comes, or a panic that says what did not.
pub(crate) async fn expect<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, coming).await;
    came.unwrap_or_else(|_| panic!("{what} did not come"))
}
