//! What a program reports while it runs: signs of life and progress, one datagram each.
//!
//! The other end is `python/src/omni/report.py`, which says what a report looks like.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};

use omni_call::Event;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::getuid;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use tokio::io::Interest;

/// The environment variable that names the socket, and the one that says when the call's time is up.
pub(super) const ADDRESS: &str = "OMNI_REPORT";
pub(super) const DEADLINE: &str = "OMNI_DEADLINE";

/// A longer report arrives cut off, which makes it no report.
const BYTES_MAX: usize = 4096;

/// Reports that are read in one go at most, so that a program that reports without end does not keep the thread busy
/// that serves all clients.
const REPORTS_PER_POLL_MAX: usize = 64;

/// The least time between two events of progress: clients cannot show more.
const INTERVAL: Duration = Duration::from_millis(250);

const MESSAGE_CHARS_MAX: usize = 500;

/// The socket of one program.
pub(super) struct ReportSocket {
    socket: tokio::net::UnixDatagram,
    /// The name of the socket, as the program finds it in its environment.
    pub(super) address: String,
}

/// One thing that was reported.
#[derive(Debug, PartialEq)]
pub(super) enum Report {
    Beat,
    Progress { value: f64, total: Option<f64>, message: Option<String> },
}

impl ReportSocket {
    pub(super) fn listen() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("omni-{}-{number}", std::process::id());
        // Abstract, so that nothing is left in a folder when the server is killed.
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        // Anybody may know the name, so the kernel is asked which user sends.
        set_socket_passcred(&socket, true)?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        Ok(ReportSocket { socket, address: format!("@{name}") })
    }

    /// Reads the reports that have arrived, and wakes `cx` when there are more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut hear: impl FnMut(Report)) {
        for _ in 0..REPORTS_PER_POLL_MAX {
            if self.socket.poll_recv_ready(cx).is_pending() {
                return;
            }
            if let Ok(Some(report)) = self.socket.try_io(Interest::READABLE, || receive(&self.socket)) {
                hear(report);
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Reads reports that have arrived and that the runtime may not know of yet.
    pub(super) fn catch_up(&mut self, mut hear: impl FnMut(Report)) {
        for _ in 0..REPORTS_PER_POLL_MAX {
            match receive(&self.socket) {
                Ok(report) => report.into_iter().for_each(&mut hear),
                Err(_) => return,
            }
        }
    }
}

/// One datagram; `None` when it is no report, or from another user.
fn receive(socket: impl AsFd) -> io::Result<Option<Report>> {
    let mut bytes = [0; BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [io::IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::DONTWAIT)?;
    let ours = ancillary.drain().any(
        |message| matches!(message, RecvAncillaryMessage::ScmCredentials(sender) if sender.uid == getuid()),
    );
    let length = received.bytes;
    Ok(bytes.get(..length).filter(|_| ours).and_then(read))
}

fn read(bytes: &[u8]) -> Option<Report> {
    #[derive(Deserialize)]
    struct ReportJson {
        progress: Option<f64>,
        total: Option<f64>,
        message: Option<String>,
        heartbeat: Option<serde::de::IgnoredAny>,
    }
    // `"heartbeat": null` is a sign of life too, which serde cannot tell from a missing member.
    let json: ReportJson = serde_json::from_slice(bytes).ok()?;
    match json.progress {
        Some(value) => {
            let message = json.message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect());
            Some(Report::Progress { value, total: json.total, message })
        }
        None => {
            let said = json.heartbeat.is_some() || bytes.windows(11).any(|word| word == br#""heartbeat""#);
            said.then_some(Report::Beat)
        }
    }
}

/// Drops events of progress that come faster than a client can show them, but never the last one.
#[derive(Debug, Default)]
pub(super) struct ProgressThrottle {
    /// When the next event may be sent.
    free_at: Option<Instant>,
    waiting: Option<Event>,
}

impl ProgressThrottle {
    /// Takes an event, and returns the one to send now, if any.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Option<Event> {
        self.waiting = Some(event);
        self.due(now)
    }

    /// The event that has been held back for long enough.
    pub(super) fn due(&mut self, now: Instant) -> Option<Event> {
        if self.free_at.is_some_and(|at| now < at) {
            return None;
        }
        let event = self.waiting.take()?;
        self.free_at = Some(now + INTERVAL);
        Some(event)
    }

    /// When to ask for what is [`due`](Self::due).
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.is_some().then_some(self.free_at).flatten()
    }

    /// The event that is held back, when there will be no more.
    pub(super) fn last(&mut self) -> Option<Event> {
        self.waiting.take()
    }
}

/// `remaining` from now on, in seconds of the monotonic clock that all processes of this machine share.
pub(super) fn monotonic_deadline(remaining: Duration) -> String {
    let now = clock_gettime(ClockId::Monotonic);
    let since = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default());
    format!("{:.6}", (since + remaining).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_and_nonsense_is_none() {
        let progress = |value, total, message: Option<&str>| {
            Some(Report::Progress { value, total, message: message.map(str::to_owned) })
        };
        assert_eq!(
            read(br#"{"progress": 3, "total": 10, "message": "m"}"#),
            progress(3.0, Some(10.0), Some("m"))
        );
        assert_eq!(read(br#"{"progress": 0.5, "total": null, "x": 1}"#), progress(0.5, None, None));
        assert_eq!(read(br#"{"heartbeat": null}"#), Some(Report::Beat));
        assert_eq!(read(br#"{"heartbeat": "still here"}"#), Some(Report::Beat));
        for nonsense in ["", "{}", "[1]", "x", r#"{"progress": "x"}"#, r#"{"progress": 1"#] {
            assert_eq!(read(nonsense.as_bytes()), None, "{nonsense}");
        }
    }

    #[test]
    fn progress_is_thinned_out_and_the_last_of_it_is_kept() {
        let start = Instant::now();
        let event = |value| Event::Progress { value, total: None, message: None };
        let mut throttle = ProgressThrottle::default();
        let sent: Vec<_> = (0..100_u32)
            .filter_map(|n| throttle.take(event(n.into()), start + Duration::from_millis(10) * n))
            .collect();
        assert_eq!(sent, [0.0, 25.0, 50.0, 75.0].map(event));
        assert_eq!(throttle.next(), Some(start + Duration::from_millis(1_000)));
        assert_eq!(throttle.due(start + Duration::from_millis(999)), None);
        assert_eq!(throttle.due(start + Duration::from_millis(1_000)), Some(event(99.0)));
        assert_eq!((throttle.next(), throttle.last()), (None, None));
    }
}
