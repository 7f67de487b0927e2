//! `omni runner`: runs the tools for other omni servers, by the contract, with what `omni mcp` runs them with.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use omni_catalog::NameStyle;
use omni_exec::{ExecutorProvider as _, runner_policy};
use omni_server::{Access, Listener, PeerLookup, Server, ServerConfig, serve_runner};
use tokio::net::TcpListener;

use crate::args::{PlaceArguments, RunArguments, RunnerServeArguments};
use crate::executors::{Executors, PrepareAhead};
use crate::http_access::{self, HttpTable};
use crate::listener::SocketReach;
use crate::reload::{self, Hangups};
use crate::settings::{Places, RunSettings, SettingsRereader, Sources, grace};
use crate::{listener, process_setup};

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
    let Sources { catalog, .. } = places.catalog(settings.executor)?;
    // What a tool declares about retries, caching and concurrency is done by whoever calls the runner.
    let executor = Arc::new(runner_policy(executors.choice(), settings.bounds.of_policy()));
    let mut config = ServerConfig::new(env!("CARGO_PKG_VERSION"));
    config.limits = settings.admission;
    config.log_output = settings.log_output;
    omni_exec::set_result_memory(config.limits.answer_bytes_max());
    config.connection_descriptors = process_setup::descriptors_for_connections(&settings);
    let server = Server::new(catalog.clone(), executor, config);
    let runtime = process_setup::runtime()?;
    let served = runtime.block_on(async {
        let (stopping, stop) = process_setup::stop_on_signal()?;
        let hangups = Hangups::new()?;
        let (listener, access, address, _file) = match (&arguments.unix, arguments.port) {
            (Some(path), _) => {
                let written = format!("`--unix {}`", shown_path(path));
                let (listener, file) = listener::unix(path, SocketReach::User, &written)?;
                let access = Access::users(PeerLookup::of_unix_sockets(), Vec::new());
                let address = format!("unix:{}", shown_path(&std::path::absolute(path)?));
                (Listener::Unix(listener), access, address, Some(file))
            }
            (None, Some(port)) => {
                let (listener, access) = loopback(port, &places.file.http)?;
                let address = format!("http://{}", listener.local_addr()?);
                (Listener::Tcp(listener), access, address, None)
            }
            (None, None) => bail!("say where to listen: `--unix PATH` or `--port N`"),
        };
        writeln!(out, "omni runner: listening at {address}")?;
        out.flush()?;
        executors.warm_up(server.snapshot()).await?;
        let (reloaded, preparing) = (server.clone(), executors.clone());
        let settings = SettingsRereader::new(&places, place, run, server.live(), true);
        let name = format!("omni runner at {address}");
        let keep_refreshed = tokio::spawn(async move {
            reloaded.refresh_catalog().await;
            announce(&reloaded);
            let served = reload::Served {
                server: reloaded.clone(),
                executors: preparing.clone(),
                ahead: PrepareAhead::Everything,
                settings,
                name,
                stopping,
            };
            tokio::join!(
                preparing.prepare_environments(reloaded.snapshot()),
                reload::keep(&places, served, hangups)
            );
        });
        let served = serve_runner(server, listener, access, grace, stop).await;
        keep_refreshed.abort();
        executors.shut_down().await;
        served.context("the runner failed")
    });
    // A scan that still runs must not keep the process.
    runtime.shutdown_background();
    served.map(|()| 0)
}

/// Listens on a port of 127.0.0.1, for those whom `[http]` lets in; 0 takes a free one. Needs a tokio runtime.
fn loopback(port: u16, http: &HttpTable) -> Result<(TcpListener, Access)> {
    let listener = listener::tcp("127.0.0.1", port, "127.0.0.1")?;
    let (access, open) = http_access::on_loopback(&[], http, listener.local_addr()?.ip())?;
    if let Some(open) = open {
        bail!("`--port {port}`: {open}; use `--unix PATH`, which only this user can open");
    }
    Ok((listener, access))
}

fn announce(server: &Server) {
    let snapshot = server.snapshot();
    tracing::info!(tools = snapshot.tool_count(), skills = snapshot.skills().len(), "serving");
}
