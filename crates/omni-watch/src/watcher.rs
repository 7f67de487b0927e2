//! The thread that waits for changes, and has somebody look at them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::kernel::Kernel;
use crate::settle::Settle;
use crate::walk::Tree;
use crate::watched::{Watched, Why};
use crate::watches::Watches;

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct Config {
    pub trees: Vec<Tree>,
    /// Single files, whether they are there or not.
    pub files: Vec<PathBuf>,
    pub mode: Mode,
    pub pace: Pace,
}

/// How changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the kernel's events; what it does not tell of, as with [`Poll`](Self::Poll).
    Events,
    /// By a look every so often.
    Poll,
    /// Not: somebody looks when asked to.
    Asked,
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nothing must have changed for so long.
    pub quiet: Duration,
    /// No burst is waited for longer than this.
    pub most: Duration,
    /// From one look to the next, where there are no events.
    pub poll: Duration,
}

impl Default for Pace {
    /// 50 ms of quiet, 500 ms at most, a look every 2 s.
    fn default() -> Self {
        let [quiet, most, poll] = [50, 500, 2_000].map(Duration::from_millis);
        Pace { quiet, most, poll }
    }
}

/// Who looks at what has changed. All of it is called on the watcher's thread, one after the other.
pub trait Look: Send {
    /// Watching has begun, in this way: once.
    fn watched(&mut self, trees: &[Watched]) {
        let _ = trees;
    }

    /// Looks. What it finds is kept back until [`publish`](Self::publish). Says whether that is something else than what the
    /// look before has found: where nothing tells of changes, one that was found is looked at again until it stays.
    fn look(&mut self) -> bool;

    /// What the last look has found takes effect: it fell into a quiet moment, or there has been none for too long.
    fn publish(&mut self);
}

/// A thread that watches. Dropping this tells it to end, which it does once a look that runs is over; nothing that the
/// look finds is published then. [`join`](Self::join) waits for it.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: OwnedFd,
}

#[derive(Default)]
struct State {
    stop: bool,
    asked: Vec<Done>,
}

type Done = Box<dyn FnOnce() + Send>;

impl Watcher {
    /// Starts the thread, which begins by watching: the caller waits for none of it. Once everything is watched there is a
    /// look, for what has changed before.
    ///
    /// # Errors
    ///
    /// When no thread, or no descriptor, can be had.
    pub fn start(config: Config, look: impl Look + 'static) -> io::Result<Watcher> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { state: Mutex::default(), wake });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("omni-watch".to_owned());
        let thread = thread.spawn(move || Thread::new(own, config, Box::new(look)).run())?;
        Ok(Watcher { shared, thread: Some(thread) })
    }

    /// Has somebody look that did not begin before this, as soon as nothing changes; then calls `done`, on the watcher's
    /// thread. Where the watcher ends first, `done` is dropped uncalled.
    pub fn ask(&self, done: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        if !state.stop {
            state.asked.push(Box::new(done));
            self.shared.wake();
        }
    }

    /// Tells the thread to end, and waits for that: as long as a look that runs.
    pub fn join(mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been said where it was.
            let _ = thread.join();
        }
    }

    /// Tells the thread to end, and waits for nothing.
    pub fn stop(&self) {
        self.shared.lock().stop = true;
        self.shared.wake();
    }

    /// How these would be watched now: tries it, and lets go at once.
    pub fn probe(trees: &[Tree]) -> Vec<Watched> {
        let mut eyes = Eyes::open(&Config {
            trees: trees.to_vec(),
            files: Vec::new(),
            mode: Mode::Events,
            pace: Pace::default(),
        });
        eyes.walk();
        eyes.watched()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It is full only where it is awake.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// What the thread sees with.
struct Eyes {
    trees: Vec<Tree>,
    /// `None` where no tree is watched.
    watches: Option<Watches>,
    /// Why, by tree, where nothing is watched at all.
    blind: Option<Why>,
}

impl Eyes {
    fn open(config: &Config) -> Eyes {
        let trees = config.trees.clone();
        if config.mode != Mode::Events {
            return Eyes { trees, watches: None, blind: Some(Why::Wanted) };
        }
        let kernel = match Kernel::new() {
            Ok(kernel) => kernel,
            Err(error) => {
                use rustix::io::Errno;
                let number = error.raw_os_error();
                let limits =
                    [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(|errno| Some(errno.raw_os_error()));
                let why =
                    if limits.contains(&number) { Why::QueueLimit } else { Why::Refused(error.to_string()) };
                return Eyes { trees, watches: None, blind: Some(why) };
            }
        };
        let watches = Watches::new(kernel, &trees, &config.files);
        Eyes { trees, watches: Some(watches), blind: None }
    }

    fn walk(&mut self) {
        if let Some(watches) = &mut self.watches {
            watches.walk();
        }
    }

    fn watched(&self) -> Vec<Watched> {
        let why = |tree| match (&self.blind, &self.watches) {
            (Some(why), _) => Some(why.clone()),
            (None, Some(watches)) => watches.given_up(tree).cloned(),
            (None, None) => None,
        };
        let trees = self.trees.iter().enumerate();
        trees.map(|(number, tree)| Watched { path: tree.path.clone(), why_not: why(number) }).collect()
    }

    /// Whether there is anything that nobody tells of.
    fn is_blind(&self) -> bool {
        self.blind.is_some() || self.watches.as_ref().is_some_and(Watches::is_blind)
    }
}

impl Drop for Thread {
    /// Whatever has ended it, nobody waits for it any longer.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop = true;
        state.asked.clear();
    }
}

struct Thread {
    shared: Arc<Shared>,
    config: Config,
    look: Box<dyn Look>,
    settle: Settle,
    eyes: Eyes,
    /// When to look though nothing was told of.
    poll_at: Option<Instant>,
    /// Who has asked before the look that runs.
    asked: Vec<Done>,
}

/// In a burst, events are read so often: each by itself would wake the thread a thousand times for what is one change.
const READ_EVERY: Duration = Duration::from_millis(10);

impl Thread {
    fn new(shared: Arc<Shared>, config: Config, look: Box<dyn Look>) -> Thread {
        let settle = Settle::new(config.pace.quiet, config.pace.most);
        let eyes = Eyes { trees: Vec::new(), watches: None, blind: None };
        Thread { shared, config, look, settle, eyes, poll_at: None, asked: Vec::new() }
    }

    fn run(mut self) {
        self.eyes = Eyes::open(&self.config);
        self.eyes.walk();
        self.look.watched(&self.eyes.watched());
        let mut due = self.config.mode != Mode::Asked;
        while !self.shared.lock().stop {
            if due {
                self.look();
            }
            if !self.wait() {
                return;
            }
            due = self.is_due();
        }
    }

    /// Reads what the kernel has to tell; whether it tells of a change.
    fn read(&mut self) {
        if self.eyes.watches.as_mut().is_some_and(Watches::read) {
            self.settle.changed(Instant::now());
        }
    }

    fn is_due(&mut self) -> bool {
        self.read();
        let now = Instant::now();
        let asked = !self.shared.lock().asked.is_empty() || !self.asked.is_empty();
        match self.settle.due() {
            Some(due) => due <= now,
            None => asked || self.poll_at.is_some_and(|at| at <= now),
        }
    }

    /// One look, and what came of it.
    fn look(&mut self) {
        // First, so that nothing is in a folder that nobody watches and was not looked at either.
        self.eyes.walk();
        let blind = self.eyes.is_blind();
        self.asked.append(&mut self.shared.lock().asked);
        self.settle.look();
        let differs = self.look.look();
        // What nobody tells of tells of itself, by having changed since it was looked at.
        if differs && blind {
            self.settle.changed(Instant::now());
        }
        self.read();
        let now = Instant::now();
        if self.settle.looked(now) && !self.shared.lock().stop {
            self.look.publish();
            self.asked.drain(..).for_each(|done| done());
        }
        self.poll_at =
            (blind && self.config.mode != Mode::Asked).then(|| Instant::now() + self.config.pace.poll);
    }

    /// Waits until there may be something to do. `false` when waiting is not possible, which has no known reason.
    fn wait(&mut self) -> bool {
        let now = Instant::now();
        let due = self.settle.due();
        let until = match (due, self.poll_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let mut timeout = until.map(|until| until.saturating_duration_since(now));
        let in_burst = due.is_some();
        if in_burst {
            timeout = timeout.map(|timeout| timeout.min(READ_EVERY));
        }
        if self.settle.is_quiet() && (!self.shared.lock().asked.is_empty() || !self.asked.is_empty()) {
            return true;
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut waited = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        if let Some(watches) = self.eyes.watches.as_ref().filter(|_| !in_burst) {
            waited.push(PollFd::from_borrowed_fd(watches.kernel().as_fd(), PollFlags::IN));
        }
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {
                let mut count = [0u8; 8];
                let _ = rustix::io::read(&self.shared.wake, &mut count);
                true
            }
            Err(_) => false,
        }
    }
}
