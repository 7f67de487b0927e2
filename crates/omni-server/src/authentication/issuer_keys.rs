//! The keys of an issuer: kept, and fetched anew when they may have changed.
//!
//! Nothing here has a timer: a request that comes when the keys are old has them fetched behind it, and a request whose token
//! names a key that is not there waits for new ones, at most once in a while. A source that fails changes nothing: the last
//! keys stay good, since an issuer that is away for an hour must not lock out everybody who has a token of it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use omni_jwt::KeySet;
use tokio::sync::watch;
use tokio::time::Instant;

/// Where the keys of an issuer come from.
pub trait KeySetSource: Send + Sync + fmt::Debug {
    /// Reads the set of keys (RFC 7517): its text, or why it cannot be had. Ends by itself, in seconds.
    fn read(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + '_>>;
}

/// When keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefresh {
    /// Keys that are older are fetched anew when a token comes. A key that its issuer has taken back is good so long.
    pub age_max: Duration,
    /// The least time between two fetches, whatever tokens come.
    pub pause: Duration,
}

/// A set of keys, with a number by which another one is told from it.
#[derive(Debug)]
pub(super) struct CurrentKeys {
    pub(super) set: KeySet,
    pub(super) version: u64,
}

pub(super) struct IssuerKeys {
    source: Arc<dyn KeySetSource>,
    refresh: KeyRefresh,
    current: ArcSwapOption<CurrentKeys>,
    fetches: Mutex<Fetches>,
}

#[derive(Default)]
struct Fetches {
    /// When the last one began, whatever came of it.
    began: Option<Instant>,
    /// Closes when the one that runs has ended.
    running: Option<watch::Receiver<()>>,
    /// Why the last one has failed, if it has.
    failed: Option<String>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("source", &self.source).finish_non_exhaustive()
    }
}

impl IssuerKeys {
    pub(super) fn new(source: Arc<dyn KeySetSource>, refresh: KeyRefresh) -> Arc<Self> {
        Arc::new(IssuerKeys { source, refresh, current: ArcSwapOption::empty(), fetches: Mutex::default() })
    }

    /// The keys that there are; waits for the first ones. Old ones are given at once, and fetched anew behind that.
    ///
    /// # Errors
    /// None could ever be had, for this reason.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<CurrentKeys>, String> {
        if let Some(keys) = self.current.load_full() {
            let age = self.fetches().began.map(|began| began.elapsed());
            if age.is_none_or(|age| age >= self.refresh.age_max) {
                drop(self.begin_fetch());
            }
            return Ok(keys);
        }
        self.fetched().await;
        self.current.load_full().ok_or_else(|| {
            self.fetches().failed.clone().unwrap_or_else(|| "they have not been fetched yet".to_owned())
        })
    }

    /// Other keys than those of `version`, fetched now if that was not tried a moment ago. `None` when there are none.
    pub(super) async fn newer_than(self: &Arc<Self>, version: u64) -> Option<Arc<CurrentKeys>> {
        let newer = || self.current.load_full().filter(|keys| keys.version != version);
        if newer().is_none() {
            self.fetched().await;
        }
        newer()
    }

    /// Waits for a fetch, if one runs or may begin.
    async fn fetched(self: &Arc<Self>) {
        if let Some(mut ended) = self.begin_fetch() {
            // Nothing is ever sent: its sender goes when it is over.
            let _ = ended.changed().await;
        }
    }

    /// Begins a fetch, unless one runs already. In a task of its own: a client that hangs up must not end what others wait
    /// for, nor have each of its requests begin one that comes to nothing.
    fn begin_fetch(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let mut fetches = self.fetches();
        if let Some(running) = &fetches.running {
            return Some(running.clone());
        }
        if fetches.began.is_some_and(|began| began.elapsed() < self.refresh.pause) {
            return None;
        }
        fetches.began = Some(Instant::now());
        let (sender, ended) = watch::channel(());
        fetches.running = Some(ended.clone());
        let keys = self.clone();
        tokio::spawn(async move {
            let read = keys.source.read().await;
            keys.take(read);
            drop(sender);
        });
        Some(ended)
    }

    fn take(&self, read: Result<Vec<u8>, String>) {
        let set = read.and_then(|text| KeySet::read(&text).map_err(|error| error.to_string()));
        let mut fetches = self.fetches();
        fetches.running = None;
        match set {
            Ok(set) => {
                if fetches.failed.take().is_some() {
                    tracing::info!("the issuer's keys can be had again");
                }
                let current = self.current.load();
                if current.as_ref().is_none_or(|current| current.set != set) {
                    let version = current.as_ref().map_or(1, |current| current.version + 1);
                    tracing::info!(keys = set.usable(), "the issuer's keys were read");
                    for (key, why) in set.skipped() {
                        tracing::debug!(key, why, "a key of the issuer is not used");
                    }
                    self.current.store(Some(Arc::new(CurrentKeys { set, version })));
                }
            }
            Err(why) => {
                // Said once, and not for each try: tokens of a key that is not there come as often as somebody likes.
                if fetches.failed.as_ref() != Some(&why) {
                    let kept = self.current.load().is_some();
                    tracing::warn!(why, kept, "the issuer's keys cannot be had; those there are stay good");
                }
                fetches.failed = Some(why);
            }
        }
    }

    fn fetches(&self) -> std::sync::MutexGuard<'_, Fetches> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
