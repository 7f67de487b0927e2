//! Tools that kill one worker after another get a pause, and nobody else notices.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// So many dead workers within [`WINDOW`] are one too many.
const DEATHS: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(30);

/// What is remembered of tools whose calls ended with the death of their worker.
#[derive(Default)]
pub(crate) struct Quarantine {
    /// By the tool's name. Empty as long as all is well.
    records: HashMap<String, Record>,
}

/// Tells the operator.
pub(crate) fn warn(tool: &str) {
    tracing::warn!(tool, "its calls killed one worker after another; it gets a pause");
}

#[derive(Default)]
struct Record {
    deaths: Vec<Instant>,
    until: Option<Instant>,
}

impl Quarantine {
    /// Notes that a worker died while it ran this tool. True when that was one too many.
    pub(crate) fn note(&mut self, tool: &str, now: Instant) -> bool {
        self.records.retain(|_, record| record.matters(now));
        let record = self.records.entry(tool.to_owned()).or_default();
        record.deaths.retain(|at| now.duration_since(*at) < WINDOW);
        record.deaths.push(now);
        if record.deaths.len() < DEATHS {
            return false;
        }
        // After the pause one death more is again one too many, for as long as these are not forgotten.
        record.deaths.remove(0);
        record.until = Some(now + PAUSE);
        true
    }

    /// How long the tool is still refused. Costs nothing as long as no worker has died.
    pub(crate) fn refuses(&self, tool: &str) -> Option<Duration> {
        if self.records.is_empty() { None } else { self.refuses_at(tool, Instant::now()) }
    }

    fn refuses_at(&self, tool: &str, now: Instant) -> Option<Duration> {
        let until = self.records.get(tool)?.until?;
        (now < until).then(|| until.duration_since(now))
    }
}

impl Record {
    fn matters(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
            || self.deaths.iter().any(|at| now.duration_since(*at) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_third_death_within_a_minute_brings_a_pause_for_that_tool_alone() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        assert!(!quarantine.note("a.b", start));
        assert!(!quarantine.note("a.b", start + 20 * SECOND));
        assert!(!quarantine.note("a.c", start + 20 * SECOND));
        assert_eq!(quarantine.refuses_at("a.b", start + 20 * SECOND), None);
        assert!(quarantine.note("a.b", start + 40 * SECOND));
        assert_eq!(quarantine.refuses_at("a.b", start + 50 * SECOND), Some(20 * SECOND));
        assert_eq!(quarantine.refuses_at("a.c", start + 50 * SECOND), None);
        assert_eq!(quarantine.refuses_at("a.b", start + 70 * SECOND), None);
    }

    #[test]
    fn after_the_pause_one_more_death_is_enough() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        for _ in 0..3 {
            quarantine.note("a.b", start);
        }
        assert!(quarantine.note("a.b", start + 31 * SECOND));
        assert!(quarantine.refuses_at("a.b", start + 32 * SECOND).is_some());
    }

    #[test]
    fn deaths_further_apart_than_a_minute_are_forgotten() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        for turn in 0..10 {
            assert!(!quarantine.note("a.b", start + turn * 31 * SECOND));
        }
        quarantine.note("a.c", start + 1000 * SECOND);
        assert_eq!(quarantine.records.len(), 1, "what is over is not kept");
    }
}
