//! The figures of a run, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::world::State;

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) edits: usize,
    /// Bursts that the machine has torn.
    pub(crate) torn: usize,
    /// Edits by what was done.
    pub(crate) kinds: BTreeMap<&'static str, usize>,
    /// From the last write to the notification that the list has changed.
    pub(crate) to_visible: Vec<Duration>,
}

impl Figures {
    pub(crate) fn print(&self, over: &str, took: Duration, state: &State, told: usize) {
        let counts = state.counts;
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
        println!("{over}: {} edits in {:.0} s ({})", self.edits, took.as_secs_f64(), kinds.join(", "));
        println!(
            "{over}: {} calls ({:.0} a second, {} left out): {} answered, {} of tools that were gone, {} failed, {} mixed; {} programs read \
             their files during an edit, {} were called in one of {} torn bursts and are not judged",
            counts.calls,
            counts.calls as f64 / took.as_secs_f64(),
            counts.left_out,
            counts.answered,
            counts.gone,
            counts.failed,
            counts.mixed,
            counts.read_in_between,
            counts.not_judged,
            self.torn,
        );
        println!("{over}: last write to list_changed: {}", spread(&self.to_visible));
        println!("{over}: last write to the first call that ran it: {}", spread(&state.to_first_call));
        println!("{over}: {told} changes of the list; heard {:?}", state.heard);
    }
}

/// The middle and the end of a distribution.
fn spread(of: &[Duration]) -> String {
    let mut sorted = of.to_vec();
    sorted.sort();
    let at = |percent: usize| {
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).map_or(f64::NAN, Duration::as_secs_f64) * 1000.0
    };
    format!("p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms, of {}", at(50), at(99), at(100), of.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let of: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(spread(&of), "p50 100 ms, p99 198 ms, at most 200 ms, of 200");
        assert_eq!(spread(&of[199..]), "p50 1 ms, p99 1 ms, at most 1 ms, of 1");
    }
}
