//! `omni mcp`: serves the tools until the client leaves or a signal comes.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use omni_call::{ErrorDetail, shown_path};
use omni_catalog::{CatalogKind, Severity, Source as _};
use omni_exec::{ExecutorProvider as _, server_policy, set_result_memory};
use omni_server::{HttpEndpoint, KeySource, SealKey, Server, ServerConfig, StoredResults, serve_stdio};
use omni_store::{Store, StoreConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::{McpArguments, Transport};
use crate::connected_clients::ClientNotes;
use crate::executors::{Executors, PrepareAhead};
use crate::http_setup::{self, HttpSetup};
use crate::private;
use crate::process_setup::{
    descriptors_for_connections, keep_to_ourselves, runtime, say_unset, stop_on_signal,
};
use crate::protected;
use crate::read_catalog;
use crate::reload::{self, Hangups};
use crate::runner::{RunnerListRefresher, RunnerSettings, ask_completions};
use crate::settings::{Places, RunSettings, ServeSettings, SettingsRereader, Sources};
use crate::streams;
use crate::terminal::say;
use crate::text::plural;
use crate::{connect, getting_started, http_tokens};

pub(crate) fn run(arguments: &McpArguments) -> Result<u8> {
    keep_to_ourselves();
    let mut places = Places::resolve(&arguments.place)?;
    let serve = ServeSettings::resolve(arguments, &places.file)?;
    for file in http_tokens::files(&serve.tokens) {
        places.protected.push(protected::secret(file, "the token of omni's HTTP clients"));
    }
    let settings = RunSettings::resolve(&arguments.run, &places.file)?;
    let places = Arc::new(places);
    let executors = Executors::new(&places, &settings)?;
    if let Some(announcement) = places.settings_status.announcement().filter(|_| !places.folders().is_empty())
    {
        say(&announcement);
    }
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let (stopping, stop) = stop_on_signal()?;
        let ahead = match serve.transport {
            // A client may start many servers and only list their tools.
            Transport::Stdio => PrepareAhead::Following,
            Transport::Http => PrepareAhead::Everything,
        };
        let reload = ReloadSetup {
            places: &places,
            executors: &executors,
            ahead,
            arguments,
            name: "omni mcp on stdio".to_owned(),
            hangups: Hangups::new()?,
            stopping,
        };
        let limits = connect::ClientLimits {
            timeout: settings.timeout,
            idle_timeout: settings.idle_timeout,
            env: &settings.env,
        };
        let served: Result<()> = match serve.transport {
            Transport::Stdio => {
                warn_of_http_alone(arguments);
                if io::stdin().is_terminal() {
                    say_how_to_connect(arguments, &places, limits);
                }
                // The client has started us: it is the same person's.
                let errors = settings.errors.unwrap_or(ErrorDetail::Message);
                let running =
                    server(&places, &settings, &executors, errors, true, stored_results(&places, &settings))?;
                stdio(running, reload, stop).await
            }
            Transport::Http => match http_setup::open(arguments, &serve, &places.file.http, limits) {
                Ok(setup) => http(setup, reload, &settings, stop).await,
                Err(error) => Err(error),
            },
        };
        executors.shut_down().await;
        served
    });
    // A scan that still runs must not keep the process: its result is of no use any more.
    runtime.shutdown_background();
    served.map(|()| 0)
}

/// Says which of the flags mean nothing on stdio: whoever gives one expects a port that is open.
fn warn_of_http_alone(arguments: &McpArguments) {
    let flags = [
        ("--host", arguments.host.is_some()),
        ("--port", arguments.port.is_some()),
        ("--http-token", arguments.http_token.is_some()),
        ("--allow-host", !arguments.allow_hosts.is_empty()),
        ("--allow-origin", !arguments.allow_origins.is_empty()),
        ("--allow-user", !arguments.allow_users.is_empty()),
        ("--allow-unauthenticated", arguments.allow_unauthenticated),
    ];
    let given: Vec<_> =
        flags.iter().filter(|(_, given)| *given).map(|(flag, _)| format!("`{flag}`")).collect();
    if !given.is_empty() {
        let given = given.join(", ");
        tracing::warn!("no effect without `--transport http`, since this server speaks over stdio: {given}");
    }
}

/// A server, and who keeps its catalogue.
pub(crate) struct RunningServer {
    pub(crate) server: Arc<Server>,
    /// For a runner's lists.
    refresher: Option<RunnerListRefresher>,
}

/// Clients are told at their beginning what there is, so the first of them wait so long for a runner to say it that has
/// never said it.
const COMPLETIONS_WAIT: Duration = Duration::from_secs(1);

impl RunningServer {
    /// Makes the tools of the catalogue what they should be, as far as that can be had.
    pub(crate) async fn refresh(&mut self) {
        let Some(refresher) = &mut self.refresher else { return self.server.refresh_catalog().await };
        // Lists wait until both have been looked at: the tools of one alone would be a list that changes at once.
        let catalog = refresher.catalog.clone();
        match tokio::task::spawn_blocking(move || catalog.refresh().map(|_| ())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the skills could not be read"),
            Err(error) => tracing::error!(%error, "bug: reading the skills failed"),
        }
        refresher.server.folders_refreshed();
        if refresher.source.offers(CatalogKind::Tools) {
            refresher.refresh().await;
        } else {
            // Nobody waits for a runner whose tools are not listed; what else it lists is asked for by who keeps it.
            refresher.server.tools_refreshed();
        }
    }

    /// Asks a runner that has never been asked what it completes. One that does not answer by then, and one whose word is
    /// known from before, is asked at each refresh.
    async fn ask_what_it_completes(&self) {
        if let Some(RunnerListRefresher { runner, source, .. }) = &self.refresher
            && !source.has_said_completes()
        {
            let _ = tokio::time::timeout(COMPLETIONS_WAIT, ask_completions(runner, source)).await;
        }
    }

    /// Keeps a runner's lists so. Ends at once where there is no runner.
    async fn keep_refreshed(self) {
        if let Some(refresher) = self.refresher {
            refresher.keep_refreshed().await;
        }
    }
}

/// The folder in omni's state where results are kept that are too large to be sent.
const RESULTS: &str = "results";

/// Where large results are kept for clients. Where that is not possible they are sent as they are, and the log says why.
fn stored_results(places: &Places, settings: &RunSettings) -> Option<Arc<StoredResults>> {
    let folder = places.state.join(RESULTS);
    let opened = StoredResults::open(&folder, settings.stored_results?);
    let failed = |error: &std::io::Error| {
        let folder = shown_path(&folder);
        tracing::warn!(%error, "large results are sent whole, since none can be kept in `{folder}`");
    };
    opened.inspect_err(failed).ok()
}

/// The server over the catalogue of `places`, which has not been looked at yet. Its clients read so much of exceptions
/// as `errors` says; the log tells of them if `log_failures`. Large results are kept in `stored_results`.
pub(crate) fn server(
    places: &Places,
    settings: &RunSettings,
    executors: &Arc<Executors>,
    errors: ErrorDetail,
    log_failures: bool,
    stored_results: Option<Arc<StoredResults>>,
) -> Result<RunningServer> {
    say_unset(settings);
    let Sources { catalog, runner: listed, .. } = places.served_catalog(settings.executor)?;
    if places.rules.renames() {
        // Aliases are held against the tools there are now, before anybody is served by a wrong one.
        catalog.refresh()?;
        read_catalog::refuse_rule_conflicts(&catalog.snapshot())?;
    }
    let mut config = ServerConfig::new(env!("CARGO_PKG_VERSION"));
    config.instructions.clone_from(&places.file.instructions);
    config.timeout = settings.timeout;
    config.idle_timeout = settings.idle_timeout;
    config.grace = settings.grace.unwrap_or(config.grace);
    config.errors = errors;
    config.log_failures = log_failures;
    config.log_output = settings.log_output;
    config.limits = settings.admission;
    config.stored_results = stored_results;
    config.streams = settings.streams;
    config.asking = settings.asking;
    let store = Store::on_first_use(places.store(), StoreConfig::default());
    config.store = Some(store.clone());
    let state = places.state.clone();
    config.seal_key = KeySource::new(move || seal_key(&state));
    config.clients = Some(Arc::new(ClientNotes::new(&places.state)));
    config.tasks = Some(settings.tasks.in_store(store));
    set_result_memory(config.limits.answer_bytes_max());
    config.connection_descriptors = descriptors_for_connections(settings);
    let executor = server_policy(executors.choice(), settings.bounds.of_policy());
    config.empty = places.runner.as_ref().map(RunnerSettings::empty).unwrap_or_default();
    let server = Server::new(catalog.clone(), Arc::new(executor), config);
    let lister = executors.runner().zip(places.runner.as_ref()).zip(listed);
    let refresher = lister.map(|((runner, settings), source)| RunnerListRefresher {
        server: server.clone(),
        catalog,
        source,
        runner: runner.clone(),
        refresh: settings.refresh,
        refreshed: false,
        failed: 0,
    });
    Ok(RunningServer { server, refresher })
}

/// Says to whoever has started a server for standard input and output by hand how clients start it.
fn say_how_to_connect(arguments: &McpArguments, places: &Places, limits: connect::ClientLimits<'_>) {
    let start = connect::StartCommand::of(places, &arguments.given, places.file.transport);
    let connect::ConnectInstructions { commands, files } = connect::stdio(&start, limits);
    say(&format!(
        "omni speaks MCP on standard input and output here; it is meant to be started by a client:\n\n{commands}\n{files}\nTo try \
         it by hand, use `omni list`, `omni call`, or `omni mcp --transport http`."
    ));
    if let Some(path) = places.settings_status.narrowing() {
        say(&format!(
            "What `{}` narrows is not in these lines, since nobody has trusted it: `omni trust` does.",
            shown_path(path)
        ));
    }
}

/// How long a server whose client has left still looks at the skills, to say what is wrong with them.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What keeps a server that runs at what its folders are, before it does.
struct ReloadSetup<'a> {
    places: &'a Arc<Places>,
    executors: &'a Arc<Executors>,
    ahead: PrepareAhead,
    arguments: &'a McpArguments,
    /// How clients reach the server, for people.
    name: String,
    hangups: Hangups,
    stopping: watch::Sender<bool>,
}

impl ReloadSetup<'_> {
    /// Sees to it once the catalogue of `server` has been refreshed, which is when `refreshed` ends; for ever. Dropping the
    /// future stops it.
    fn of(self, server: &Arc<Server>) -> impl Future<Output = ()> + use<> {
        let (server, executors) = (Arc::clone(server), Arc::clone(self.executors));
        let (place, run) = (self.arguments.place.clone(), self.arguments.run.clone());
        let settings = SettingsRereader::new(self.places, place, run, server.live(), false);
        let (name, ahead, stopping) = (self.name, self.ahead, self.stopping);
        let served = reload::Served { server, executors, ahead, settings, name, stopping };
        let (places, hangups) = (Arc::clone(self.places), self.hangups);
        async move { reload::keep(&places, served, hangups).await }
    }
}

async fn stdio(
    mut running: RunningServer,
    reload: ReloadSetup<'_>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    running.ask_what_it_completes().await;
    let server = running.server.clone();
    let places = Arc::clone(reload.places);
    let reload = reload.of(&server);
    let (told, was_told) = tokio::sync::oneshot::channel::<()>();
    let keep_refreshed = tokio::spawn(async move {
        running.refresh().await;
        say_how_to_begin(&places, &running.server);
        // A client shows its user the tools that are there, never those that are missing.
        if let Some(problems) = problems(&running.server) {
            tracing::warn!("{problems}");
        }
        let _ = told.send(());
        tokio::join!(running.keep_refreshed(), reload);
    });
    let served = serve_stdio(server.clone(), streams::input()?, streams::output()?, stop).await;
    server.close_tasks().await;
    // A client that asked and left may have been faster, and what the cache says of problems may have been mended.
    let _ = tokio::time::timeout(LAST_LOOK, was_told).await;
    keep_refreshed.abort();
    match served {
        // The client closed its end first: nobody is left to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard input or output failed"),
    }
}

async fn http(
    setup: HttpSetup,
    mut reload: ReloadSetup<'_>,
    settings: &RunSettings,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let (places, executors) = (reload.places, reload.executors);
    let HttpSetup { listener, file: _file, access, rotation, names, place, mut said, files, others } = setup;
    let errors = settings.errors.unwrap_or(match others {
        Some(_) => ErrorDetail::Masked,
        None => ErrorDetail::Message,
    });
    said.push_str(&connect::errors(errors, settings.errors.is_some(), others.as_deref()));
    said.push('\n');
    said.push_str(&files);
    let mut running = server(places, settings, executors, errors, true, stored_results(places, settings))?;
    executors.warm_up(running.server.snapshot()).await?;
    running.ask_what_it_completes().await;
    let server = running.server.clone();
    let preparing = Arc::clone(executors);
    let source = places.source();
    let places = Arc::clone(places);
    reload.name = format!("omni mcp at {place}");
    let reload = reload.of(&server);
    let keep_refreshed = tokio::spawn(async move {
        running.refresh().await;
        announce(&running.server, &source, &place, &said);
        say_how_to_begin(&places, &running.server);
        let snapshot = running.server.snapshot();
        tokio::join!(preparing.prepare_environments(snapshot), running.keep_refreshed(), reload);
    });
    let rotation = rotation.map(|rotation| tokio::spawn(rotation.keep()));
    let served = HttpEndpoint::new(server.clone(), access, names).serve(listener, stop).await;
    rotation.inspect(JoinHandle::abort);
    server.close_tasks().await;
    keep_refreshed.abort();
    served.context("the HTTP server failed")
}

/// Says on stderr what to do where there is nothing to serve.
fn say_how_to_begin(places: &Places, server: &Server) {
    if let Some(text) = getting_started::with_no_tools(places, &server.snapshot()) {
        say(&text);
    }
}

/// Says on stderr what is served, and `said` of how to connect.
fn announce(server: &Server, source: &str, place: &str, said: &str) {
    let snapshot = server.snapshot();
    let mut text = format!(
        "omni {} serves {} of {} from {source} at {place}\n\n{said}",
        env!("CARGO_PKG_VERSION"),
        plural(snapshot.tool_count(), "tool"),
        plural(snapshot.skills().len(), "skill"),
    );
    if let Some(problems) = problems(server) {
        text.push_str(&format!("\n{problems}\n"));
    }
    say(&text);
}

/// One line on what is wrong with the skills, when something is.
fn problems(server: &Server) -> Option<String> {
    let snapshot = server.snapshot();
    let count = snapshot.diagnostics().iter().filter(|found| found.severity != Severity::Note).count();
    (count > 0).then(|| format!("{} with these skills: `omni doctor` lists them", plural(count, "problem")))
}

/// The key that seals session ids and the states of parked calls. Kept, so that both survive a restart; where it cannot be
/// kept, they end with this process.
fn seal_key(state: &Path) -> SealKey {
    let path = state.join("session.key");
    if let Ok(Ok(key)) = fs::read(&path).map(<[u8; 32]>::try_from) {
        return SealKey(key);
    }
    let key = SealKey::random();
    if let Err(error) = private::write(&path, &key.0) {
        tracing::warn!(%error, path = %shown_path(&path), "sessions and questions will not survive a restart: their key cannot be kept");
    }
    key
}
