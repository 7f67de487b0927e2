//! The recipient of a call's events and answer.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::{Event, LogLevel, Wants};
use omni_protocol::{Encoder, Id, Revision};

use crate::outbox::Outbox;

/// The recipient of a call's events and answer: the request that the client has open for it.
pub(crate) struct Recipient {
    pub(crate) id: Id,
    pub(crate) revision: Revision,
    /// For what is said before the answer; `None` when the client takes or wants none of it.
    pub(super) outbox: Option<Arc<Outbox>>,
    pub(super) progress_token: Option<Bytes>,
    pub(super) log_level: Option<LogLevel>,
    /// It wants to know how long the call waited and ran.
    pub(crate) timing: bool,
}

impl Recipient {
    pub(super) fn address(&self) -> (Id, Option<Arc<Outbox>>) {
        (self.id.clone(), self.outbox.clone())
    }

    pub(super) fn wants(&self) -> Wants {
        Wants { progress: self.progress_token.is_some(), log: self.log_level }
    }

    /// What is said before the answer reaches it no more.
    pub(super) fn silence(&mut self) {
        self.outbox = None;
        self.progress_token = None;
        self.log_level = None;
    }

    /// Says how many notifications were lost, if any were.
    pub(super) fn report_dropped(&self, encoder: &Encoder) {
        let Some(outbox) = &self.outbox else { return };
        let dropped = outbox.take_dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "a client read too slowly: notifications of its call were dropped");
            if self.log_level.is_some() {
                let text =
                    format!("\"{dropped} notifications of this call were dropped: you read too slowly\"");
                let frame = encoder.log_notification(LogLevel::Warning, Some("omni"), text.as_bytes());
                // At most one for each call, so it needs no bound.
                let _ = outbox.push_always(frame);
            }
        }
    }

    /// Sends what of an event this client wants. `progress` is the last value sent: values must grow, whatever the tool
    /// reports.
    pub(super) fn tell(&self, encoder: &Encoder, progress: &mut Option<f64>, event: Event) {
        let Some(outbox) = &self.outbox else { return };
        match event {
            Event::Progress { value, total, message } => {
                let Some(token) = &self.progress_token else { return };
                if progress.is_some_and(|last| value <= last) || !value.is_finite() {
                    return;
                }
                *progress = Some(value);
                outbox.push(encoder.progress_notification(
                    self.revision,
                    token,
                    value,
                    total,
                    message.as_deref(),
                ));
            }
            Event::Log { level, logger, data } => {
                if self.log_level.is_some_and(|wanted| level >= wanted) {
                    outbox.push(encoder.log_notification(level, logger.as_deref(), &data));
                }
            }
            // What they change is told by other ways than the call's.
            Event::ResourceUpdated { .. } | Event::Visibility { .. } => {}
        }
    }
}
