//! Who may talk to the HTTP server at all: the `Host` and `Origin` checks.
//!
//! A page in a browser can make it send requests to a server on this machine; it cannot choose these two
//! headers. Each is checked by itself, on every route, against exact names.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Uri, Version};

use crate::authority::{Authority, Host, Origin};

/// The names under which this server may be addressed, and the origins whose pages may address it.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

/// Why a request is refused before anything else of it is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HostRejection {
    /// 400: the headers contradict each other or are not what HTTP allows.
    Malformed(String),
    /// 403, naming the setting that would let it in.
    Forbidden(String),
}

/// A setting that names no host or no origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedHostError {
    #[error("`{0}` is no name or address of a host; it has no scheme, port or wildcard")]
    Host(String),
    #[error(
        "`{0}` is no origin, which is written like `https://app.example.com` or \
         `http://localhost:3000`, without a path or a wildcard"
    )]
    Origin(String),
}

impl AllowedHosts {
    /// Lets in the names of this machine's loopback interface, plus `hosts` (a name or address without
    /// port) and `origins` (`https://app.example.com`, with its port where it is not the usual one). The address that
    /// a connection was made to needs no mention: nobody else's page can be found under it.
    pub fn new(hosts: &[String], origins: &[String]) -> Result<Self, AllowedHostError> {
        let mut allowed = AllowedHosts {
            hosts: vec![
                Host::Name("localhost".into()),
                Host::Address([127, 0, 0, 1].into()),
                Host::Address([0, 0, 0, 0, 0, 0, 0, 1].into()),
            ],
            origins: Vec::new(),
        };
        for text in hosts {
            // An address of IPv6 is often written without its brackets where there is no port.
            let address = text.parse::<IpAddr>().ok().map(Host::Address);
            let host = address.or_else(|| {
                let authority = Authority::parse(text).filter(|_| !text.ends_with(':'));
                authority
                    .filter(|authority| authority.port.is_none() && !text.contains('*'))
                    .map(|found| found.host)
            });
            allowed.hosts.push(host.ok_or_else(|| AllowedHostError::Host(text.clone()))?);
        }
        for text in origins {
            let origin = Origin::parse(text).filter(|_| !text.contains('*'));
            allowed.origins.push(origin.ok_or_else(|| AllowedHostError::Origin(text.clone()))?);
        }
        Ok(allowed)
    }

    /// Checks a request that came to the address `local` of ours; a Unix socket has none. A proxy in front of one passes on
    /// what browsers send, so the names that are allowed are the same there.
    pub(crate) fn check(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        local: Option<IpAddr>,
    ) -> Result<(), HostRejection> {
        self.check_host(version, uri, headers, local)?;
        self.check_origin(headers)
    }

    /// The origin that a request came from, when its pages may send requests and read what is answered.
    pub(crate) fn reading_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = single(headers, &header::ORIGIN).ok()??;
        self.allows(&Origin::parse(origin)?).then(|| headers.get(header::ORIGIN))?
    }

    fn check_host(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        local: Option<IpAddr>,
    ) -> Result<(), HostRejection> {
        // The absolute form (`POST http://localhost/mcp`) carries the host in the target too; both must be
        // allowed, or a proxy and we could disagree on whom the request is for.
        if let Some(authority) = uri.authority() {
            if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
                return Err(HostRejection::Malformed("the target is no address of HTTP".into()));
            }
            self.check_authority(authority.as_str(), local)?;
        }
        match single(headers, &header::HOST)? {
            Some(host) => self.check_authority(host, local),
            None if uri.authority().is_some() || version < Version::HTTP_11 => Ok(()),
            None => Err(HostRejection::Malformed("the `Host` header is missing".into())),
        }
    }

    fn check_authority(&self, authority: &str, local: Option<IpAddr>) -> Result<(), HostRejection> {
        let Some(Authority { host, .. }) = Authority::parse(authority) else {
            return Err(HostRejection::Malformed(format!("`Host: {}` is not a host", shown(authority))));
        };
        let same =
            |address: &IpAddr| local.is_some_and(|local| address.to_canonical() == local.to_canonical());
        if self.hosts.contains(&host) || matches!(&host, Host::Address(address) if same(address)) {
            return Ok(());
        }
        Err(HostRejection::Forbidden(format!(
            "host `{host}` is not allowed; `--allow-host {host}` would let it in"
        )))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), HostRejection> {
        let Some(text) = single(headers, &header::ORIGIN)? else { return Ok(()) };
        if Origin::parse(text).is_some_and(|origin| self.allows(&origin)) {
            return Ok(());
        }
        let text = shown(text);
        Err(HostRejection::Forbidden(format!(
            "origin `{text}` is not allowed; `--allow-origin {text}` would let it in"
        )))
    }

    /// Also pages that this machine itself serves, whatever their port.
    fn allows(&self, origin: &Origin) -> bool {
        self.origins.contains(origin) || (origin.is_web() && self.hosts.contains(&origin.host))
    }
}

/// As much of a peer's text as a refusal repeats.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(100)]
}

/// The value of a header that may stand once.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, HostRejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(HostRejection::Malformed(format!("the `{name}` header stands more than once")));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| HostRejection::Malformed(format!("the `{name}` header is not plain text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hosts: &[&str], origins: &[&str]) -> Result<AllowedHosts, AllowedHostError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        AllowedHosts::new(&owned(hosts), &owned(origins))
    }

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), HostRejection> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        names(&["mcp.example.com"], &["https://app.example.com", "vscode-webview://abc"]).unwrap().check(
            Version::HTTP_11,
            &uri.parse().unwrap(),
            &map,
            Some([192, 0, 2, 7].into()),
        )
    }

    #[test]
    fn hosts_are_compared_whole() {
        for good in [
            "localhost",
            "localhost:8000",
            "localhost:",
            "127.0.0.1:1",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
            "MCP.example.com",
            "192.0.2.7:8000",
            "[::ffff:192.0.2.7]:8000",
        ] {
            assert_eq!(check("/mcp", &[("host", good)]), Ok(()), "{good}");
        }
        for foreign in [
            "evil.com",
            "localhost.evil.com",
            "localhost.",
            "evil.com:8000",
            "127.0.0.1.nip.io",
            "127.1",
            "0x7f.1",
            "2130706433",
            "127.0.0.01",
            "local%68ost",
            "192.0.2.8",
            "[::2]",
            "localhost,evil.com",
        ] {
            let rejection = check("/mcp", &[("host", foreign)]).expect_err(foreign);
            assert!(
                matches!(&rejection, HostRejection::Forbidden(why) if why.contains("--allow-host")),
                "{rejection:?}"
            );
        }
        for malformed in [
            "",
            "localhost:80@evil.com",
            "evil.com@localhost",
            "localhost:PORT.evil.example",
            "localhost:80.evil.example",
            "[::1].evil.example",
            "[::1%25lo]",
            "localhost:65536",
            "localhost/",
            "localhost, evil.com",
        ] {
            let rejection = check("/mcp", &[("host", malformed)]).expect_err(malformed);
            assert!(matches!(rejection, HostRejection::Malformed(_)), "{malformed}: {rejection:?}");
        }
    }

    #[test]
    fn an_origin_is_checked_even_when_the_host_is_fine() {
        let host = ("host", "localhost:8000");
        for good in [
            "http://localhost:6274",
            "https://127.0.0.1",
            "http://[::1]:3000",
            "https://app.example.com",
            "https://app.example.com:443",
            "HTTPS://APP.example.com",
            "vscode-webview://abc",
        ] {
            assert_eq!(check("/mcp", &[host, ("origin", good)]), Ok(()), "{good}");
        }
        for bad in [
            "http://evil.com",
            "null",
            "https://app.example.com.evil.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com/",
            "file://localhost",
            "vscode-webview://localhost",
            "http://localhost:80.evil.example",
            "http://localhost:PORT.evil.example",
            "http://[::1].evil.example",
            "http://localhost@evil.example",
            "http://localhost http://evil.example",
            "http://192.0.2.7:3000",
            "",
        ] {
            let rejection = check("/mcp", &[host, ("origin", bad)]).expect_err(bad);
            assert!(
                matches!(&rejection, HostRejection::Forbidden(why) if why.contains("--allow-origin")),
                "{bad}: {rejection:?}"
            );
        }
    }

    #[test]
    fn missing_repeated_or_contradicting_hosts_are_turned_away() {
        assert!(matches!(check("/mcp", &[]), Err(HostRejection::Malformed(_))));
        assert!(matches!(
            check("/mcp", &[("host", "localhost"), ("host", "localhost")]),
            Err(HostRejection::Malformed(_))
        ));
        let origin = ("origin", "http://localhost");
        assert!(matches!(
            check("/mcp", &[("host", "localhost"), origin, origin]),
            Err(HostRejection::Malformed(_))
        ));
        let host = [("host", "localhost")];
        assert!(matches!(check("http://evil.com/mcp", &host), Err(HostRejection::Forbidden(_))));
        assert!(matches!(check("http://me@localhost/mcp", &host), Err(HostRejection::Malformed(_))));
        assert!(matches!(check("ftp://localhost/mcp", &host), Err(HostRejection::Malformed(_))));
        assert!(matches!(
            check("http://localhost/mcp", &[("host", "evil.com")]),
            Err(HostRejection::Forbidden(_))
        ));
        assert_eq!(check("http://localhost/mcp", &host), Ok(()));
    }

    #[test]
    fn a_setting_that_could_never_match_is_refused() {
        for wrong in
            ["", "*", "*.example.com", "https://a.example", "a.example:80", "a.example:", "a/b", "a b"]
        {
            assert_eq!(names(&[wrong], &[]).err(), Some(AllowedHostError::Host(wrong.into())), "{wrong}");
        }
        for wrong in
            ["", "*", "null", "a.example", "https://*.example", "https://a.example/", "https://a.example:x"]
        {
            assert_eq!(names(&[], &[wrong]).err(), Some(AllowedHostError::Origin(wrong.into())), "{wrong}");
        }
        assert!(names(&["::1", "[::1]", "10.0.0.1"], &["http://localhost:3000"]).is_ok());
    }
}
