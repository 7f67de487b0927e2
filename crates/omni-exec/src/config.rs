//! What the executors need to know about this machine: interpreter, folders, environment and bounds.

use std::path::PathBuf;
use std::time::Duration;

use omni_call::ForkSettings;
use omni_process::ProcessConfig;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::SharedBounds;

/// The Python that runs the tools.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// Absolute path of the program. Not resolved through links: a virtual environment is found by the
    /// path its interpreter was started with.
    pub path: PathBuf,
}

/// What is needed to have the interpreter inside a process of ours.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Absolute path of the interpreter's shared library.
    pub library: PathBuf,
    /// The locale says nothing about how text is encoded, so it is UTF-8.
    pub utf8: bool,
}

/// A file or folder that no tool which writes files may write: the Python package refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Real: absolute, without links. It need not exist.
    pub path: PathBuf,
    /// What it is, for the model: "the folder of skills that omni serves".
    pub what: String,
    /// May not be read either.
    pub secret: bool,
}

impl Serialize for Protected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.path.to_string_lossy(), &self.what, self.secret).serialize(serializer)
    }
}

/// How processes are started and bounded. One value serves the pool and the spawner.
#[derive(Clone, Debug)]
pub struct ExecConfig {
    pub interpreter: Interpreter,
    /// The virtual environment that the interpreter belongs to, when it is one that omni made: its programs come
    /// first in `PATH`, and `VIRTUAL_ENV` names it.
    pub environment: Option<PathBuf>,
    /// The folder that holds the `omni` Python package; becomes `PYTHONPATH`.
    pub package_dir: PathBuf,
    /// The folder where Python keeps what it has compiled of skills, by the digest of the source; made when first
    /// needed. Without it every process compiles anew. Default none.
    pub code_cache: Option<PathBuf>,
    /// How processes are started and bounded. Its root is the project's, which is `Context.root` too. Python's own
    /// variables are added to those that it names.
    pub process: ProcessConfig,
    /// Settings by skill, handed to `Context.settings`.
    pub settings: Map<String, Value>,
    /// What the server runs and obeys: tools are kept from writing there.
    pub protected: Vec<Protected>,
    /// Its workers are kept for what a skill has in memory, so what a call leaves in the temporary folder stays as long.
    pub stateful: bool,
    /// What this set of executors has together with others: `workers_max`, `forked_max` and `spawned_max` hold for all of them.
    pub shared: SharedBounds,
    /// Idle workers kept whatever happens. The first starts with the first call or at
    /// [`warm_up`](crate::Pool::warm_up). Default 1.
    pub workers_min: usize,
    /// Workers at most, busy ones included. Default 64. Async tools share one more.
    pub workers_max: usize,
    /// Plain calls at most that run at once in the interpreter inside this process. They share one lock. Default 4.
    pub embedded_threads: usize,
    /// Calls at most that run at once in forked processes. Default 16.
    pub forked_max: usize,
    /// Calls at most that run at once in processes started from nothing. Default 16: a start costs tens of milliseconds
    /// of CPU.
    pub spawned_max: usize,
    /// How `fork` has processes ready for tools that do not say it. Default: none ahead, one call each.
    pub fork: ForkSettings,
    /// What a worker of the pool may go through before it is replaced.
    pub recycle_limits: RecycleLimits,
    /// Calls at most that wait for a worker, for one tool. Default 1,024: a thousand clients of one small tool
    /// are served, and one tool fills no more than a quarter of the whole queue.
    pub queue_per_tool_max: usize,
    /// Calls at most that wait for a worker, altogether. Default 4,096.
    pub queue_max: usize,
    /// How long a worker above `workers_min` may be idle before it is retired. Default 60 s.
    pub idle_worker_ttl: Duration,
    /// How long a worker may take until it says that it is ready. Default 10 s.
    pub ready_timeout: Duration,
    /// A result's size at most. Default 8 MiB.
    pub result_bytes_max: usize,
    /// A frame's size at most, either way. Default 16 MiB + 64 KiB.
    pub frame_bytes_max: usize,
    /// Whether what processes print for no call goes to the log, at `info`. Default: yes.
    pub log_output: bool,
}

/// What a worker may go through; `None` is no limit. Looked at after each call: a worker that does nothing does
/// not wear out. Each worker's own limits are up to a fifth lower, so that they do not all go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecycleLimits {
    /// Calls. Default 100,000.
    pub calls: Option<u64>,
    /// Resident memory, in bytes. Counts only when it has also doubled since the first call, so that a skill
    /// which needs much is not loaded again and again. Default 2 GiB.
    pub memory_bytes: Option<u64>,
    /// Time since its start. Default a day.
    pub age: Option<Duration>,
}

impl RecycleLimits {
    /// For workers whose memory is what they are kept for.
    pub const UNLIMITED: RecycleLimits = RecycleLimits { calls: None, memory_bytes: None, age: None };
}

impl Default for RecycleLimits {
    fn default() -> Self {
        RecycleLimits {
            calls: Some(100_000),
            memory_bytes: Some(2 << 30),
            age: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

impl ExecConfig {
    /// A configuration with the documented defaults.
    pub fn new(interpreter: PathBuf, package_dir: PathBuf, launcher: PathBuf, root: PathBuf) -> Self {
        ExecConfig {
            interpreter: Interpreter { path: interpreter },
            environment: None,
            package_dir,
            code_cache: None,
            process: ProcessConfig::new(launcher, root),
            settings: Map::new(),
            protected: Vec::new(),
            stateful: false,
            shared: SharedBounds::default(),
            workers_min: 1,
            workers_max: 64,
            embedded_threads: 4,
            forked_max: 16,
            spawned_max: 16,
            fork: ForkSettings::default(),
            recycle_limits: RecycleLimits::default(),
            queue_per_tool_max: 1024,
            queue_max: 4096,
            idle_worker_ttl: Duration::from_secs(60),
            ready_timeout: Duration::from_secs(10),
            result_bytes_max: 8 << 20,
            frame_bytes_max: (16 << 20) + (64 << 10),
            log_output: true,
        }
    }
}
