//! How clients reach the server, from flags, environment, `omni.toml` and defaults, in that order.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use omni_call::{shown_line, shown_path};
use omni_server::AllowedHosts;

use super::jwt::{JwtSettings, JwtTable};
use super::settings_file::SettingsFile;
use crate::args::{McpArguments, Transport};
use crate::http_access::HttpTable;
use crate::http_tokens::TokenSource;
use crate::variables;

/// The port that is listened on when nobody says.
const PORT: u16 = 8000;

/// The profile of those whom no other is for.
const DEFAULT: &str = "default";

/// How clients reach the server.
#[derive(Debug)]
pub(crate) struct ServeSettings {
    pub(crate) transport: Transport,
    /// Where, over HTTP.
    pub(crate) at: ListenAt,
    pub(crate) allow_hosts: Vec<String>,
    pub(crate) allow_origins: Vec<String>,
    /// Where the tokens are that requests must have; none: they need none.
    pub(crate) tokens: Vec<TokenSource>,
    /// Whose access tokens are taken besides.
    pub(crate) jwt: Option<JwtSettings>,
}

/// Where a server over HTTP listens.
#[derive(Debug)]
pub(crate) enum ListenAt {
    Port {
        /// An address or a name, without the brackets of IPv6.
        host: WithSource<String>,
        port: u16,
    },
    UnixSocket(WithSource<PathBuf>),
}

/// A value, and how whoever gave it wrote that.
#[derive(Debug)]
pub(crate) struct WithSource<T> {
    pub(crate) value: T,
    pub(crate) written: String,
}

impl ServeSettings {
    /// What a settings file says of it alone.
    ///
    /// # Errors
    ///
    /// As for [`resolve`](Self::resolve).
    pub(super) fn of_file(file: &SettingsFile) -> Result<Self> {
        Self::resolve(&McpArguments::default(), file)
    }

    /// # Errors
    ///
    /// A host, an allowed name or an origin that is none; two places to listen.
    pub(crate) fn resolve(arguments: &McpArguments, file: &SettingsFile) -> Result<Self> {
        let McpArguments { transport, allow_hosts: hosts, allow_origins: origins, http_token, .. } =
            arguments;
        let http = &file.http;
        let at = listen_at(arguments, http)?;
        check(hosts, origins, |flag, _, name| format!("`--{flag} {name}`"))?;
        check(&http.allow_hosts, &http.allow_origins, |_, key, _| format!("`http.{key}` in omni.toml"))?;
        let file_of_all = match (http_token, &http.token_file) {
            (Some(path), _) => Some((path, variables::written("http-token", shown_path(path)))),
            (None, Some(path)) => {
                Some((path, format!("`http.token_file = \"{}\"` in omni.toml", shown_path(path))))
            }
            (None, None) => None,
        };
        let file_of_all = file_of_all.map(|(path, written)| Ok(TokenSource::of_file(path.clone(), written)));
        let named = http.tokens.iter().map(|(name, table)| {
            if let Some(profile) = &table.profile
                && profile != DEFAULT
                && !file.profiles.contains_key(profile)
            {
                bail!(
                    "`http.tokens.{name}.profile = \"{}\"` in omni.toml: there is no `[profiles.{}]`",
                    shown_line(profile),
                    shown_line(profile)
                );
            }
            TokenSource::of_table(name, table)
        });
        let tokens = file_of_all.into_iter().chain(named).collect::<Result<_>>()?;
        let transport = match (&arguments.unix, transport) {
            (Some(path), Some(Transport::Stdio)) => bail!(
                "`--unix {}` is for HTTP, and {} is not; leave one of them out",
                shown_path(path),
                variables::written("transport", "stdio")
            ),
            // Whoever names the socket wants it listened on, whatever a file says.
            (Some(_), _) => Transport::Http,
            (None, said) => said.or(file.transport).unwrap_or(Transport::Stdio),
        };
        let mut profiles = http.jwt.iter().flat_map(JwtTable::profile_names);
        if let Some(profile) = profiles.find(|name| *name != DEFAULT && !file.profiles.contains_key(*name)) {
            let profile = shown_line(profile);
            bail!("`http.jwt.profiles` in omni.toml names `{profile}`: there is no `[profiles.{profile}]`");
        }
        let jwt = http.jwt.as_ref().map(JwtTable::resolve).transpose()?;
        Ok(ServeSettings {
            transport,
            at,
            allow_hosts: hosts.iter().chain(&http.allow_hosts).cloned().collect(),
            allow_origins: origins.iter().chain(&http.allow_origins).cloned().collect(),
            tokens,
            jwt,
        })
    }
}

/// A flag counts before the file: one that names a port leaves its socket alone, and the other way round.
fn listen_at(arguments: &McpArguments, http: &HttpTable) -> Result<ListenAt> {
    let McpArguments { host, port, unix, .. } = arguments;
    let by_flag = match (host, port) {
        (Some(host), _) => Some(variables::written("host", host)),
        (None, Some(port)) => Some(variables::written("port", port)),
        (None, None) => None,
    };
    let by_file = http.host.as_ref().map(|_| "http.host").or(http.port.map(|_| "http.port"));
    match (unix, by_flag, &http.unix, by_file) {
        (Some(path), Some(other), ..) => {
            bail!("`--unix {}` and {other} are two places to listen; leave one of them out", shown_path(path))
        }
        (Some(path), None, ..) => {
            return Ok(ListenAt::UnixSocket(said(path, format!("`--unix {}`", shown_path(path)))));
        }
        (None, None, Some(_), Some(other)) => {
            bail!("`http.unix` and `{other}` in omni.toml are two places to listen; leave one of them out")
        }
        (None, None, Some(path), None) => {
            let written = format!("`http.unix = \"{}\"` in omni.toml", shown_path(path));
            return Ok(ListenAt::UnixSocket(said(path, written)));
        }
        (None, ..) => {}
    }
    let host = match (host, &http.host) {
        (Some(host), _) => WithSource { value: host.to_owned(), written: variables::written("host", host) },
        (None, Some(host)) => {
            WithSource { value: host.clone(), written: format!("`http.host = \"{host}\"` in omni.toml") }
        }
        (None, None) => WithSource { value: "127.0.0.1".to_owned(), written: "127.0.0.1".to_owned() },
    };
    let value = host.value.trim().trim_matches(['[', ']']).to_owned();
    if value.is_empty() {
        bail!("{}: that is no address; 127.0.0.1 is this machine alone", host.written);
    }
    Ok(ListenAt::Port { host: WithSource { value, ..host }, port: port.or(http.port).unwrap_or(PORT) })
}

/// Whether each name is one; `written` says how it was given, from its flag, its key and itself.
fn check(hosts: &[String], origins: &[String], written: impl Fn(&str, &str, &str) -> String) -> Result<()> {
    for name in hosts {
        AllowedHosts::new(std::slice::from_ref(name), &[])
            .with_context(|| written("allow-host", "allow_hosts", name))?;
    }
    for name in origins {
        AllowedHosts::new(&[], std::slice::from_ref(name))
            .with_context(|| written("allow-origin", "allow_origins", name))?;
    }
    Ok(())
}

fn said(path: &Path, written: String) -> WithSource<PathBuf> {
    WithSource { value: path.to_owned(), written }
}
