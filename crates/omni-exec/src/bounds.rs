//! How long is waited for what while a call runs or ends, and how much it may ask: the one table of the grace periods and
//! bounds that hold whichever executor runs it.
//!
//! None of these can be set: each period is the time that an honest process needs many times over, so that who needs more
//! will not end by itself. What an operator may want to change is in [`ExecConfig`](crate::ExecConfig); a bound with one
//! user stands beside it, and what holds for processes of any kind (SIGTERM's grace) in `omni-process`.

use std::time::Duration;

pub(crate) use omni_process::SHUTDOWN_GRACE;

/// How long a call that was told to end may take over it before its process is ended, or its thread given up. An
/// exception needs microseconds to reach the top of a tool, and what `finally` and `with` do on its way some milliseconds.
pub(crate) const CANCEL_PATIENCE: Duration = Duration::from_millis(250);

/// How long a process that was told to end once it is done may take over what skills registered with `atexit`, and
/// over the threads that Python waits for. Nobody waits for this, but it holds a place.
pub(crate) const EXIT_GRACE: Duration = Duration::from_secs(1);

/// How long a process whose channel is closed may take to be dead before it counts as broken instead. The kernel closes
/// the channel of a dying process first and tells of its death some milliseconds later, with how it died. On a machine with
/// thirty times more to run than cores these were more than 250 ms, and an exit was told as a lost call.
pub(crate) const DEATH_GRACE: Duration = Duration::from_secs(1);

/// How often the process of a call that takes long is looked at. One that is stopped at two looks in a row counts
/// as dead, since nothing that it owes will come; one look could meet a debugger, or a shell's job control, in passing.
pub(crate) const STOPPED_LOOK: Duration = Duration::from_millis(2500);

/// How long Python may take to print its stack, and how long it must have been silent to be done with it. The time of the
/// call is up by then, so that whoever waits for it waits for this too.
pub(crate) const STACK_WAIT: Duration = Duration::from_millis(100);
pub(crate) const STACK_QUIET: Duration = Duration::from_millis(10);

/// How long after a revocation it is certain that the worker has seen it: a thousand times what a store takes
/// to reach another core (decision 0008).
pub(crate) const REVOKED_FOR: Duration = Duration::from_millis(2);

/// How long after a call's time limit a runner may still say where the tool was. It ends the tool by the same limit, and
/// its word has to come over a network.
pub(crate) const RUNNER_ANSWER_GRACE: Duration = Duration::from_secs(2);

/// What is kept of the end of a call's standard error, in bytes, for the error that it ends with: a traceback of a thousand
/// lines, and more than anybody reads of one. All of it is in the log.
pub(crate) const STDERR_TAIL_BYTES: usize = 64 << 10;

/// Timers fire on whole milliseconds: one that is set for less than this from now would only be set again.
pub(crate) const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// A larger frame, or line of a runner's answer, is decoded on another thread: a fifth of a millisecond is less than what a
/// small call takes, and a thread more costs a tenth of that.
pub(crate) const DECODE_INLINE_BYTES_MAX: usize = 128 << 10;

/// After so much of one frame or answer everybody else has a turn before more of it is read.
pub(crate) const READ_BYTES_PER_TURN: usize = 256 << 10;
