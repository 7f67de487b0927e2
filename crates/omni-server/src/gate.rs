//! Who may talk to the HTTP server at all: the `Host` and `Origin` checks.
//!
//! A page in a browser can make it send requests to a server on this machine; it cannot choose these two
//! headers. Each is checked by itself, on every route, against exact names.

use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri, Version, header};

/// The names under which this server may be addressed, and the origins whose pages may address it.
#[derive(Clone, Debug)]
pub struct AllowedNames {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// A request that is turned away at the door.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// 400: the headers contradict each other or are not what HTTP allows.
    Malformed(String),
    /// 403, naming the setting that would let it in.
    Forbidden(String),
}

impl AllowedNames {
    /// Lets in the names of this machine's loopback interface, plus `hosts` (a name or address without
    /// port) and `origins` (`https://app.example.com`, with its port where it is not the usual one).
    pub fn new(hosts: &[String], origins: &[String]) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = loopback.into_iter().chain(hosts.iter().map(|host| host.to_ascii_lowercase())).collect();
        AllowedNames { hosts, origins: origins.iter().map(|origin| origin.to_ascii_lowercase()).collect() }
    }

    pub(crate) fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Closed> {
        self.check_host(version, uri, headers)?;
        self.check_origin(headers)
    }

    fn check_host(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Closed> {
        // The absolute form (`POST http://localhost/mcp`) carries the host in the target too; both must be
        // allowed, or a proxy and we could disagree on whom the request is for.
        if let Some(authority) = uri.authority() {
            self.check_authority(authority.as_str())?;
        }
        match single(headers, &header::HOST)? {
            Some(host) => self.check_authority(host),
            None if uri.authority().is_some() || version < Version::HTTP_11 => Ok(()),
            None => Err(Closed::Malformed("the `Host` header is missing".into())),
        }
    }

    fn check_authority(&self, authority: &str) -> Result<(), Closed> {
        let parsed: Option<Authority> = authority.parse().ok().filter(|_| !authority.contains('@'));
        let Some(parsed) = parsed else {
            return Err(Closed::Malformed(format!("`Host: {authority}` is not a host")));
        };
        let host = parsed.host();
        if self.hosts.iter().any(|allowed| host.eq_ignore_ascii_case(allowed)) {
            return Ok(());
        }
        Err(Closed::Forbidden(format!("host `{host}` is not allowed; `--allow-host {host}` would let it in")))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Closed> {
        let Some(origin) = single(headers, &header::ORIGIN)? else { return Ok(()) };
        if self.origins.iter().any(|allowed| origin.eq_ignore_ascii_case(allowed)) {
            return Ok(());
        }
        // Pages that this machine itself serves, whatever their port.
        let local = origin
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .and_then(|(_, authority)| authority.parse::<Authority>().ok())
            .filter(|authority| !authority.as_str().contains('@'))
            .is_some_and(|authority| {
                self.hosts.iter().any(|host| authority.host().eq_ignore_ascii_case(host))
            });
        if local {
            return Ok(());
        }
        Err(Closed::Forbidden(format!(
            "origin `{origin}` is not allowed; `--allow-origin {origin}` would let it in"
        )))
    }
}

/// The value of a header that may stand once.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Closed> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Closed::Malformed(format!("the `{name}` header stands more than once")));
    }
    value.to_str().map(Some).map_err(|_| Closed::Malformed(format!("the `{name}` header is not plain text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), Closed> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        AllowedNames::new(&["mcp.example.com".into()], &["https://app.example.com".into()]).check(
            Version::HTTP_11,
            &uri.parse().unwrap(),
            &map,
        )
    }

    #[test]
    fn hosts_are_compared_whole() {
        for good in ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "MCP.example.com"] {
            assert_eq!(check("/mcp", &[("host", good)]), Ok(()), "{good}");
        }
        for bad in
            ["evil.com", "localhost.evil.com", "evil.com:8000", "127.0.0.1.nip.io", "localhost:80@evil.com"]
        {
            assert!(check("/mcp", &[("host", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_checked_even_when_the_host_is_fine() {
        let host = ("host", "localhost:8000");
        for good in ["http://localhost:6274", "https://127.0.0.1", "https://app.example.com"] {
            assert_eq!(check("/mcp", &[host, ("origin", good)]), Ok(()), "{good}");
        }
        for bad in ["http://evil.com", "null", "https://app.example.com.evil.com", "file://localhost", ""] {
            let closed = check("/mcp", &[host, ("origin", bad)]).expect_err(bad);
            assert!(
                matches!(&closed, Closed::Forbidden(why) if why.contains("--allow-origin")),
                "{bad}: {closed:?}"
            );
        }
    }

    #[test]
    fn missing_repeated_or_contradicting_hosts_are_turned_away() {
        assert!(matches!(check("/mcp", &[]), Err(Closed::Malformed(_))));
        assert!(matches!(
            check("/mcp", &[("host", "localhost"), ("host", "localhost")]),
            Err(Closed::Malformed(_))
        ));
        assert!(matches!(check("http://evil.com/mcp", &[("host", "localhost")]), Err(Closed::Forbidden(_))));
        assert_eq!(check("http://localhost/mcp", &[("host", "localhost")]), Ok(()));
    }
}
