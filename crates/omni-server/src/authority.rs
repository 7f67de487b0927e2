//! Whom a request is for, and whose page sent it: authorities and origins by their grammar.
//!
//! `localhost:80.evil.example` begins like a name that is allowed and is another one. So a text is read whole, to its last byte, and
//! then compared; nothing is searched for in it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `host [":" port]` (RFC 3986, section 3.2, without user information, which RFC 9110 forbids here).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    /// `None` where none is given, also after a colon: the grammar has that.
    pub(crate) port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// An IP address. `127.1` and `0x7f.1` are names by the grammar, which no host has.
    Address(IpAddr),
    /// A name in lower case.
    Name(Box<str>),
}

/// `scheme "://" host [":" port]`, as a browser writes it (RFC 6454, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In lower case.
    pub(crate) scheme: Box<str>,
    pub(crate) host: Host,
    /// The scheme's own where none is given.
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// `None` for everything that is not an authority by the grammar.
    pub(crate) fn parse(text: &str) -> Option<Authority> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                // Without zones: none is written in an authority that a browser sends, and they mean one host only.
                (Host::Address(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)), rest)
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Host::named(name)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Authority { host, port })
    }
}

impl Host {
    /// A name, or an address of IPv4, by the grammar of `reg-name`.
    fn named(text: &str) -> Option<Host> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
        if text.is_empty() || !text.bytes().all(allowed) {
            return None;
        }
        Some(match text.parse::<Ipv4Addr>() {
            Ok(address) => Host::Address(address.into()),
            Err(_) => Host::Name(text.to_ascii_lowercase().into()),
        })
    }
}

impl Origin {
    /// `None` for everything else, also `null` and a list of origins.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(letters) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let Authority { host, port } = Authority::parse(authority)?;
        if port.is_none() && authority.ends_with(':') {
            return None;
        }
        let usual = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Some(Origin { scheme: scheme.into(), host, port: port.or(usual) })
    }

    /// Whether it is that of web pages.
    pub(crate) fn is_web(&self) -> bool {
        matches!(&*self.scheme, "http" | "https")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(address) => write!(f, "{address}"),
            // What a name may hold needs no escaping, but it can be long.
            Host::Name(name) => f.write_str(&name[..name.len().min(100)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_read_whole_or_not_at_all() {
        let read = |text: &str| Authority::parse(text).map(|read| (read.host.to_string(), read.port));
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("LocalHost:8000", "localhost", Some(8000)),
            ("localhost:", "localhost", None),
            ("localhost:00080", "localhost", Some(80)),
            ("localhost.", "localhost.", None),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("127.1:1", "127.1", Some(1)),
            ("0x7f.1", "0x7f.1", None),
            ("local%68ost", "local%68ost", None),
            ("[::1]:65535", "[::1]", Some(65535)),
            ("[0:0:0:0:0:0:0:1]", "[::1]", None),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]", Some(1)),
        ] {
            assert_eq!(read(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            ":",
            ":80",
            "localhost:80.evil.example",
            "localhost:PORT.evil.example",
            "localhost:8000:80",
            "localhost:65536",
            "localhost:99999999999999999999",
            "localhost:-1",
            "localhost:+1",
            "localhost: 80",
            "localhost:80/",
            "localhost/",
            "localhost?",
            "localhost#",
            "localhost\\",
            "me@localhost",
            "localhost@evil.example",
            "[::1].evil.example",
            "[::1]80",
            "[::1",
            "::1",
            "::1:80",
            "[]",
            "[127.0.0.1]",
            "[::1%lo]",
            "[::1%25lo]",
            "[fe80::1%eth0]:80",
            "[v1.a]",
            "localhost evil",
            "localhost\t",
            "löcalhost",
            "localhost\0",
            "localhost:٣",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_an_authority_and_nothing_else() {
        let read =
            |text: &str| Origin::parse(text).map(|read| (read.scheme, read.host.to_string(), read.port));
        assert_eq!(read("http://LOCALHOST"), Some(("http".into(), "localhost".into(), Some(80))));
        assert_eq!(read("HTTPS://a.b:444"), Some(("https".into(), "a.b".into(), Some(444))));
        assert_eq!(read("vscode-webview://abc"), Some(("vscode-webview".into(), "abc".into(), None)));
        for text in [
            "null",
            "",
            "localhost",
            "//localhost",
            "://localhost",
            "http:/localhost",
            "http://",
            "http://localhost/",
            "http://localhost:",
            "http://localhost:80.evil.example",
            "http://[::1].evil.example",
            "http://a@localhost",
            "http://localhost http://evil.example",
            "http://localhost,http://evil.example/",
            "1http://a",
            "http ://a",
            "http://localhost:65536",
            "http://localhost?x",
            "http://localhost#x",
            "http://http://localhost",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
