//! A connection whose client must read: one that does not is closed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::admission::Connection;

/// A client that takes nothing of what is to be written for this long has its connection closed.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The same while the answers that its peer does not read press on others.
const STALL_MAX_UNDER_PRESSURE: Duration = Duration::from_secs(2);

/// A client that reads fewer bytes than this a second, over more than [`STALL_MAX`], counts as one that reads nothing.
const RATE_MIN: f64 = 4096.0;

/// A connection to a client. Writing fails with `TimedOut` once the client has not read for
/// too long. Nothing is measured while writing does not wait.
pub(crate) struct StallGuard<S> {
    inner: S,
    connection: Arc<Connection>,
    blocked: Option<Blocked>,
}

/// Since writing had to wait, and until everything is written.
struct Blocked {
    since: Instant,
    progress: Instant,
    bytes: usize,
    look: Pin<Box<Sleep>>,
}

impl<S> StallGuard<S> {
    pub(crate) fn new(inner: S, connection: Arc<Connection>) -> Self {
        StallGuard { inner, connection, blocked: None }
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.blocked) {
            (Poll::Ready(Ok(bytes)), Some(blocked)) => {
                blocked.progress = Instant::now();
                blocked.bytes += bytes;
                self.connection.touch();
            }
            (Poll::Ready(_), _) => {}
            (Poll::Pending, None) => {
                let now = Instant::now();
                let look = Box::pin(sleep(STALL_MAX_UNDER_PRESSURE));
                self.blocked = Some(Blocked { since: now, progress: now, bytes: 0, look });
                return self.poll_stall(cx);
            }
            (Poll::Pending, Some(_)) => return self.poll_stall(cx),
        }
        written
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(blocked) = &mut self.blocked else { return Poll::Pending };
        while blocked.look.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let silent = now - blocked.progress;
            let allowed = STALL_MAX + Duration::from_secs_f64(blocked.bytes as f64 / RATE_MIN);
            let pressing = silent >= STALL_MAX_UNDER_PRESSURE && self.connection.account().reads_too_slowly();
            if silent >= STALL_MAX || now - blocked.since >= allowed || pressing {
                let why = format!("the client has not read for {} s", silent.as_secs());
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            blocked.look.as_mut().reset(now + STALL_MAX_UNDER_PRESSURE);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only asked for when everything has been handed over.
        self.blocked = None;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::admission::{Admission, PeerAccount, Quantity};
    use crate::config::Limits;

    fn pair() -> (StallGuard<DuplexStream>, DuplexStream, PeerAccount) {
        let admission = Admission::new(&Limits::default(), 100);
        let account = admission.account(None);
        let (ours, theirs) = duplex(64 << 10);
        (StallGuard::new(ours, Arc::new(admission.connect(&account).unwrap())), theirs, account)
    }

    /// Writes a megabyte to a client that reads `bytes` each time `every` has passed, and gives the time until the
    /// end and the error, if it was one.
    async fn write_to(every: Duration, bytes: usize, pressing: bool) -> (Duration, Option<io::ErrorKind>) {
        let (mut guarded, mut client, account) = pair();
        let _unread = account.charge(Quantity::AnswerBytes, if pressing { 20 << 20 } else { 0 });
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let mut taken = vec![0; bytes];
                if client.read_exact(&mut taken).await.is_err() {
                    return;
                }
            }
        });
        let started = Instant::now();
        let error = guarded.write_all(&vec![0; 1 << 20]).await.err();
        (started.elapsed(), error.map(|error| error.kind()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_closed_after_thirty_seconds_and_sooner_when_it_presses_on_others() {
        let never = Duration::from_secs(3600);
        let (after, error) = write_to(never, 1, false).await;
        assert_eq!((after.as_secs(), error), (30, Some(io::ErrorKind::TimedOut)));
        let (after, error) = write_to(never, 1, true).await;
        assert_eq!((after.as_secs(), error), (2, Some(io::ErrorKind::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_served_and_one_that_only_pretends_to_read_is_not() {
        let (_, error) = write_to(Duration::from_millis(1500), 16 << 10, true).await;
        assert_eq!(error, None);
        let (after, error) = write_to(Duration::from_secs(20), 100, false).await;
        assert_eq!(error, Some(io::ErrorKind::TimedOut));
        assert!(after.as_secs() <= 34, "{after:?}");
    }
}
