//! The first frame to a worker: what it is told, and the key that its frames are to carry.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omni_process::{Output, StartError, StartedProcess, StatusPage};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::time::sleep;

use super::Worker;
use crate::ExecConfig;
use crate::bounds::STDERR_TAIL_BYTES;
use crate::channel::Channel;
use crate::wire::{self, FrameKey, ServerHello, WorkerMode};
use crate::worker_usage::WorkerUsage;

/// The next worker's serial number.
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

impl Worker {
    /// Makes a worker of a process that runs, and sends it the first frame.
    pub(crate) fn assemble(
        started: StartedProcess,
        config: &ExecConfig,
        mode: WorkerMode,
    ) -> Result<Self, StartError> {
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let page = StatusPage::new().map_err(system("making a status page"))?;
        let mut channel =
            Channel::new(started.control, config.frame_bytes_max).map_err(system("watching a socket"))?;
        let output = Output::new(started.stdout, started.stderr, STDERR_TAIL_BYTES, config.log_output)
            .map_err(system("capturing output"))?;
        greet(&mut channel, &page, config, mode, started.process.temp().map(|temp| temp.path()))
            .map_err(system("introducing the server"))?;
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        Ok(Worker {
            channel,
            output,
            process: started.process,
            page: Arc::new(page),
            alarm: Box::pin(sleep(Duration::MAX)),
            call: None,
            key,
            number: 0,
            sent: 0,
            begun_at: now,
            ready: false,
            unusable: false,
            stale: false,
            preloaded: Vec::new(),
            contamination: None,
            result_bytes_max: config.result_bytes_max,
            usage: WorkerUsage::new(&config.recycle_limits, key, now),
        })
    }
}

/// Sends the first frame, with the status page's descriptor beside its first byte.
fn greet(
    channel: &mut Channel,
    page: &StatusPage,
    config: &ExecConfig,
    mode: WorkerMode,
    temp: Option<&Path>,
) -> io::Result<()> {
    let mut frame = Vec::new();
    let mut key = FrameKey::default();
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let hello = ServerHello {
        proto: wire::PROTO,
        mode,
        page: true,
        key: Some(&digits),
        root: &config.process.root.to_string_lossy(),
        settings: &config.settings,
        protected: &config.protected,
        frame_bytes_max: config.frame_bytes_max,
        result_bytes_max: config.result_bytes_max,
        // Python could not use a folder whose name is not UTF-8.
        temp: temp.and_then(Path::to_str),
        temp_stays: config.stateful || mode == WorkerMode::Async,
        stateful: config.stateful,
    };
    wire::push_hello(&mut frame, &hello).map_err(io::Error::other)?;
    channel.expect_key(key);
    let descriptors = [page.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    // A new socket takes some bytes at once. The rest is sent as the worker reads.
    let sent = sendmsg(channel.as_fd(), &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL)?;
    channel.outbox().extend_from_slice(frame.get(sent..).unwrap_or_default());
    Ok(())
}
