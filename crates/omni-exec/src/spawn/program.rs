//! One call of a program of any kind: what it is started with, and what its output means.

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{self, Write, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{
    Call, CallResult, Event, EventSink, Expired, Outcome, OutcomeKind, Phase, ProgramInput, ProgramOutput,
    ProgramTarget, TempFiles, ToolResult, Wants,
};
use omni_process::{ExitStatus, Output, OutputListener, PlainProgram, Process, TERM_GRACE};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;
use tokio::time::sleep;

use super::report::{self, ProgressThrottle, Report, ReportSocket};
use crate::ExecConfig;
use crate::bounds::{STDERR_TAIL_BYTES, TIMER_GRAIN};
use crate::call_permits::CallPermit;
use crate::executor_processes::ExecutorProcesses;
use crate::outcome::{invalid_arguments, outcome, start_failed, unstarted};
use crate::start_failure::StartFailure;
use crate::within::expired;

/// The path that a program is given that takes its arguments as a file.
const ARGUMENTS_FILE: &str = "/dev/stdin";

/// How long one word of a command line may be for the kernel, and how long all words together may be here, which is
/// less than the kernel allows.
const WORD_BYTES_MAX: usize = 128 << 10;
const WORDS_BYTES_MAX: usize = 1 << 20;

/// The launcher's exit code when the program could not be started.
const NOT_STARTED: i32 = 127;

/// Runs a program to its end. Dropping the future ends it and its children: SIGTERM, a second, SIGKILL.
pub(super) async fn run(
    processes: &std::sync::Arc<ExecutorProcesses>,
    mut call: Call,
    program: &ProgramTarget,
    permit: CallPermit,
    events: &mut dyn EventSink,
) -> Outcome {
    let config = processes.config();
    // Without the socket only progress is missing.
    let reports = ReportSocket::listen()
        .inspect_err(|error| tracing::warn!(%error, "a program's progress cannot be heard"))
        .ok();
    let foreground = match foreground(&call, program, config, reports.as_ref()) {
        Ok(foreground) => foreground,
        Err(message) => {
            return unstarted(
                &call,
                invalid_arguments(&call, &format!("its arguments cannot be passed on: {message}")),
            );
        }
    };
    let (process, stdout, stderr) = match processes.start_plain(foreground).await {
        Ok(started) => started,
        Err(error) => return start_failed(&call, &StartFailure::from(error)),
    };
    let temp = process.temp().cloned();
    if let Some(temp) = temp.as_ref().filter(|_| call.spec.keep_temp) {
        temp.keep();
    }
    let running = RunningProgram { process: Some(process), permit: Some(permit) };
    let (stdout, output) = match capture(stdout, stderr, config) {
        Ok(captured) => captured,
        Err(error) => {
            let message = format!("its output could not be captured: {error}");
            return unstarted(&call, OutcomeKind::Lost { message });
        }
    };
    let collected = CollectedOutput { pipe: Some(stdout), bytes: Vec::new(), limit: config.result_bytes_max };
    let mut io = ProgramIo { collected, output, reports, throttle: ProgressThrottle::default() };
    let end = run_to_end(&running, &mut call, &mut io, events).await;
    let ProgramIo { collected, output, .. } = io;
    let stderr = output.stderr_tail();
    // A program may mean something by any exit code; a signal is never meant.
    let died = matches!(end, ProgramResult::Exited(ExitStatus::Signal(_))) && !processes.closing();
    let kind = match end {
        ProgramResult::Exited(_) if processes.closing() => OutcomeKind::Shutdown,
        end => match outcome_kind(end, &call, program, collected.bytes, config) {
            // It may be on its way: renamed, written anew, made executable. Nothing of it has run.
            kind @ OutcomeKind::WorkerStart { .. } if stderr.as_deref().is_some_and(is_start_refusal) => {
                OutcomeKind::Stale { otherwise: Some(Box::new(kind)) }
            }
            kind => kind,
        },
    };
    let kind = match (kind, temp.filter(|_| !call.spec.keep_temp)) {
        (OutcomeKind::Finished(CallResult::Tool(result)), Some(temp)) => {
            OutcomeKind::from(mark_temp_files(result, temp.path(), &running.process().take_left()))
        }
        (kind, _) => kind,
    };
    // Of a program that succeeded, standard error is a log. The client has got it as events if it wanted it.
    let stderr = stderr.filter(|_| !matches!(&kind, OutcomeKind::Finished(result) if !result.is_error()));
    Outcome { stderr, died, ..outcome(&call, kind, Phase::Started, 1) }
}

/// Whether that is what a launcher says of a program that the kernel does not start: it is not there, not executable, empty or
/// open for writing, all of which may be for a moment only.
fn is_start_refusal(stderr: &str) -> bool {
    use rustix::io::Errno;
    let passing = [Errno::NOENT, Errno::ACCESS, Errno::NOEXEC, Errno::TXTBSY];
    let ends_with =
        |errno: Errno| stderr.trim_end().ends_with(&format!("(os error {})", errno.raw_os_error()));
    stderr.trim_end().lines().count() == 1 && passing.into_iter().any(ends_with)
}

/// How a call ended whose program ended like this, with this output.
fn outcome_kind(
    end: ProgramResult,
    call: &Call,
    program: &ProgramTarget,
    bytes: Vec<u8>,
    config: &ExecConfig,
) -> OutcomeKind {
    match end {
        ProgramResult::Exited(ExitStatus::Code(0)) => parse_output(call, program, bytes),
        ProgramResult::Exited(ExitStatus::Code(NOT_STARTED)) if bytes.is_empty() => {
            OutcomeKind::WorkerStart {
                message: format!(
                    "`{}` cannot be run, or ended with exit code {NOT_STARTED}",
                    program.argv.first().map_or("", String::as_str)
                ),
                hint: "check `command` in the skill's SKILL.md: is the program there, and executable?"
                    .to_owned(),
            }
        }
        // A program that fails and prints something says on its output what the client is to know.
        ProgramResult::Exited(ExitStatus::Code(code)) if !bytes.is_empty() => {
            let text = String::from_utf8_lossy(&bytes);
            let result = ToolResult { is_error: true, ..text_result(&text) };
            OutcomeKind::from(result.with_text(&format!("`{}` ended with exit code {code}", call.spec.tool)))
        }
        ProgramResult::Exited(ExitStatus::Code(code)) => OutcomeKind::Exited { code, message: None },
        ProgramResult::Exited(ExitStatus::Signal(signal)) => OutcomeKind::Signalled { signal },
        ProgramResult::Exited(ExitStatus::Unknown) => {
            OutcomeKind::Lost { message: "its process ended in an unknown way".into() }
        }
        ProgramResult::TooLarge => OutcomeKind::OutputLimit { limit_bytes: config.result_bytes_max },
        ProgramResult::Expired(expiry) => expired(expiry),
    }
}

/// What to start for a call. The error says what about its arguments cannot be passed on.
fn foreground(
    call: &Call,
    program: &ProgramTarget,
    config: &ExecConfig,
    reports: Option<&ReportSocket>,
) -> Result<PlainProgram, String> {
    let skill_dir = &program.dir;
    let mut argv: Vec<OsString> = program.argv.iter().map(OsString::from).collect();
    if let Some(first) = argv.first_mut()
        && first.to_string_lossy().contains('/')
    {
        *first = skill_dir.join(&*first).into();
    }
    // A word that names a file of the skill is made absolute, since the working folder is another one.
    for word in argv.iter_mut().skip(1) {
        let path = skill_dir.join(&*word);
        if Path::new(&*word).is_relative() && word.to_string_lossy().contains('/') && path.is_file() {
            *word = path.into();
        }
    }
    let input: &[u8] = match program.input {
        ProgramInput::Stdin => call.arguments(),
        ProgramInput::File => {
            argv.push(ARGUMENTS_FILE.into());
            call.arguments()
        }
        ProgramInput::Flags => {
            argv.extend(flags(call.arguments())?);
            &[]
        }
    };
    let mut env: Vec<(OsString, OsString)> =
        program.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    env.push(("OMNI_SKILL_DIR".into(), skill_dir.into()));
    env.extend(reports.map(|reports| (report::ADDRESS.into(), reports.address.clone().into())));
    let remaining = call.deadline.remaining(Instant::now());
    env.extend(remaining.map(|left| (report::DEADLINE.into(), report::monotonic_deadline(left).into())));
    let cwd = program.cwd.as_ref().map_or_else(|| config.process.root.clone(), |cwd| skill_dir.join(cwd));
    let stdin = in_memory(input).map_err(|error| format!("they could not be handed over: {error}"))?;
    Ok(PlainProgram { argv, env, cwd, stdin })
}

/// `--name=value` for each argument.
fn flags(arguments: &[u8]) -> Result<Vec<OsString>, String> {
    let arguments: Map<String, Value> =
        serde_json::from_slice(arguments).map_err(|error| format!("they are no JSON object: {error}"))?;
    let mut flags = Vec::new();
    let mut bytes = 0;
    for (name, value) in &arguments {
        // Any other name could smuggle in a value or another option.
        if name.is_empty()
            || name.starts_with('-')
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        {
            return Err(format!("`{}` cannot be the name of a flag", name.escape_debug()));
        }
        let flag = format!("--{}", name.replace('_', "-"));
        let values = match value {
            Value::Null | Value::Bool(false) => continue,
            Value::Bool(true) => {
                flags.push(flag.into());
                continue;
            }
            Value::Array(items) => items.iter().map(flag_value).collect(),
            value => vec![flag_value(value)],
        };
        for value in values {
            if value.contains('\0') {
                return Err(format!("`{name}` holds a NUL character, which no command line can"));
            }
            let length = flag.len() + value.len() + 2;
            if length > WORD_BYTES_MAX {
                return Err(format!("`{name}` is {length} bytes, and a word takes {WORD_BYTES_MAX} at most"));
            }
            bytes += length;
            // After `=` a value is never taken for another option.
            flags.push(format!("{flag}={value}").into());
        }
    }
    if bytes > WORDS_BYTES_MAX {
        return Err(format!("they are {bytes} bytes, and a command line takes {WORDS_BYTES_MAX} at most"));
    }
    Ok(flags)
}

fn flag_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A file in memory, without a name, that holds `content` and is read from its start.
fn in_memory(content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create("omni-arguments", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Standard output as it is, and standard error as lines of a log.
fn capture(stdout: OwnedFd, stderr: OwnedFd, config: &ExecConfig) -> io::Result<(Receiver, Output)> {
    let (nothing, _) = pipe()?;
    let output = Output::new(nothing.into(), stderr, STDERR_TAIL_BYTES, config.log_output)?;
    Ok((Receiver::from_owned_fd(stdout)?, output))
}

enum ProgramResult {
    Exited(ExitStatus),
    TooLarge,
    Expired(Expired),
}

/// What a program has written so far.
struct CollectedOutput {
    /// `None` at its end.
    pipe: Option<Receiver>,
    bytes: Vec<u8>,
    limit: usize,
}

impl CollectedOutput {
    fn too_large(&self) -> bool {
        self.bytes.len() > self.limit
    }

    /// Takes in what has arrived. True when there was something.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        let mut chunk = [0; 8 << 10];
        while let Some(pipe) = &mut self.pipe
            && self.bytes.len() <= self.limit
        {
            let mut buffer = ReadBuf::new(&mut chunk);
            match pin!(pipe).poll_read(cx, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    any = true;
                    self.bytes.extend_from_slice(buffer.filled());
                }
                Poll::Ready(_) => self.pipe = None,
            }
        }
        any
    }
}

/// Everything that a program writes and reports.
struct ProgramIo {
    collected: CollectedOutput,
    output: Output,
    reports: Option<ReportSocket>,
    throttle: ProgressThrottle,
}

impl ProgramIo {
    /// Takes in what has arrived. True when there was something: a sign of life.
    fn poll(&mut self, cx: &mut Context<'_>, wants: Wants, events: &mut dyn EventSink) -> bool {
        let said = self.output.poll(cx, Some(&mut OutputListener { events: &mut *events, level: wants.log }));
        let wrote = self.collected.poll(cx) || said;
        let mut reported = false;
        if let Some(reports) = &mut self.reports {
            reports.poll(cx, |report| {
                reported = true;
                pass_on(report, &mut self.throttle, wants, events);
            });
        }
        wrote || reported
    }

    /// Reads what a program has written before it ended, and sends the progress that was held back.
    fn finish(&mut self, cx: &mut Context<'_>, wants: Wants, events: &mut dyn EventSink) {
        // Read without asking the runtime, which may not know yet of what the process wrote last.
        if let Some(reports) = &mut self.reports {
            reports.catch_up(|report| pass_on(report, &mut self.throttle, wants, events));
        }
        if let Some(event) = self.throttle.last() {
            events.event(event);
        }
        self.collected.poll(cx);
        let mut listener = OutputListener { events, level: wants.log };
        self.output.poll(cx, Some(&mut listener));
        self.output.end_call(&mut listener);
    }
}

fn pass_on(report: Report, throttle: &mut ProgressThrottle, wants: Wants, events: &mut dyn EventSink) {
    if let Report::Progress { value, total, message } = report
        && wants.progress
        && let Some(event) = throttle.take(Event::Progress { value, total, message }, Instant::now())
    {
        events.event(event);
    }
}

/// Waits for the end of a program. Everything that it writes or reports is a sign of life.
async fn run_to_end(
    running: &RunningProgram,
    call: &mut Call,
    io: &mut ProgramIo,
    events: &mut dyn EventSink,
) -> ProgramResult {
    let mut alarm = pin!(sleep(Duration::ZERO));
    io.output.begin_call();
    events.begun();
    poll_fn(|cx| {
        if io.poll(cx, call.wants, events) {
            call.deadline.beat(Instant::now());
            events.alive();
        }
        if io.collected.too_large() {
            return Poll::Ready(ProgramResult::TooLarge);
        }
        if let Poll::Ready(exit) = running.process().poll_exit(cx) {
            io.finish(cx, call.wants, events);
            let end =
                if io.collected.too_large() { ProgramResult::TooLarge } else { ProgramResult::Exited(exit) };
            return Poll::Ready(end);
        }
        loop {
            let now = Instant::now();
            if let Some(expiry) = call.deadline.expired(now) {
                io.finish(cx, call.wants, events);
                return Poll::Ready(ProgramResult::Expired(expiry));
            }
            if let Some(event) = io.throttle.due(now) {
                events.event(event);
            }
            let next = [call.deadline.next(), io.throttle.next()].into_iter().flatten().min();
            let Some(next) = next else { return Poll::Pending };
            alarm.as_mut().reset(next.max(now + TIMER_GRAIN).into());
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// What the output of a program means that ended with exit code 0.
fn parse_output(call: &Call, program: &ProgramTarget, bytes: Vec<u8>) -> OutcomeKind {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return OutcomeKind::BadResult {
                message: format!("its output is not UTF-8 (from byte {at} on)"),
            };
        }
    };
    match program.output {
        ProgramOutput::Text => text_result(&text).into(),
        ProgramOutput::Json => match serde_json::from_str::<&RawValue>(&text) {
            Ok(value) => {
                // Structured content is an object in every revision that has it.
                let structured = (value.get().starts_with('{') || call.spec.structured)
                    .then(|| Bytes::copy_from_slice(value.get().as_bytes()));
                OutcomeKind::from(ToolResult { structured, ..text_result(value.get()) })
            }
            Err(error) => OutcomeKind::BadResult {
                message: format!("its output should be one JSON value and is not: {error}"),
            },
        },
    }
}

fn text_result(text: &str) -> ToolResult {
    ToolResult::of_text(text.strip_suffix('\n').unwrap_or(text))
}

/// Adds to a result which of the temporary files that it names are gone, because they were removed with the program's
/// folder.
fn mark_temp_files(result: ToolResult, folder: &Path, left: &[OsString]) -> ToolResult {
    let said = String::from_utf8_lossy(&result.content);
    let paths = left.iter().filter_map(|name| folder.join(name).into_os_string().into_string().ok());
    let files = paths.filter(|path| {
        let quoted = Value::from(path.as_str()).to_string();
        said.contains(quoted.trim_matches('"'))
    });
    let files: Vec<String> = files.take(TempFiles::NAMED_MAX).collect();
    if files.is_empty() { result } else { result.naming(&TempFiles { files, gone: true }) }
}

/// A program that runs. Dropping it ends it.
struct RunningProgram {
    /// Taken only by `drop`.
    process: Option<Process>,
    /// Released when the process has ended.
    permit: Option<CallPermit>,
}

impl RunningProgram {
    fn process(&self) -> &Process {
        self.process.as_ref().expect("a program has its process until it is dropped")
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let Some(process) = self.process.take().filter(|process| !process.exited()) else { return };
        // Outside a runtime nothing can wait for it, so it is killed at once, by dropping it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let permit = self.permit.take();
        runtime.spawn(async move {
            process.terminate(TERM_GRACE).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &str) -> Result<Vec<String>, String> {
        let words = flags(arguments.as_bytes())?;
        Ok(words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn arguments_become_flags_in_their_order() {
        assert_eq!(
            words(
                r#"{"max_count": 3, "all": true, "quiet": false, "none": null, "tag": ["a", "b"], "where": {"x": 1}}"#
            ),
            Ok(["--max-count=3", "--all", "--tag=a", "--tag=b", r#"--where={"x":1}"#]
                .map(str::to_owned)
                .into())
        );
    }

    #[test]
    fn a_value_that_looks_like_an_option_stays_a_value() {
        assert_eq!(
            words(r#"{"text": "--delete; rm -rf /"}"#),
            Ok(vec!["--text=--delete; rm -rf /".to_owned()])
        );
    }

    #[test]
    fn what_no_command_line_can_hold_is_refused() {
        assert!(words(r#"{"text": "a\u0000b"}"#).is_err_and(|why| why.contains("NUL")));
        let long = |length: usize| format!(r#"{{"text": "{}"}}"#, "x".repeat(length));
        assert!(words(&long(100 << 10)).is_ok());
        assert!(words(&long(WORD_BYTES_MAX)).is_err_and(|why| why.contains("`text` is")));
        let many = format!(r#"{{"text": [{}"x"]}}"#, format!(r#""{}","#, "x".repeat(100 << 10)).repeat(11));
        assert!(words(&many).is_err_and(|why| why.contains("command line")));
        for name in ["-rf", "a=b", "a b", "", "é"] {
            let named = format!(r#"{{"{name}": 1}}"#);
            assert!(words(&named).is_err_and(|why| why.contains("name of a flag")), "{name}");
        }
    }
}
