//! How clients reach the server, from flags, environment, `omni.toml` and defaults, in that order.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use omni_call::shown_path;
use omni_server::AllowedHosts;

use super::settings_file::SettingsFile;
use crate::args::{McpArguments, Transport};
use crate::variables;

/// The port that is listened on when nobody says.
const PORT: u16 = 8000;

/// How clients reach the server.
#[derive(Debug)]
pub(crate) struct ServeSettings {
    pub(crate) transport: Transport,
    /// An address or a name, without the brackets of IPv6.
    pub(crate) host: WithSource<String>,
    pub(crate) port: u16,
    pub(crate) allow_hosts: Vec<String>,
    pub(crate) allow_origins: Vec<String>,
    /// The private file of tokens.
    pub(crate) token: Option<WithSource<PathBuf>>,
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
        let nobody: [&[String]; 2] = [&[], &[]];
        Self::from(None, None, None, nobody, None, file)
    }

    /// # Errors
    ///
    /// A host, an allowed name or an origin that is none.
    pub(crate) fn resolve(arguments: &McpArguments, file: &SettingsFile) -> Result<Self> {
        let McpArguments { transport, host, port, allow_hosts, allow_origins, http_token, .. } = arguments;
        Self::from(
            *transport,
            host.as_deref(),
            *port,
            [allow_hosts, allow_origins],
            http_token.as_deref(),
            file,
        )
    }

    fn from(
        transport: Option<Transport>,
        host: Option<&str>,
        port: Option<u16>,
        [hosts, origins]: [&[String]; 2],
        token: Option<&Path>,
        file: &SettingsFile,
    ) -> Result<Self> {
        let http = &file.http;
        let host = match (host, &http.host) {
            (Some(host), _) => {
                WithSource { value: host.to_owned(), written: variables::written("host", host) }
            }
            (None, Some(host)) => {
                WithSource { value: host.clone(), written: format!("`http.host = \"{host}\"` in omni.toml") }
            }
            (None, None) => WithSource { value: "127.0.0.1".to_owned(), written: "127.0.0.1".to_owned() },
        };
        let value = host.value.trim().trim_matches(['[', ']']).to_owned();
        check(hosts, origins, |flag, _, name| format!("`--{flag} {name}`"))?;
        check(&http.allow_hosts, &http.allow_origins, |_, key, _| format!("`http.{key}` in omni.toml"))?;
        if value.is_empty() {
            bail!("{}: that is no address; 127.0.0.1 is this machine alone", host.written);
        }
        let token = match (token, &http.token_file) {
            (Some(path), _) => Some(said(path, variables::written("http-token", shown_path(path)))),
            (None, Some(path)) => {
                Some(said(path, format!("`http.token_file = \"{}\"` in omni.toml", shown_path(path))))
            }
            (None, None) => None,
        };
        Ok(ServeSettings {
            transport: transport.or(file.transport).unwrap_or(Transport::Stdio),
            host: WithSource { value, ..host },
            port: port.or(http.port).unwrap_or(PORT),
            allow_hosts: hosts.iter().chain(&http.allow_hosts).cloned().collect(),
            allow_origins: origins.iter().chain(&http.allow_origins).cloned().collect(),
            token,
        })
    }
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
