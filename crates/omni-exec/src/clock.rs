//! The clocks of a call, armed while somebody waits for its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use omni_call::Call;
use tokio::time::sleep_until;

use crate::worker::End;

/// Polls until the call ends or its time is up. What is polled may move, stop and start the idle clock.
pub(crate) async fn in_time(
    call: &mut Call,
    mut poll: impl FnMut(&mut Context<'_>, &mut Call) -> Poll<End>,
) -> End {
    let far = || tokio::time::Instant::now() + Duration::from_secs(86_400 * 365);
    let mut alarm = pin!(sleep_until(call.deadline.next().map_or_else(far, Into::into)));
    poll_fn(|cx| {
        if let Poll::Ready(end) = poll(cx, call) {
            return Poll::Ready(end);
        }
        // A clock that stood still when the timer was set goes on.
        if let Some(next) = call.deadline.next().map(tokio::time::Instant::from)
            && next < alarm.deadline()
        {
            alarm.as_mut().reset(next);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if let Some(expiry) = call.deadline.expired(now) {
                return Poll::Ready(End::Expired(expiry));
            }
            // A heartbeat has moved the deadline since the timer was set.
            let next = call.deadline.next().map_or_else(far, Into::into);
            alarm.as_mut().reset(next.max(tokio::time::Instant::from(now) + Duration::from_millis(1)));
        }
        Poll::Pending
    })
    .await
}
