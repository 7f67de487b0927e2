//! The front's half of reloading: what was found takes effect, and whoever asks is answered.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use anyhow::{Context, Result};
use omni_call::{BoxFuture, SkillChange};
use omni_catalog::{PreparedSnapshot, RemoteSource};
use omni_server::Server;
use omni_watch::{Config, Mode, Pace, Tree, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::hangup::{Hangup, Hangups};
use super::look::{CatalogLook, Known, Publication};
use crate::executors::{Executors, PrepareAhead};
use crate::settings::{Places, ReloadMode};

/// What is kept up to date.
pub(crate) struct Served {
    pub(crate) server: Arc<Server>,
    pub(crate) executors: Arc<Executors>,
    /// Which environments are made before a call wants them.
    pub(crate) ahead: PrepareAhead,
    /// The files of skills, where they are listed.
    pub(crate) files: Option<Arc<RemoteSource>>,
    /// Turned true where the server has to end.
    pub(crate) stopping: watch::Sender<bool>,
}

/// Who sees to it.
struct Reloading {
    served: Served,
    asking: Arc<Asking>,
    found: UnboundedReceiver<Publication>,
    hangups: Hangups,
    /// New workers on their way in, and environments that are made; they end with this.
    under_way: JoinSet<()>,
}

/// By which everybody who wants a look asks for one.
struct Asking {
    watcher: Watcher,
}

impl omni_server::Reload for Asking {
    fn settled(&self) -> BoxFuture<'_, ()> {
        let asked = self.ask();
        Box::pin(async move {
            // Where the watcher has ended, so has the server.
            let _ = asked.await;
        })
    }
}

impl Asking {
    fn ask(&self) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        self.watcher.ask(move || {
            let _ = done.send(());
        });
        is_done
    }
}

/// Keeps what is served at what the folders of `places` are, for ever. To be called when the catalogue has been refreshed
/// once. Dropping the future ends it, and the watcher. What stands in its way is logged: a server serves all the same.
pub(crate) async fn keep(places: &Places, served: Served, hangups: Hangups) {
    match start(places, served, hangups) {
        Ok(reloading) => reloading.run().await,
        Err(error) => tracing::error!(
            error = format!("{error:#}"),
            "edits are not seen until the server is started anew"
        ),
    }
}

fn start(places: &Places, served: Served, hangups: Hangups) -> Result<Reloading> {
    let trees = places
        .folders()
        .iter()
        .map(|folder| Tree { path: folder.skills.clone(), only: folder.only.as_ref().map(Into::into) });
    let mode = match places.file.reload() {
        ReloadMode::Watch => Mode::Events,
        ReloadMode::Poll => Mode::Poll,
        ReloadMode::Off => Mode::Asked,
    };
    let config = Config { trees: trees.collect(), files: Vec::new(), mode, pace: Pace::default() };
    // Clients keep a tool while somebody types.
    served.server.catalog().keep_last_good();
    let (front, found) = unbounded_channel();
    let known = Arc::new(Mutex::new(Known::default()));
    let look = CatalogLook {
        catalog: Arc::clone(served.server.catalog()),
        files: served.files.clone(),
        front,
        known: Arc::clone(&known),
    };
    let watcher = Watcher::start(config, look).context("the folders of skills cannot be watched")?;
    let asking = Arc::new(Asking { watcher });
    served.server.set_reload(asking.clone());
    Ok(Reloading { served, asking, found, hangups, under_way: JoinSet::new() })
}

impl Drop for Reloading {
    fn drop(&mut self) {
        // The server, which others hold, knows by whom to ask for a look.
        self.asking.watcher.stop();
    }
}

impl Reloading {
    async fn run(mut self) {
        loop {
            tokio::select! {
                found = self.found.recv() => match found {
                    Some(found) => self.publish(found).await,
                    None => return,
                },
                hangup = self.hangups.next() => self.hangup(hangup),
                Some(_) = self.under_way.join_next(), if !self.under_way.is_empty() => {}
            }
        }
    }

    fn hangup(&mut self, hangup: Hangup) {
        match hangup {
            Hangup::Stop => {
                tracing::info!("the terminal is gone");
                self.served.stopping.send_replace(true);
            }
            Hangup::Reload => {
                let (asked, server) = (self.asking.ask(), Arc::clone(&self.served.server));
                self.under_way.spawn(async move {
                    if asked.await.is_ok() {
                        let snapshot = server.snapshot();
                        let (tools, skills) = (snapshot.tool_count(), snapshot.skills().len());
                        tracing::info!(tools, skills, "looked again, as SIGHUP asked");
                    }
                });
            }
        }
    }

    /// What was found takes effect.
    async fn publish(&mut self, found: Publication) {
        let Publication { prepared, changed, done } = found;
        let committed = match prepared {
            Some(prepared) => {
                // No request is looked at between the two: whoever is resolved by the new snapshot finds workers of the old
                // code passed over.
                let renewal = self.renew(changed).await;
                let committed = self.served.server.catalog().commit(&prepared);
                if let Some(renewal) = renewal {
                    self.under_way.spawn(renewal);
                }
                if committed {
                    self.served.server.catalog_refreshed();
                    self.roll_environments_over(&prepared);
                }
                // Many tools take long to drop.
                tokio::task::spawn_blocking(move || drop(prepared));
                committed
            }
            None => true,
        };
        let _ = done.send(committed);
    }

    /// Has the calls that come from now on run the skills' new code. What has to be waited for comes back.
    async fn renew(&self, changed: Vec<SkillChange>) -> Option<BoxFuture<'static, ()>> {
        if changed.is_empty() {
            return None;
        }
        let executors = Arc::clone(&self.served.executors);
        let mut renewal: BoxFuture<'static, ()> = Box::pin(async move { executors.renew(&changed).await });
        let mut first = pin!(poll_fn(|context| Poll::Ready(renewal.as_mut().poll(context).is_pending())));
        let waits = first.as_mut().await;
        waits.then_some(renewal)
    }

    fn roll_environments_over(&mut self, prepared: &PreparedSnapshot) {
        let (executors, ahead) = (Arc::clone(&self.served.executors), self.served.ahead);
        let (before, now) = (Arc::clone(prepared.before()), Arc::clone(prepared.after()));
        self.under_way.spawn(async move { executors.environments_changed(before, now, ahead).await });
    }
}
