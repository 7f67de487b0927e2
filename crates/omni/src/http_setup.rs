//! The setup of the HTTP server: where it listens, who may call it there, and what its operator is told.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use omni_call::shown_path;
use omni_server::{Access, AllowedHosts, Authentication, Listener};

use crate::args::McpArguments;
use crate::http_access::{self, HttpTable};
use crate::http_tokens::{self, TokenRotation, TokenSource};
use crate::listener::{SocketFile, SocketReach};
use crate::settings::{ListenAt, ServeSettings, WithSource};
use crate::{connect, http_jwt, listener};

/// A listener, the rules for its callers, and what to say at the start.
pub(crate) struct HttpSetup {
    pub(crate) listener: Listener,
    /// Of a Unix socket, which goes when this is dropped.
    pub(crate) file: Option<SocketFile>,
    pub(crate) access: Access,
    /// Keeps the tokens what their files and commands say.
    pub(crate) rotation: Option<TokenRotation>,
    pub(crate) names: AllowedHosts,
    /// Where clients find the server: its URL, or `unix:` and a path.
    pub(crate) place: String,
    /// How to connect the usual clients, and what is open to whom.
    pub(crate) said: String,
    /// The same as parts of settings files.
    pub(crate) files: String,
    /// The setting by which others than the user who runs omni may call, if one does: what exceptions say is then not
    /// for every client.
    pub(crate) others: Option<String>,
}

/// Begins to listen.
///
/// # Errors
/// A setting without a meaning, tokens that cannot be read, a place that cannot be listened at, and an address that other
/// machines reach where no token is wanted, unless `--allow-unauthenticated` says that this is meant.
pub(crate) fn open(
    arguments: &McpArguments,
    serve: &ServeSettings,
    table: &HttpTable,
    limits: connect::ClientLimits<'_>,
) -> Result<HttpSetup> {
    match &serve.at {
        ListenAt::Port { host, port } => open_port(arguments, serve, table, limits, (host, *port)),
        ListenAt::UnixSocket(path) => open_unix(arguments, serve, table, path),
    }
}

fn open_port(
    arguments: &McpArguments,
    serve: &ServeSettings,
    table: &HttpTable,
    limits: connect::ClientLimits<'_>,
    (host, port): (&WithSource<String>, u16),
) -> Result<HttpSetup> {
    let mut hosts = serve.allow_hosts.clone();
    if host.value.parse::<IpAddr>().is_err() {
        // A server that listens at a name is called by that name.
        hosts.push(host.value.clone());
    }
    hosts.extend(public_host(serve));
    let names = AllowedHosts::new(&hosts, &serve.allow_origins).with_context(|| host.written.clone())?;
    let has_token = !serve.tokens.is_empty() || serve.jwt.is_some();
    let listener = listener::tcp(&host.value, port, &host.written)?;
    let address = listener.local_addr().context("the listening address cannot be read")?;
    let local = address.ip().to_canonical().is_loopback();
    if !local && !has_token && !arguments.allow_unauthenticated {
        bail!(
            "{} can be reached by other machines, and anybody there could run the tools; `--http-token FILE` lets in \
             only those who have a token; else listen on 127.0.0.1 behind a proxy that authenticates, or say \
             `--allow-unauthenticated`",
            host.written
        );
    }
    let place = format!("http://{}/mcp", reachable(address));
    let (authentication, rotation) = credentials(serve, Some(&place))?;
    let (access, unknown_peers) = match authentication {
        Some(authentication) => (Access::authenticated(authentication), None),
        None if local => http_access::on_loopback(&arguments.allow_users, table, address.ip())?,
        None => (Access::everybody(), None),
    };
    let anybody_here = unknown_peers.is_some();
    let warning = if !local {
        Some(of_other_machines(address.port(), has_token))
    } else if unknown_peers.is_none() && arguments.allow_unauthenticated {
        Some(
            "`--allow-unauthenticated` changes nothing on loopback; `http.allow_users` in omni.toml lets other users in"
                .to_owned(),
        )
    } else {
        unknown_peers
    };
    // Clients that speak OAuth hold a token to the name of what it is for.
    let public = serve.jwt.as_ref().and_then(|jwt| jwt.resource.as_ref());
    let place = public.map_or(place, |resource| resource.text().to_owned());
    let token = serve.tokens.first().map(TokenSource::shell_line).transpose()?;
    let connect::ConnectInstructions { commands: mut said, files } =
        connect::http(&place, token.as_deref(), limits);
    if let Some(warning) = warning {
        said.push_str(&format!("warning: {warning}\n"));
    }
    let others = if local {
        let by_setting = others_by_setting(arguments, serve, table);
        by_setting
            .or_else(|| anybody_here.then(|| "a machine that does not tell whose a connection is".to_owned()))
            .or_else(|| others_by_name(&hosts, &serve.allow_origins))
    } else {
        Some(host.written.clone())
    };
    Ok(HttpSetup {
        listener: Listener::Tcp(listener),
        file: None,
        access,
        rotation,
        names,
        place,
        said,
        files,
        others,
    })
}

fn open_unix(
    arguments: &McpArguments,
    serve: &ServeSettings,
    table: &HttpTable,
    path: &WithSource<PathBuf>,
) -> Result<HttpSetup> {
    let hosts: Vec<String> = serve.allow_hosts.iter().cloned().chain(public_host(serve)).collect();
    let names = AllowedHosts::new(&hosts, &serve.allow_origins)?;
    let (authentication, rotation) = credentials(serve, None)?;
    let has_token = authentication.is_some();
    let (access, reach) = http_access::on_unix(&arguments.allow_users, table)?;
    let access = match authentication {
        Some(authentication) => access.with_authentication(authentication),
        None => access,
    };
    let (listener, file) = listener::unix(&path.value, reach, &path.written)?;
    let absolute = std::path::absolute(&path.value)?;
    let mut said = connect::unix(&absolute, has_token);
    if arguments.allow_unauthenticated {
        said.push_str(
            "warning: `--allow-unauthenticated` changes nothing on a Unix socket; `http.allow_users` in omni.toml lets \
             other users in\n",
        );
    }
    let by_user = match reach {
        SocketReach::User => None,
        SocketReach::Everybody if !arguments.allow_users.is_empty() => Some("`--allow-user`".to_owned()),
        SocketReach::Everybody => Some("`http.allow_users`".to_owned()),
    };
    Ok(HttpSetup {
        listener: Listener::Unix(listener),
        file: Some(file),
        access,
        rotation,
        names,
        place: format!("unix:{}", shown_path(&absolute)),
        said,
        files: String::new(),
        others: by_user.or_else(|| others_by_name(&serve.allow_hosts, &serve.allow_origins)),
    })
}

/// The name by which clients call a server whose tokens are for that name.
fn public_host(serve: &ServeSettings) -> Option<String> {
    Some(serve.jwt.as_ref()?.resource.as_ref()?.host().to_owned())
}

/// The credentials that requests must have, if they must, and what keeps the tokens among them what they should be. `url` is
/// where clients find the server, if that is a URL.
fn credentials(
    serve: &ServeSettings,
    url: Option<&str>,
) -> Result<(Option<Authentication>, Option<TokenRotation>)> {
    let (mut authentication, mut rotation) = (None, None);
    if !serve.tokens.is_empty() {
        let (tokens, kept) = http_tokens::open(&serve.tokens)?;
        authentication = Some(Authentication::default().with_tokens(tokens));
        rotation = Some(kept);
    }
    if let Some(jwt) = &serve.jwt {
        authentication = Some(http_jwt::with_jwt(authentication.unwrap_or_default(), jwt, url)?);
    }
    Ok((authentication, rotation))
}

/// What to say of a port that other machines reach.
fn of_other_machines(port: u16, has_token: bool) -> String {
    if has_token {
        format!(
            "whoever is on the way to port {port} can read what passes, the token included; put it behind HTTPS"
        )
    } else {
        format!(
            "ANYBODY WHO REACHES PORT {port} CAN RUN THESE TOOLS AS THE USER THAT RUNS OMNI; nothing asks who calls"
        )
    }
}

/// The setting by which others than the user who runs omni may call over loopback, if one is set.
fn others_by_setting(arguments: &McpArguments, serve: &ServeSettings, table: &HttpTable) -> Option<String> {
    if let Some(token) = serve.tokens.first() {
        Some(token.written.clone())
    } else if serve.jwt.is_some() {
        Some("`http.jwt` in omni.toml".to_owned())
    } else if arguments.allow_unauthenticated {
        Some("`--allow-unauthenticated`".to_owned())
    } else if !arguments.allow_users.is_empty() {
        Some("`--allow-user`".to_owned())
    } else {
        table.lets_others_in().then(|| "`http.allow_users`".to_owned())
    }
}

/// The first allowed host or origin that may be another machine's: its pages, or a proxy there, may call.
fn others_by_name(hosts: &[String], origins: &[String]) -> Option<String> {
    let foreign = |name: &&String| !names_this_machine(name);
    let host = hosts.iter().find(foreign).map(|host| format!("the allowed host `{host}`"));
    host.or_else(|| origins.iter().find(foreign).map(|origin| format!("the allowed origin `{origin}`")))
}

/// Whether a host, alone or as part of an origin and with a port or without, is this machine under a name that no
/// other one has.
fn names_this_machine(name: &str) -> bool {
    let host = name.split_once("://").map_or(name, |(_, host)| host);
    let host = host.trim_end_matches('/');
    let host = match host.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next().unwrap_or_default(),
        // More than one colon is an IPv6 address.
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or_default(),
        None => host,
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// An address under which others reach a listener: of one on all addresses, that by which this machine would go out.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Nothing is sent: connecting a UDP socket only picks the route. The targets are addresses of documentation.
    let out = |own: &str, target: &str| {
        let socket = UdpSocket::bind((own, 0)).ok()?;
        socket.connect((target, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    let by_ipv4 = || out("0.0.0.0", "192.0.2.1");
    let ip = if address.is_ipv6() { by_ipv4().or_else(|| out("::", "2001:db8::1")) } else { by_ipv4() };
    let loopback =
        if address.is_ipv6() { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]) } else { [127, 0, 0, 1].into() };
    SocketAddr::new(ip.unwrap_or(loopback), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_other_machines_may_have_is_foreign() {
        for own in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.8.8.8:80",
            "::1",
            "[::1]:8000",
            "http://localhost:6274",
            "https://app.localhost/",
            "http://[::1]:5173",
        ] {
            assert!(names_this_machine(own), "{own}");
        }
        for foreign in [
            "example.com",
            "localhost.example.com",
            "10.0.0.1",
            "[2001:db8::1]:80",
            "https://chat.example.com",
            "null",
            "*",
            "",
        ] {
            assert!(!names_this_machine(foreign), "{foreign}");
        }
    }
}
