//! What the end of a call on a worker means to its caller.

use std::path::Path;
use std::time::Instant;

use omni_call::{Call, Ending, Outcome, Phase};
use omni_process::Exit;

use crate::ExecConfig;
use crate::wire::{ErrorFrame, ErrorKind};
use crate::within::expired;
use crate::worker::{End, StartFailure};

/// The ending for the caller.
pub(crate) fn ending(end: End, config: &ExecConfig) -> Ending {
    match end {
        End::Result(result) => result.into(),
        End::Error(error) => error_ending(error, config.result_bytes_max, config.process.limits.memory_bytes),
        End::TooLarge => Ending::OutputLimit { limit_bytes: config.result_bytes_max },
        // Only where nothing may be run again: the pool is closing.
        End::Skipped => Ending::Shutdown,
        End::Died(Exit::Code(code)) => Ending::Exited { code, message: None },
        End::Died(Exit::Signal(signal)) => Ending::Signalled { signal },
        End::Died(Exit::Unknown) => {
            Ending::Lost { message: "its process ended, and the fork parent that knew how is gone".into() }
        }
        End::Broken(fault) => Ending::Lost { message: fault.to_string() },
        End::Expired(expiry) => expired(expiry),
    }
}

/// The ending that a failed call's last word means, where results and memory have these limits.
pub(crate) fn error_ending(
    error: ErrorFrame,
    result_bytes_max: usize,
    memory_bytes_max: Option<u64>,
) -> Ending {
    let raised = |error: ErrorFrame, default: &str| Ending::ToolError {
        kind: error.class.unwrap_or_else(|| default.to_owned()),
        bases: error.bases.into(),
        message: match &error.temp {
            Some(files) => format!("{}; {}", error.message, files.sentence()),
            None => error.message,
        },
        location: error.location,
        intended: error.intended,
        traceback: error.traceback,
    };
    match error.kind {
        ErrorKind::ToolError if is_memory_error(&error) => Ending::OutOfMemory {
            limit_bytes: memory_bytes_max,
            message: error.message,
            location: error.location,
            traceback: error.traceback,
        },
        ErrorKind::ToolError => raised(error, "Exception"),
        // Nobody is told of a cancellation that we asked for, so this one the tool raised by itself.
        ErrorKind::Cancelled => raised(error, "CallCancelled"),
        ErrorKind::BadResult => Ending::BadResult { message: error.message },
        ErrorKind::InvalidArguments => Ending::InvalidArguments { message: error.message },
        ErrorKind::LoadError => Ending::LoadError {
            kind: error.class.unwrap_or_else(|| "ImportError".to_owned()),
            message: error.message,
            location: error.location,
            intended: error.intended,
            traceback: error.traceback,
        },
        ErrorKind::Exited => Ending::Exited {
            code: error.code.unwrap_or(0),
            message: Some(error.message).filter(|message| !message.trim().is_empty()),
        },
        ErrorKind::OutputLimit => Ending::OutputLimit { limit_bytes: result_bytes_max },
    }
}

fn is_memory_error(error: &ErrorFrame) -> bool {
    const NAME: &str = "MemoryError";
    error.class.as_deref() == Some(NAME) || error.bases.iter().any(|base| base == NAME)
}

/// The outcome of a call that ended in this way just now.
pub(crate) fn outcome(call: &Call, ending: Ending, phase: Phase, attempt: u32) -> Outcome {
    Outcome { phase, attempt, ..unstarted(call, ending) }
}

/// The outcome of a call that no worker took.
pub(crate) fn unstarted(call: &Call, ending: Ending) -> Outcome {
    Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted()))
}

/// The ending of a call that was not made, since these arguments cannot be: `why` goes on the sentence that says so.
pub(crate) fn not_called(call: &Call, why: &str) -> Ending {
    Ending::InvalidArguments { message: format!("`{}` was not called: {why}", call.spec.tool) }
}

/// What a process wrote to standard error without the worker's own lines in Python's dump of its stacks, which name
/// nothing that the tool's author has written.
pub(crate) fn without_worker_frames(stderr: String, package_dir: &Path) -> String {
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

/// The outcome of a call for which no worker could be started.
pub(crate) fn start_failed(call: &Call, failure: &StartFailure) -> Outcome {
    let mut outcome = unstarted(call, start_ending(failure));
    outcome.stderr.clone_from(&failure.stderr);
    outcome
}

fn start_ending(failure: &StartFailure) -> Ending {
    if failure.closing {
        Ending::Shutdown
    } else {
        Ending::WorkerStart { message: failure.message.clone(), hint: failure.hint.clone() }
    }
}

/// Refuses a call whose frame would be larger than a frame may be; `None` when it fits.
pub(crate) fn refuse_oversized(call: &Call, frame_bytes_max: usize) -> Option<Outcome> {
    /// More than all the rest of a call frame takes besides target and arguments.
    const REST: usize = 4 << 10;
    let room = frame_bytes_max.saturating_sub(call.spec.worker_target().len() + call.session.len() + REST);
    let length = call.arguments().len();
    (length > room).then(|| {
        unstarted(
            call,
            not_called(
                call,
                &format!("its arguments are {length} bytes long; a worker takes {room} at most"),
            ),
        )
    })
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
