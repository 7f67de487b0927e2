//! When a call is resolved anew whose skill has turned out to be another one than the catalogue had.

use std::time::{Duration, Instant};

use omni_call::{Deadline, Outcome, OutcomeKind, RunSpec};

use crate::server::Server;

/// How long a call is resolved anew whose skill changes each time that it is about to begin: a series of edits by hand or
/// by a program is mostly over by then.
const RESOLVED_ANEW_FOR: Duration = Duration::from_secs(5);

/// And so often at least: on a busy machine, which takes a second to start a process, those five seconds are two or three
/// tries, and the next edit is as near as on a quiet one.
const RESOLVED_ANEW_MIN: u32 = 20;

/// What is waited for before the second time; before each further one twice as long, up to `PAUSE_MAX`.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

/// An executor that starts a process for each call has little time between two edits: a pause longer than those would
/// often miss it.
const PAUSE_MAX: Duration = Duration::from_millis(160);

/// How often a version may be found missing from which a broken edit has kept clients, before that counts: workers that
/// have another one go first.
const UNKEPT_TRIES: u32 = 4;

/// A call whose skill was another one than the catalogue had, again and again.
pub(crate) struct StaleCall {
    deadline: Deadline,
    began: tokio::time::Instant,
    /// How often it was resolved anew.
    tries: u32,
    /// Before it is resolved anew the next time.
    pause: Option<Duration>,
    /// How often it meant the version of before an edit.
    unkept: u32,
}

impl StaleCall {
    pub(crate) fn new(deadline: Deadline) -> Self {
        StaleCall { deadline, began: tokio::time::Instant::now(), tries: 0, pause: None, unkept: 0 }
    }

    /// Waits until the catalogue is what the folders are, in a quiet moment. `false` when `outcome` is how the call ends:
    /// it is not stale, or has been for too long, or lacks something that is missing for good. `spec` is what was run.
    pub(crate) async fn settled(&mut self, server: &Server, spec: &RunSpec, outcome: &mut Outcome) -> bool {
        let OutcomeKind::Stale { otherwise } = &mut outcome.kind else { return false };
        if spec.target.python().is_some_and(|python| python.last_good) {
            self.unkept += 1;
            if self.unkept >= UNKEPT_TRIES {
                outcome.kind = not_kept();
                return false;
            }
        }
        if let Some(pause) = self.pause {
            if let Some(kind) = otherwise.take() {
                outcome.kind = *kind;
                return false;
            }
            let left = self.deadline.remaining(Instant::now());
            let too_often =
                self.tries >= RESOLVED_ANEW_MIN && self.began.elapsed() + pause > RESOLVED_ANEW_FOR;
            if too_often || left.is_some_and(|left| left <= pause) {
                return false;
            }
            tokio::time::sleep(pause).await;
        }
        self.pause = Some(self.pause.map_or(PAUSE_FIRST, |pause| (pause * 2).min(PAUSE_MAX)));
        self.tries += 1;
        server.settled().await;
        true
    }
}

/// The files are at rest, but those that are meant are nowhere to be had.
fn not_kept() -> OutcomeKind {
    OutcomeKind::LoadError {
        kind: "LoadError".to_owned(),
        message: "an edit has broken a file of its skill, and what it was before is not kept; `omni doctor` names the \
                  file"
            .to_owned(),
        location: None,
        intended: true,
        traceback: None,
    }
}
