//! `omni runner`: runs the tools for other omni servers, by the contract, with what `omni mcp` runs them with.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use omni_call::{Executor, shown_path};
use omni_catalog::{Catalog, FolderSource, NameStyle, RemoteSource, Source};
use omni_exec::{ExecutorProvider as _, runner_policy};
use omni_server::{Server, ServerConfig, serve_runner};

use crate::args::{PlaceArguments, RunArguments, RunnerServeArguments};
use crate::executors::Executors;
use crate::settings::{Places, RunSettings, Sources, grace};
use crate::skill_resources::{self, SkillResources};
use crate::{process_setup, runner_listener};

/// How long after one look at the folder of skills the next one comes.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// How deep below a skill's folder its source may lie.
const SOURCE_DEPTH_MAX: usize = 8;

/// What calls that run get to end where nobody says: whoever calls a runner waits for it to come back.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until a signal comes. Where callers find the runner goes to `out`, for whoever started it.
pub(crate) fn run(arguments: &RunnerServeArguments, out: &mut dyn Write) -> Result<u8> {
    process_setup::keep_to_ourselves();
    let own_grace =
        arguments.grace.map(|seconds| grace(seconds, &format!("`--grace {seconds}`"))).transpose()?;
    let place = PlaceArguments { folders: arguments.folders.clone(), ..PlaceArguments::default() };
    let mut places = Places::resolve(&place)?;
    // The same file may tell a server here that this very runner runs its tools.
    places.runner = None;
    // The contract has canonical names, whatever a server makes of them.
    places.names = NameStyle::Canonical;
    let run = RunArguments { work: arguments.work.clone(), ..RunArguments::default() };
    if let Some(announcement) = places.settings_status.announcement() {
        tracing::warn!("{announcement}");
    }
    let places = Arc::new(places);
    let settings = RunSettings::resolve(&run, &places.file)?;
    let grace = own_grace.or(settings.grace).unwrap_or(GRACE);
    process_setup::say_unset(&settings);
    let executors = Executors::of_runner(&places, &settings)?;
    let files = Arc::new(skill_resources::source());
    let last: Arc<dyn Source> = files.clone();
    let Sources { catalog, folders, .. } = places.catalog_with(settings.executor, Some(last))?;
    // What a tool declares about retries, caching and concurrency is done by whoever calls the runner.
    let others = Arc::new(runner_policy(executors.choice(), settings.bounds.of_policy()));
    let executor: Arc<dyn Executor> = Arc::new(SkillResources { catalog: catalog.clone(), others });
    let mut config = ServerConfig::new(env!("CARGO_PKG_VERSION"));
    config.limits = settings.admission;
    config.log_output = settings.log_output;
    omni_exec::set_result_memory(config.limits.answer_bytes_max());
    config.connection_descriptors = process_setup::descriptors_for_connections(&settings);
    let server = Server::new(catalog.clone(), executor, config);
    let runtime = process_setup::runtime()?;
    let served = runtime.block_on(async {
        let stop = process_setup::stop_on_signal()?;
        let (listener, address, _file) = match (&arguments.unix, arguments.port) {
            (Some(path), _) => {
                let (listener, file) = runner_listener::unix(path)?;
                (listener, format!("unix:{}", shown_path(&std::path::absolute(path)?)), Some(file))
            }
            (None, Some(port)) => {
                let (listener, address) = runner_listener::loopback(port, &places.file.http)?;
                (listener, format!("http://{address}"), None)
            }
            (None, None) => bail!("say where to listen: `--unix PATH` or `--port N`"),
        };
        writeln!(out, "omni runner: listening at {address}")?;
        out.flush()?;
        executors.warm_up(server.snapshot()).await?;
        let keep_refreshed = tokio::spawn(keep_refreshed(
            server.clone(),
            SkillsRefresher { catalog, folders: folders.into(), files },
            executors.clone(),
        ));
        let served = serve_runner(server, listener, grace, stop).await;
        keep_refreshed.abort();
        executors.shut_down().await;
        served.context("the runner failed")
    });
    // A scan that still runs must not keep the process.
    runtime.shutdown_background();
    served.map(|()| 0)
}

/// What is looked at again and again.
struct SkillsRefresher {
    catalog: Arc<Catalog>,
    folders: Arc<[Arc<FolderSource>]>,
    files: Arc<RemoteSource>,
}

impl SkillsRefresher {
    /// One look. What cannot be read leaves what was there in force, and is logged.
    async fn refresh(&self, server: &Server) {
        let (catalog, files) = (Arc::clone(&self.catalog), Arc::clone(&self.files));
        match tokio::task::spawn_blocking(move || skill_resources::refresh(&catalog, &files)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "the skills could not be read"),
            Err(error) => tracing::error!(%error, "bug: reading the skills failed"),
        }
        server.catalog_refreshed();
    }
}

/// Keeps the catalogue at what the folder has, and the workers at what the skills are. Dropping the future stops it.
async fn keep_refreshed(server: Arc<Server>, refresher: SkillsRefresher, executors: Arc<Executors>) {
    let folders = &refresher.folders;
    let mut before = (server.snapshot(), sources(folders).await);
    refresher.refresh(&server).await;
    announce(&server);
    executors.prepare_environments(server.snapshot()).await;
    loop {
        let now = (server.snapshot(), sources(folders).await);
        if now.1 != before.1 {
            tracing::info!(
                tools = now.0.tool_count(),
                "the skills have changed; new workers take the next calls"
            );
            executors.renew(|skill| now.1.get(skill) != before.1.get(skill)).await;
        }
        if !Arc::ptr_eq(&now.0, &before.0) {
            executors.prepare_environments(Arc::clone(&now.0)).await;
        }
        before = now;
        tokio::time::sleep(REFRESH_EVERY).await;
        refresher.refresh(&server).await;
    }
}

/// What changes when a file of a skill does, by skill.
async fn sources(folders: &Arc<[Arc<FolderSource>]>) -> HashMap<String, blake3::Hash> {
    let folders = Arc::clone(folders);
    let refresh = move || {
        let mut stamps = HashMap::new();
        for source in folders.iter() {
            let folders = fs::read_dir(source.skills_dir()).into_iter().flatten().flatten();
            // Beside a skill that is served alone there may be anything.
            let skills = folders.filter(|folder| source.only().is_none_or(|only| folder.file_name() == only));
            for skill in skills {
                let Ok(name) = skill.file_name().into_string() else { continue };
                let hasher: &mut blake3::Hasher = stamps.entry(name).or_default();
                stamp(&skill.path(), SOURCE_DEPTH_MAX, hasher);
            }
        }
        stamps.into_iter().map(|(skill, hasher)| (skill, hasher.finalize())).collect()
    };
    tokio::task::spawn_blocking(refresh).await.unwrap_or_default()
}

/// Adds the Python files of a folder, and below it: which there are, and the state of each.
fn stamp(folder: &Path, depth: usize, hasher: &mut blake3::Hasher) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(found) = fs::metadata(&path) else { continue };
        if found.is_dir() && depth > 0 {
            stamp(&path, depth - 1, hasher);
        } else if path.extension().is_some_and(|ending| ending == "py") {
            hasher.update(path.as_os_str().as_encoded_bytes());
            for number in [found.ino(), found.len(), found.mtime() as u64, found.mtime_nsec() as u64] {
                hasher.update(&number.to_le_bytes());
            }
        }
    }
}

fn announce(server: &Server) {
    let snapshot = server.snapshot();
    tracing::info!(tools = snapshot.tool_count(), skills = snapshot.skills().len(), "serving");
}
