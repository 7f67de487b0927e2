//! The outcome of a call, from the result of its last attempt: the one place where it is made.

use std::path::Path;

use omni_call::{Call, Outcome, OutcomeKind, Phase};

use super::outcome_kind::outcome_kind;
use super::result::AttemptResult;
use crate::ExecConfig;
use crate::outcome::outcome;
use crate::wire::WireError;

/// Where an attempt was made (a worker, a thread), which can say more about it after its end.
pub(crate) trait AttemptSite {
    /// Whether a line of the call's own code has run. True also where nobody can say.
    fn has_started(&self) -> bool;

    /// What the call has done to its process, which must serve no other: a JSON array of sentences.
    fn take_contamination(&mut self) -> Option<Box<str>>;

    /// The end of what the call has printed to standard error.
    fn stderr_tail(&self) -> Option<String>;

    /// The Python stack of a call whose time is up, innermost frame last; `None` where nobody can say. To find out,
    /// this may send the process a signal, or end the call where it is embedded.
    async fn stack(&mut self, call: &Call) -> Option<String>;
}

/// What the outcome says of a call besides the result of its attempt.
pub(crate) struct AttemptFacts<'a> {
    pub(crate) config: &'a ExecConfig,
    /// Counted from 1.
    pub(crate) attempt: u32,
    /// The executor is shutting down, which ends everything that it runs.
    pub(crate) closing: bool,
}

/// The outcome of a call whose last attempt was made at `site` and ended with `result`.
pub(crate) async fn conclude(
    site: &mut impl AttemptSite,
    call: &Call,
    result: AttemptResult,
    facts: AttemptFacts<'_>,
) -> Outcome {
    let AttemptFacts { config, attempt, closing } = facts;
    let worker = site.take_contamination();
    if let Some(findings) = &worker {
        tracing::info!(tool = call.spec.tool, findings, "a call changed its worker, which is replaced");
    }
    let result = match result {
        AttemptResult::Result(result) => {
            let kind = OutcomeKind::Finished(result);
            return Outcome { worker, ..outcome(call, kind, Phase::Started, attempt) };
        }
        result => result,
    };
    let stale = matches!(result, AttemptResult::Stale);
    let phase = if !stale && site.has_started() { Phase::Started } else { Phase::Starting };
    // Read before Python is asked for its stack, since it prints that to standard error as well.
    let stderr = site.stderr_tail().map(|stderr| without_worker_frames(stderr, &config.package_dir));
    let stack = match result {
        AttemptResult::Expired(_) => site.stack(call).await,
        _ => None,
    };
    let shared = matches!(result, AttemptResult::Broken(WireError::SharedWorkerEnded(_)));
    // Where several calls shared a process, nobody can say which of them ended it.
    let died = matches!(result, AttemptResult::Died(_) | AttemptResult::Broken(_)) && !shared && !closing;
    let kind = match result {
        AttemptResult::Died(_) | AttemptResult::Broken(WireError::SharedWorkerEnded(_)) if closing => {
            OutcomeKind::Shutdown
        }
        result => outcome_kind(result, config),
    };
    Outcome { stack, stderr, worker, died, ..outcome(call, kind, phase, attempt) }
}

/// What a process wrote to standard error without the worker's own lines in Python's dump of its stacks, which name
/// nothing that the tool's author has written.
fn without_worker_frames(stderr: String, package_dir: &Path) -> String {
    let ours = format!("  File \"{}/", package_dir.display());
    if !stderr.contains(&ours) {
        return stderr;
    }
    let is_ours = |line: &str| {
        line.starts_with(&ours)
            || line.starts_with("  File \"<frozen runpy>\", line ")
            || line.starts_with("  File \"<string>\", line 1 in <module>")
    };
    stderr.split_inclusive('\n').filter(|line| !is_ours(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_dump_of_stacks_the_tools_lines_are_left() {
        let dump = "free(): invalid pointer\nFatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  \
                    File \"/s/omni/t.py\", line 27 in r\n  File \"/c/python-1/omni/invoke.py\", line 150 in run\n  \
                    File \"<frozen runpy>\", line 88 in _run_code\n  File \"<string>\", line 1 in <module>\n";
        let left = without_worker_frames(dump.to_owned(), Path::new("/c/python-1"));
        assert_eq!(left.lines().last(), Some("  File \"/s/omni/t.py\", line 27 in r"), "{left}");
        assert!(left.starts_with("free(): invalid pointer\n"));
        let plain = "  File \"<string>\", line 1 in <module>\n";
        assert_eq!(without_worker_frames(plain.to_owned(), Path::new("/c/python-1")), plain);
    }
}
