//! The events of one stream that are kept, so that its client can have them again.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::admission::{PeerAccount, Permit, Quantity};

/// Events of one stream that are kept.
const EVENTS_MAX: usize = 4096;

/// The same in bytes. What a client has not been given is kept beyond it, once.
const BYTES_MAX: usize = 1 << 20;

/// What an event costs besides its text.
const EVENT_COST: usize = 128;

/// An event as it is written, in pieces.
pub(super) type EventText = VecDeque<Bytes>;

/// The last events of a stream, without gaps, paid for by its client.
#[derive(Debug)]
pub(super) struct EventLog {
    events: VecDeque<KeptEvent>,
    /// The number of the first one that is kept, or would be.
    first: u64,
    bytes: usize,
}

#[derive(Debug)]
struct KeptEvent {
    text: EventText,
    bytes: usize,
    /// Holds something of its client's account until it is written, and with that memory of results that others need.
    is_counted: bool,
    _permit: Option<Permit>,
}

impl Default for EventLog {
    fn default() -> Self {
        EventLog { events: VecDeque::new(), first: 1, bytes: 0 }
    }
}

impl EventLog {
    /// The number of the next event.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The event of that number, if it is kept.
    pub(super) fn event(&self, number: u64) -> Option<&EventText> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.events.get(at).map(|event| &event.text)
    }

    /// How many events from that number on are kept no more.
    pub(super) fn lost_from(&self, number: u64) -> u64 {
        self.first.saturating_sub(number)
    }

    /// Whether nothing more should be taken while nobody reads: what has not been given to the client would be lost.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Adds an event that the client is being given, as are all before it. The oldest go to make room; an event for which
    /// there is none is not kept.
    pub(super) fn push_given(&mut self, text: EventText, account: &PeerAccount) {
        let bytes = cost(&text);
        while self.events.len() >= EVENTS_MAX || self.bytes + bytes > BYTES_MAX {
            if !self.forget_first() {
                break;
            }
        }
        loop {
            match account.try_take(Quantity::AnswerBytes, bytes) {
                Some(permit) if bytes <= BYTES_MAX => {
                    return self.push(whole(text), bytes, false, Some(permit));
                }
                None if self.forget_first() => {}
                _ => {
                    self.forget_all();
                    self.first += 1;
                    return;
                }
            }
        }
    }

    /// Adds an event that nobody has been given. False when its client may have nothing more kept; it is not added then.
    pub(super) fn push_unread(&mut self, text: EventText, account: &PeerAccount) -> bool {
        let bytes = cost(&text);
        let Some(permit) = account.try_take(Quantity::AnswerBytes, bytes) else { return false };
        self.push(whole(text), bytes, false, Some(permit));
        true
    }

    /// Adds what must not be lost as long as the client can come for it, and whose bytes count by themselves.
    pub(super) fn push_counted(&mut self, text: EventText) {
        let bytes = cost(&text);
        self.push(text, bytes, true, None);
    }

    /// The client has been given everything: what is kept from now on holds nothing that others need, or goes.
    pub(super) fn settle(&mut self, account: &PeerAccount) {
        let Some(last) = self.events.pop_back_if(|last| last.is_counted) else { return };
        self.bytes -= last.bytes;
        self.push_given(whole(last.text), account);
    }

    /// Forgets everything, as if all of it had been read.
    pub(super) fn forget_all(&mut self) {
        self.first += self.events.len() as u64;
        self.events = VecDeque::new();
        self.bytes = 0;
    }

    fn push(&mut self, text: EventText, bytes: usize, is_counted: bool, permit: Option<Permit>) {
        self.bytes += bytes;
        self.events.push_back(KeptEvent { text, bytes, is_counted, _permit: permit });
    }

    fn forget_first(&mut self) -> bool {
        let Some(first) = self.events.pop_front() else { return false };
        self.first += 1;
        self.bytes -= first.bytes;
        true
    }
}

fn cost(text: &EventText) -> usize {
    EVENT_COST + text.iter().map(Bytes::len).sum::<usize>()
}

/// The text in one piece that holds nothing else: a piece can keep a larger one, or a receipt for memory, in being.
fn whole(text: EventText) -> EventText {
    match text.len() {
        0 | 1 => text,
        _ => EventText::from([Bytes::from(text.iter().flatten().copied().collect::<Vec<u8>>())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;
    use crate::config::Limits;

    fn account(memory_bytes_max: usize) -> PeerAccount {
        Admission::new(&Limits { memory_bytes_max, ..Limits::default() }, 100).account(None)
    }

    fn text(bytes: usize) -> EventText {
        EventText::from([Bytes::from(vec![b'x'; bytes])])
    }

    #[test]
    fn the_last_events_are_kept_and_it_is_known_how_many_are_not() {
        let account = account(64 << 20);
        for (bytes, kept) in [(1, EVENTS_MAX), ((64 << 10) - EVENT_COST, 16), (BYTES_MAX, 0)] {
            let mut log = EventLog::default();
            (0..10_000).for_each(|_| log.push_given(text(bytes), &account));
            assert_eq!(log.next_number(), 10_001);
            assert_eq!(log.lost_from(1), 10_000 - kept as u64, "events of {bytes} bytes");
            assert_eq!(log.event(10_001), None);
            assert_eq!(log.event(10_000).is_some(), kept > 0);
            assert!(log.bytes <= BYTES_MAX);
        }
    }

    #[test]
    fn what_is_kept_is_on_the_clients_account_and_given_back() {
        let account = account(8 << 20);
        let (mut logs, of_all) = (Vec::new(), 3 << 20);
        for _ in 0..10 {
            let mut log = EventLog::default();
            while !log.is_full() && log.push_unread(text(100_000), &account) {}
            logs.push(log);
        }
        let kept: usize = logs.iter().map(|log| log.bytes).sum();
        assert!(kept <= of_all && kept + 200_000 > of_all, "{kept}");
        let mut late = EventLog::default();
        late.push_given(text(100_000), &account);
        assert_eq!((late.event(1), late.next_number()), (None, 2), "there was no room for it");
        logs.iter_mut().for_each(EventLog::forget_all);
        assert!(late.push_unread(text(100_000), &account));
        assert_eq!(late.next_number(), 3);
    }

    #[test]
    fn an_answer_that_was_read_holds_no_memory_of_results_any_more() {
        let account = account(64 << 20);
        for (bytes, is_kept) in [(100_000, true), (BYTES_MAX + 1, false)] {
            let mut log = EventLog::default();
            let body = Bytes::from(vec![b'x'; bytes]);
            log.push_counted(EventText::from([Bytes::from_static(b"data: "), body.clone()]));
            assert!(!body.is_unique());
            log.settle(&account);
            assert!(body.is_unique());
            assert_eq!(log.event(1).is_some(), is_kept);
            log.settle(&account);
            assert_eq!(log.event(1).is_some(), is_kept);
        }
    }
}
