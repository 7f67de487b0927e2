//! Where a runner listens, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The address of a runner: `unix:/path` or `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerAddress(pub(crate) RunnerEndpoint);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunnerEndpoint {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

/// Why a text is no address of a runner.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no address of a runner: {why}; write `unix:/path/to/socket` or `http://127.0.0.1:9000`")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

impl FromStr for RunnerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |why| AddressError { text: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is how others write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(wrong("the path of a socket must be absolute"));
            }
            return Ok(RunnerAddress(RunnerEndpoint::Unix(path.into())));
        }
        if text.starts_with("https:") {
            return Err(wrong("a runner has no TLS"));
        }
        let Some(authority) = text.strip_prefix("http://") else {
            return Err(wrong("it begins with neither `unix:` nor `http://`"));
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong("nothing may follow the port, and nothing stand before the host"));
        }
        // An IPv6 address has colons of its own and stands in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number up to 65535"))?)
            }
            _ => (authority, 80),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || port == 0 {
            return Err(wrong("a host and a port above 0 are needed"));
        }
        Ok(RunnerAddress(RunnerEndpoint::Tcp { host: host.to_owned(), port }))
    }
}

impl RunnerAddress {
    /// What a request's `Host` says.
    pub(super) fn host(&self) -> String {
        match &self.0 {
            RunnerEndpoint::Unix(_) => "localhost".to_owned(),
            RunnerEndpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            RunnerEndpoint::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for RunnerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            RunnerEndpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            RunnerEndpoint::Tcp { .. } => write!(f, "http://{}", self.host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("unix:/run/omni.sock", "unix:/run/omni.sock"),
            ("unix:///run/omni.sock", "unix:/run/omni.sock"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://localhost:9000/", "http://localhost:9000"),
            ("http://runner", "http://runner:80"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(
                text.parse::<RunnerAddress>().map(|address| address.to_string()).as_deref(),
                Ok(shown)
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, why) in [
            ("/run/omni.sock", "neither"),
            ("unix:omni.sock", "absolute"),
            ("https://runner", "TLS"),
            ("http://runner:9000/run_tool", "nothing may follow"),
            ("http://me@runner", "nothing stand before"),
            ("http://runner:99999", "65535"),
            ("http://:80", "a host"),
            ("http://runner:0", "above 0"),
        ] {
            let error = text.parse::<RunnerAddress>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("unix:/path"), "{error}");
        }
    }
}
