//! Where an MCP server is, as people write it: an address, or the command that starts one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::command_line::{self, CommandLineError};

/// An MCP server: `http://host:port/path`, or a command line that speaks MCP over its standard input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    Http(HttpAddress),
    /// The program and its arguments; at least one word.
    Command(Vec<String>),
}

/// The address of a server over Streamable HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    pub(super) host: String,
    pub(super) port: u16,
    /// With its query; begins with `/`.
    pub(super) path: String,
}

/// Why a text is neither.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServerAddressError {
    #[error("`{text}` is no address of a server: {why}; write `http://127.0.0.1:8000/mcp`")]
    Address { text: String, why: &'static str },
    #[error(
        "`{text}` is reached by TLS, which omni does not speak as a client; put a proxy that does before it on this \
         machine and name that one's `http://` address, or name a command that connects there"
    )]
    Tls { text: String },
    #[error("`{text}` cannot be cut into the words of a command: {why}")]
    Command { text: String, why: CommandLineError },
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        let text = text.trim();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let scheme = scheme.filter(|scheme| scheme.chars().all(|sign| sign.is_ascii_alphanumeric()));
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http") => http(text).map(ServerAddress::Http),
            Some("https") => Err(ServerAddressError::Tls { text: without_secrets(text) }),
            Some(_) => Err(wrong(text, "it begins with no `http://`")),
            None => command_line::split(text)
                .map(ServerAddress::Command)
                .map_err(|why| ServerAddressError::Command { text: text.to_owned(), why }),
        }
    }
}

fn wrong(text: &str, why: &'static str) -> ServerAddressError {
    ServerAddressError::Address { text: without_secrets(text), why }
}

/// The address without the name and password in it: messages end in logs.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{path}"),
        None => text.to_owned(),
    }
}

/// The address that somebody may have meant whose text was taken for a command: `localhost:8000/mcp`, `http:/host`.
pub(super) fn meant(command: &str) -> Option<String> {
    let rest = command.strip_prefix("http:").or_else(|| command.strip_prefix("https:")).unwrap_or(command);
    let (rest, has_scheme) = (rest.trim_start_matches('/'), rest.len() < command.len());
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|sign| sign.is_ascii_digit())
    });
    let address = format!("http://{rest}{}", if authority == rest { "/mcp" } else { "" });
    (has_scheme || has_port).then(|| http(&address).ok()).flatten().map(|_| address)
}

fn http(text: &str) -> Result<HttpAddress, ServerAddressError> {
    let wrong = |why| wrong(text, why);
    let rest = &text["http://".len()..];
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("it holds a character that no address may; such are written as `%20`"));
    }
    if rest.contains('#') {
        return Err(wrong("a part behind `#` is never sent"));
    }
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.contains('@') {
        return Err(wrong("who you are does not stand in it: `--server-token FILE` holds a token"));
    }
    // An IPv6 address has colons of its own and stands in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| wrong("the port is no number up to 65535"))?)
        }
        _ => (authority, 80),
    };
    let host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').filter(|address| address.contains(':')),
        None => Some(host).filter(|host| !host.contains([':', '[', ']'])),
    };
    let Some(host) = host.filter(|host| !host.is_empty() && port != 0) else {
        return Err(wrong("a host and a port above 0 are needed"));
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(HttpAddress { host: host.to_owned(), port, path })
}

impl HttpAddress {
    /// What a request's `Host` says.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The same server at another path.
    pub(super) fn at(&self, path: &str) -> HttpAddress {
        HttpAddress { path: path.to_owned(), ..self.clone() }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Http(address) => address.fmt(f),
            ServerAddress::Command(words) => f.write_str(&command_line::join(words)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_commands_are_told_apart() {
        for (text, shown) in [
            ("http://127.0.0.1:8787/mcp", "http://127.0.0.1:8787/mcp"),
            ("HTTP://localhost/mcp?key=1", "http://localhost:80/mcp?key=1"),
            ("http://[::1]:9000", "http://[::1]:9000/"),
            ("http://host?x=1", "http://host:80/?x=1"),
        ] {
            let address = text.parse::<ServerAddress>().expect(text);
            assert!(matches!(address, ServerAddress::Http(_)), "{text}");
            assert_eq!(address.to_string(), shown);
        }
        for text in ["npx -y some-server", "./server", "python -m x --url http://a/b"] {
            let address = text.parse::<ServerAddress>().expect(text);
            assert!(matches!(address, ServerAddress::Command(_)), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_server_is_told_why() {
        for (text, why) in [
            ("https://host/mcp", "TLS"),
            ("ws://host/mcp", "no `http://`"),
            ("http://me:secret@host/mcp", "`http://…@host/mcp` is no address"),
            ("http://me:secret@host/mcp", "--server-token"),
            ("http://me:secret@host/mcp#top", "`http://…@host/mcp#top`"),
            ("https://me:secret@host?a=b@c", "`https://…@host?a=b@c`"),
            ("http://host:99999/", "65535"),
            ("http://host:0/", "above 0"),
            ("http:///mcp", "a host"),
            ("http://[::1/mcp", "a host"),
            ("http://host/a b", "%20"),
            ("http://host/mcp#top", "#"),
            ("npx 'some", "the quote ' at character 5 has no end"),
            ("a | b", "no shell runs"),
            ("~/server", "`~` at character 1"),
            ("TOKEN=a server", "write `env TOKEN=… COMMAND`"),
            ("", "no words"),
        ] {
            let error = text.parse::<ServerAddress>().expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_without_its_beginning_is_guessed_and_a_command_is_not() {
        for (text, address) in [
            ("localhost:8000", "http://localhost:8000/mcp"),
            ("127.0.0.1:8000/mcp", "http://127.0.0.1:8000/mcp"),
            ("http:/127.0.0.1/mcp", "http://127.0.0.1/mcp"),
            ("http:host", "http://host/mcp"),
        ] {
            assert_eq!(meant(text).as_deref(), Some(address), "{text}");
        }
        for text in [
            "server",
            "./server",
            "npx some:thing",
            "host/mcp",
            "a:b",
            ":80",
            "unix:/run/x",
            "localhost:99999",
        ] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
