//! MCP over a pair of byte streams: one client, one JSON text a line.
//!
//! One task owns everything: it cuts lines, hands them to the client's session, and writes what comes out of it. A tool
//! that runs delays nothing, since only its own future waits for it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use omni_protocol::Frame;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use crate::authentication::Identity;
use crate::frames;
use crate::principal::Principal;
use crate::server::Server;
use crate::session::StreamSession;
use crate::transport::line_reader::{FramedLine, LineReader};
use crate::transport::stopped;

/// While more than this many bytes wait for a client that does not read, no further input is read.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// With more than this many bytes waiting, writing comes before collecting: a tool that sends events
/// without pause must not keep them from being written.
const WRITE_FIRST_BYTES: usize = 256 << 10;

/// Most frames in one write.
const SLICES_MAX: usize = 48;

/// Serves one client until its input ends or `stop` turns true.
///
/// Then running calls have the grace period to finish; those that do not are ended with the executor and answered as
/// shut down. Returns when everything that could be written has been. Ends early when the output breaks.
pub async fn serve(
    server: Arc<Server>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let frame_bytes_max = server.config.limits.frame_bytes_max;
    let conversation = StreamSession::new(server.clone(), &Identity::of(Principal::LocalUser));
    let mut client = Client { conversation, frame_bytes_max, output: Output::new(output) };
    client.serve(LineReader::new(input, frame_bytes_max), stop).await?;
    client.drain(&server).await
}

struct Client<W> {
    conversation: StreamSession,
    frame_bytes_max: usize,
    output: Output<W>,
}

impl<W: AsyncWrite + Unpin> Client<W> {
    async fn serve<R: AsyncRead + Unpin>(
        &mut self,
        mut lines: LineReader<R>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        // Made once: one that is made anew for each turn of the loop registers itself each time.
        let stopped = stopped(&mut stop);
        tokio::pin!(stopped);
        loop {
            let may_read = self.may_read();
            tokio::select! {
                // Answers first: a flood of requests must not keep finished work waiting.
                biased;
                () = stopped.as_mut() => return Ok(()),
                frame = self.conversation.next(), if self.output.bytes < WRITE_FIRST_BYTES => self.output.push(frame),
                written = self.output.write(), if self.output.is_behind() => written?,
                line = lines.next(), if may_read => match line? {
                    Some(line) => {
                        self.line(line).await;
                        // Everything that came in one read is taken before the next wait.
                        while lines.has_line() && self.may_read() {
                            let Some(line) = lines.next().await? else { break };
                            self.line(line).await;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Whether more may be taken from a client that does not read, or whose requests fill the memory there is for
    /// them: what it writes waits in its own pipe. It is never closed for that: whoever started this server may have
    /// stopped to look at something.
    fn may_read(&self) -> bool {
        self.output.bytes < WAITING_BYTES_MAX && self.conversation.may_receive()
    }

    async fn line(&mut self, line: FramedLine) {
        let answer = match line {
            FramedLine::Whole(line) => self.conversation.receive(line).await,
            FramedLine::TooLong(start) => Some(frames::too_long(&start, self.frame_bytes_max)),
        };
        if let Some(frame) = answer {
            self.output.push(frame);
        }
    }

    /// After the end of input: lets running calls finish within the grace period, then ends the processes that run
    /// them, which answers them as shut down.
    async fn drain(&mut self, server: &Server) -> io::Result<()> {
        let grace = server.live().grace;
        self.conversation.end_of_input();
        self.settle(tokio::time::sleep(grace)).await?;
        self.settle(server.executor.shut_down()).await?;
        for frame in self.conversation.abandon() {
            self.output.push(frame);
        }
        // A client that does not read its last answers is not waited for.
        let flush = async {
            while self.output.is_behind() {
                self.output.write().await?;
            }
            self.output.stream.flush().await
        };
        tokio::time::timeout(grace, flush).await.unwrap_or(Ok(()))
    }

    /// Collects answers and writes them until no request is open, or until `end`; what is ready by then still counts.
    async fn settle(&mut self, end: impl Future<Output = ()>) -> io::Result<()> {
        tokio::pin!(end);
        while !self.conversation.is_idle() || self.output.is_behind() {
            tokio::select! {
                biased;
                frame = self.conversation.next(), if !self.conversation.is_idle() => self.output.push(frame),
                written = self.output.write(), if self.output.is_behind() => written?,
                () = end.as_mut() => break,
            }
        }
        Ok(())
    }
}

/// The client's end, and the bytes that it has not taken yet.
struct Output<W> {
    stream: W,
    waiting: VecDeque<Bytes>,
    /// Bytes of the first waiting piece that are already out.
    written: usize,
    bytes: usize,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    fn new(stream: W) -> Self {
        Output { stream, waiting: VecDeque::new(), written: 0, bytes: 0 }
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len() + 1;
        if frame.is_whole() && frame.len() < 4096 {
            // One piece a small frame: the line break is worth a copy.
            let mut line = Vec::with_capacity(frame.len() + 1);
            line.extend_from_slice(&frame.head);
            line.push(b'\n');
            return self.waiting.push_back(line.into());
        }
        self.waiting.extend(frame.into_parts().chain([Bytes::from_static(b"\n")]));
    }

    /// Whether something waits to be written.
    fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes as much as the client takes, all waiting frames in one go. Cancel safe.
    async fn write(&mut self) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.waiting) {
            *slot = IoSlice::new(if count == 0 { &piece[self.written..] } else { piece });
            count += 1;
        }
        let mut wrote = self.stream.write_vectored(&slices[..count]).await?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes = self.bytes.saturating_sub(wrote);
        while let Some(first) = self.waiting.front() {
            let left = first.len() - self.written;
            if wrote < left {
                self.written += wrote;
                return Ok(());
            }
            wrote -= left;
            self.written = 0;
            self.waiting.pop_front();
        }
        Ok(())
    }
}
