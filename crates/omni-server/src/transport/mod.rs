//! How bytes come and go. A transport cuts them into frames, hands those to a session, and writes what comes of it. It
//! knows no method, no tool and no revision.

pub(crate) mod http;
pub(crate) mod line_reader;
pub(crate) mod listener;
pub(crate) mod stall_guard;
pub(crate) mod stdio;

use tokio::sync::watch;

/// Resolves when the server is told to stop (or its owner is gone).
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
}
