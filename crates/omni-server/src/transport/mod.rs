//! How bytes come and go. A transport cuts them into frames and knows no method.

pub(crate) mod http;
pub(crate) mod line_reader;
pub(crate) mod runner;
mod stall_guard;
pub(crate) mod stdio;

use tokio::sync::watch;

/// Resolves when the server is told to stop (or its owner is gone).
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
}
