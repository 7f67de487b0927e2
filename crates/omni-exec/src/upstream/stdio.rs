//! A server that is a process of ours, spoken to over its standard input and output.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use omni_process::{ExitStatus, PlainProgram, Process, ProcessConfig, ProcessTable, TERM_GRACE};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::error::UpstreamError;
use crate::bounds::DEATH_GRACE;
use crate::runner::{LineSplitter, LineTooLong};

/// How long the server may take to end after its input has ended, before it is sent SIGTERM.
const STDIN_CLOSED_GRACE: Duration = Duration::from_secs(2);

/// What the launcher ends with when it cannot start a program.
const NOT_STARTED: i32 = 127;

const CHUNK_BYTES: usize = 64 << 10;

/// What is kept of the end of its standard error: as much as a message can show.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// The process and its pipes. Dropping it kills the process and its group at once; [`close`](Self::close) lets it end.
pub(super) struct Stdio {
    command: String,
    processes: Arc<ProcessTable>,
    process: Process,
    /// `None` once it is closed, by us or by the server.
    stdin: Option<pipe::Sender>,
    outbox: VecDeque<Bytes>,
    stdout: Option<pipe::Receiver>,
    lines: LineSplitter,
    line_bytes_max: usize,
    stderr: Option<pipe::Receiver>,
    tail: Vec<u8>,
    /// It has written something to its standard output.
    spoke: bool,
    chunk: Box<[u8]>,
}

impl Stdio {
    /// Starts the command in the configuration's root folder.
    pub(super) async fn start(
        config: &ProcessConfig,
        words: &[String],
        line_bytes_max: usize,
    ) -> Result<Stdio, UpstreamError> {
        let command = super::command_line::join(words);
        let failed = |reason: String| UpstreamError::NotStarted { command: command.clone(), reason };
        let processes = ProcessTable::new(config.clone());
        let (theirs, ours) = io::pipe().map_err(|error| failed(error.to_string()))?;
        let foreground = PlainProgram {
            argv: words.iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::clone(&config.root),
            stdin: theirs.into(),
        };
        let started = processes.start_plain(foreground).await;
        let (process, stdout, stderr) = started.map_err(|error| failed(error.to_string()))?;
        let pipes = || -> io::Result<_> {
            Ok((
                pipe::Sender::from_owned_fd(ours.into())?,
                pipe::Receiver::from_owned_fd(stdout)?,
                pipe::Receiver::from_owned_fd(stderr)?,
            ))
        };
        let (stdin, stdout, stderr) = pipes().map_err(|error| failed(error.to_string()))?;
        Ok(Stdio {
            command,
            processes,
            process,
            stdin: Some(stdin),
            outbox: VecDeque::new(),
            stdout: Some(stdout),
            lines: LineSplitter::new(line_bytes_max),
            line_bytes_max,
            stderr: Some(stderr),
            tail: Vec::new(),
            spoke: false,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
        })
    }

    /// Has a frame written, while [`next`](Self::next) or [`flush`](Self::flush) is polled: a server that does not read
    /// must not keep us from reading.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.outbox.push_back(frame);
        self.outbox.push_back(Bytes::from_static(b"\n"));
    }

    /// The next line that is not empty. Losing the future loses nothing.
    ///
    /// # Errors
    /// The process ended or closed its output, or the line is too long.
    pub(super) async fn next(&mut self) -> Result<Bytes, UpstreamError> {
        match poll_fn(|cx| self.poll_next(cx)).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.death().await),
            Err(LineTooLong) => {
                Err(UpstreamError::TooLong { server: self.command.clone(), limit: self.line_bytes_max })
            }
        }
    }

    /// Writes what is to be sent, as far as the server reads it within `patience`.
    pub(super) async fn flush(&mut self, patience: Duration) {
        let written = poll_fn(|cx| {
            self.poll_write(cx);
            if self.outbox.is_empty() || self.stdin.is_none() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(patience, written).await;
    }

    /// The end of what the process wrote to standard error so far.
    pub(super) fn stderr_tail(&self) -> String {
        String::from_utf8_lossy(&self.tail[self.tail.len().saturating_sub(TAIL_BYTES_MAX)..]).into_owned()
    }

    /// Ends the process: closes its input, waits two seconds, SIGTERM, a second, SIGKILL. What it started goes too.
    pub(super) async fn close(mut self) {
        self.stdin = None;
        // It may wait for somebody to read what it writes at its end.
        let ended = timeout(STDIN_CLOSED_GRACE, poll_fn(|cx| self.poll_end(cx)));
        if ended.await.is_err() {
            self.process.terminate(TERM_GRACE).await;
        }
        self.processes.terminate_all(TERM_GRACE).await;
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stderr(cx);
        while let Poll::Ready(Ok(1..)) = self.poll_stdout(cx) {}
        self.process.poll_exit(cx).map(drop)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, LineTooLong>> {
        self.poll_write(cx);
        self.poll_stderr(cx);
        loop {
            if let Some(line) = self.lines.next()? {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Poll::Ready(Ok(Some(line)));
            }
            match self.poll_stdout(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(length @ 1..)) => self.lines.push(&self.chunk[..length]),
                Poll::Ready(_) => {
                    let last = self.lines.last().filter(|line| !line.trim_ascii().is_empty());
                    return Poll::Ready(Ok(last));
                }
            }
        }
    }

    fn poll_stdout(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stdout) = &mut self.stdout else { return Poll::Ready(Ok(0)) };
        let length = poll_read(stdout, &mut self.chunk, cx);
        match &length {
            Poll::Pending => {}
            Poll::Ready(Ok(1..)) => self.spoke = true,
            Poll::Ready(_) => self.stdout = None,
        }
        length
    }

    fn poll_stderr(&mut self, cx: &mut Context<'_>) {
        let mut chunk = [0; 8 << 10];
        while let Some(stderr) = &mut self.stderr {
            match poll_read(stderr, &mut chunk, cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(length @ 1..)) => {
                    self.tail.extend_from_slice(&chunk[..length]);
                    // Twice as much, so that it is moved rarely.
                    if self.tail.len() > 2 * TAIL_BYTES_MAX {
                        self.tail.drain(..self.tail.len() - TAIL_BYTES_MAX);
                    }
                }
                Poll::Ready(_) => self.stderr = None,
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while let (Some(stdin), Some(frame)) = (&mut self.stdin, self.outbox.front_mut()) {
            match Pin::new(stdin).poll_write(cx, frame) {
                Poll::Pending => return,
                Poll::Ready(Ok(length)) => frame.advance(length),
                // Its output tells the rest.
                Poll::Ready(Err(_)) => self.stdin = None,
            }
            if self.outbox.front().is_some_and(Bytes::is_empty) {
                self.outbox.pop_front();
            }
        }
    }

    /// What to say of a server whose output has ended.
    async fn death(&mut self) -> UpstreamError {
        let ended = timeout(
            DEATH_GRACE,
            poll_fn(|cx| {
                self.poll_stderr(cx);
                self.process.poll_exit(cx)
            }),
        );
        let exit = ended.await.ok();
        // The last of it may have come with the end.
        let _ = timeout(
            Duration::from_millis(100),
            poll_fn(|cx| {
                self.poll_stderr(cx);
                if self.stderr.is_none() { Poll::Ready(()) } else { Poll::Pending }
            }),
        )
        .await;
        let (command, stderr) = (self.command.clone(), self.stderr_tail());
        if exit == Some(ExitStatus::Code(NOT_STARTED)) && !self.spoke {
            let reason = stderr.trim().trim_start_matches("omni: cannot start ");
            let reason = reason.split(" (os error").next().unwrap_or(reason).to_owned();
            let reason = if reason.is_empty() { "it ended with exit code 127".to_owned() } else { reason };
            return UpstreamError::NotStarted { command, reason };
        }
        let how = match exit {
            Some(exit) => format!("ended {exit} before it answered"),
            None => "closed its standard output before it answered".to_owned(),
        };
        UpstreamError::Died { command, how, stderr, silent: !self.spoke }
    }
}

fn poll_read(pipe: &mut pipe::Receiver, chunk: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(chunk);
    Pin::new(pipe).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
}
