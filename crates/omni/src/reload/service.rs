//! The front's half of reloading: what was found takes effect, and whoever asks is answered.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use anyhow::{Context, Result};
use omni_call::{BoxFuture, SkillChange, Target};
use omni_catalog::{PreparedSnapshot, Severity, Snapshot};
use omni_server::Server;
use omni_watch::{Config, Mode, Pace, Watcher, Why};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::control::{self, Control, LastChange, PROBLEMS_MAX, Problem, Report};
use super::differences::place;
use super::hangup::{Hangup, Hangups};
use super::kept_versions::KeptVersions;
use super::look::{CatalogLook, Known, Publication};
use crate::executors::{Executors, PrepareAhead};
use crate::settings::{Places, ReloadMode, SettingsRereader, SkillsFolder};

/// What is kept up to date.
pub(crate) struct Served {
    pub(crate) server: Arc<Server>,
    pub(crate) executors: Arc<Executors>,
    /// Which environments are made before a call wants them.
    pub(crate) ahead: PrepareAhead,
    /// What the settings were read with, where an edit of them is obeyed.
    pub(crate) settings: Option<SettingsRereader>,
    /// How clients reach it, for people.
    pub(crate) name: String,
    /// Turned true where the server has to end.
    pub(crate) stopping: watch::Sender<bool>,
}

/// Who sees to it.
struct Reloading {
    served: Served,
    asking: Arc<Asking>,
    found: UnboundedReceiver<Publication>,
    hangups: Hangups,
    /// `None` where there can be none.
    control: Option<Control>,
    about: Arc<About>,
    /// New workers on their way in, and environments that are made; they end with this.
    under_way: JoinSet<()>,
}

/// What a server says of itself.
struct About {
    name: String,
    root: PathBuf,
    skills: Vec<PathBuf>,
    settings: Option<PathBuf>,
    known: Arc<Mutex<Known>>,
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

fn start(places: &Places, mut served: Served, hangups: Hangups) -> Result<Reloading> {
    let trees = places.folders().iter().map(SkillsFolder::tree);
    let mode = match places.file.reload() {
        ReloadMode::Watch => Mode::Events,
        ReloadMode::Poll => Mode::Poll,
        ReloadMode::Off => Mode::Asked,
    };
    let settings = served.settings.take();
    let files = settings.as_ref().map(SettingsRereader::files).unwrap_or_default();
    let config = Config { trees: trees.collect(), files, mode, pace: Pace::default() };
    // Clients keep a tool while somebody types.
    served.server.catalog().keep_last_good();
    let (front, found) = unbounded_channel();
    let known = Arc::new(Mutex::new(Known::default()));
    let look = CatalogLook {
        catalog: Arc::clone(served.server.catalog()),
        front,
        known: Arc::clone(&known),
        settings,
        change: None,
        versions: KeptVersions::new(&places.cache),
    };
    let watcher = Watcher::start(config, look).context("the folders of skills cannot be watched")?;
    let asking = Arc::new(Asking { watcher });
    served.server.set_reload(asking.clone());
    let control = Control::open(&places.state).inspect_err(|error| {
        let error = format!("{error:#}");
        tracing::warn!(error, "`omni reload` does not find this server; `SIGHUP` asks it to look");
    });
    let about = Arc::new(About {
        name: served.name.clone(),
        root: places.root.clone(),
        skills: places.folders().iter().map(SkillsFolder::served).collect(),
        settings: places.settings_status.in_force().map(Path::to_owned),
        known,
    });
    let under_way = JoinSet::new();
    Ok(Reloading { served, asking, found, hangups, control: control.ok(), about, under_way })
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
                stream = accept(&self.control) => self.answer(stream),
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

    /// Answers `omni reload`.
    fn answer(&mut self, mut stream: UnixStream) {
        let (asking, about, server) =
            (Arc::clone(&self.asking), Arc::clone(&self.about), Arc::clone(&self.served.server));
        self.under_way.spawn(async move {
            let Ok(question) = control::asked(&mut stream).await else { return };
            let since = (question == control::LOOK).then(Instant::now);
            if since.is_some() && asking.ask().await.is_err() {
                return;
            }
            let report = tokio::task::spawn_blocking(move || about.report(&server.snapshot(), since)).await;
            if let Ok(report) = report {
                // Who has asked may have gone.
                let _ = control::answer(&mut stream, &report).await;
            }
        });
    }

    /// What was found takes effect.
    async fn publish(&mut self, found: Publication) {
        let Publication { prepared, changed, live, done } = found;
        if let Some(live) = live {
            self.served.server.set_live(live);
        }
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
                    self.served.server.catalog_changed();
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

/// Waits for somebody who asks; for ever where nobody can.
async fn accept(control: &Option<Control>) -> UnixStream {
    match control {
        Some(control) => control.accept().await,
        None => std::future::pending().await,
    }
}

impl About {
    /// What is said of a snapshot, and of what has changed since somebody asked.
    fn report(&self, snapshot: &Snapshot, since: Option<Instant>) -> Report {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let last_change = known.last.as_ref().map(|(at, differences)| LastChange {
            seconds_ago: (at.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            changed: differences.concerned(),
            lists: differences.lists.iter().map(|list| (*list).to_owned()).collect(),
        });
        // The watcher may have been first, and has told of it then.
        let is_new = known.last.as_ref().is_some_and(|(at, _)| since.is_some_and(|since| *at >= since));
        let now = last_change.clone().filter(|_| is_new);
        let (changed, lists) = now.map(|now| (now.changed, now.lists)).unwrap_or_default();
        let wrong = snapshot.diagnostics().iter().filter(|found| found.severity != Severity::Note);
        let problems: Vec<Problem> = wrong
            .map(|found| Problem {
                severity: match found.severity {
                    Severity::Error => "error".to_owned(),
                    Severity::Warning | Severity::Note => "warning".to_owned(),
                },
                at: place(found),
                message: found.message.clone(),
            })
            .collect();
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let polled = known.watched.iter().filter_map(|tree| Some((path(&tree.path), tree.why_not.as_ref()?)));
        let polled = polled.filter(|(_, why)| **why != Why::Wanted);
        Report {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: self.name.clone(),
            root: path(&self.root),
            skills: self.skills.iter().map(path).collect(),
            settings: self.settings.as_ref().map(path),
            tools: snapshot.tool_count(),
            skill_count: snapshot.skills().len(),
            changed,
            lists,
            last_change,
            problem_count: problems.len(),
            problems: problems.into_iter().take(PROBLEMS_MAX).collect(),
            failed: known.failed.clone(),
            settings_refused: known.settings_refused.clone(),
            served_as_before: served_as_before(snapshot),
            polled: polled
                .map(|(path, why)| format!("`{path}` is looked at every 2 seconds: {why}"))
                .collect(),
        }
    }
}

/// The skills that a broken edit has left at the version before it, sorted.
fn served_as_before(snapshot: &Snapshot) -> Vec<String> {
    let is_broken = snapshot.diagnostics().iter().any(|found| found.severity == Severity::Error);
    let specs = is_broken.then(|| snapshot.run_specs()).into_iter().flatten();
    let before = specs.filter_map(|spec| match &spec.target {
        Target::Python(python) if python.last_good => Some(spec.skill.clone()),
        _ => None,
    });
    before.collect::<BTreeSet<String>>().into_iter().collect()
}
