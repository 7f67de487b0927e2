//! Who listens where omni was to listen, for the sentence that says so.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use omni_call::shown_line;
use serde::Deserialize;

/// A program that does not answer is not waited for: it is only asked for the sake of a message.
const PATIENCE: Duration = Duration::from_secs(1);

/// As much of an answer as is read.
const ANSWER_BYTES_MAX: usize = 8 << 10;

/// As much as is repeated of what a program says of itself.
const CHARS_MAX: usize = 60;

/// What listens there, as far as it tells.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Occupant {
    /// `omni 0.1.0`, `omni runner 0.1.0`, or the name of a process.
    name: Option<String>,
    process: Option<i32>,
}

impl Occupant {
    /// Asks whoever listens on one of the addresses. `None` where nothing can be known.
    pub(super) fn of_port(addresses: &[SocketAddr]) -> Option<Occupant> {
        let mut streams = addresses.iter().filter_map(|to| TcpStream::connect_timeout(to, PATIENCE).ok());
        let stream = streams.next()?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .ok()?;
        asked(stream)
    }

    /// Asks whoever has listened on a Unix socket; `stream` is a connection to it. The kernel names the process, also where
    /// it is none of omni's. Needs a tokio runtime.
    pub(super) fn of_unix(stream: UnixStream) -> Option<Occupant> {
        stream.set_nonblocking(true).ok()?;
        let stream = tokio::net::UnixStream::from_std(stream).ok()?;
        // Of a connection's other end the kernel shows the process that began to listen.
        let process = stream.peer_cred().ok().and_then(|found| found.pid());
        let stream = stream.into_std().ok()?;
        stream.set_nonblocking(false).ok()?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .ok()?;
        let found = asked(stream).unwrap_or_default();
        let process = process.or(found.process);
        let name = found.name.or_else(|| {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", process?)).ok()?;
            Some(format!("`{}`", cut(name.trim())))
        });
        (name.is_some() || process.is_some()).then_some(Occupant { name, process })
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.process) {
            (Some(name), Some(process)) => write!(formatter, "{name} (process {process})"),
            (Some(name), None) => formatter.write_str(name),
            (None, Some(process)) => write!(formatter, "process {process}"),
            (None, None) => formatter.write_str("another program"),
        }
    }
}

/// What `GET /health` says, of a server and of a runner.
#[derive(Debug, Deserialize)]
struct Health {
    /// `omni`, of a server.
    name: Option<String>,
    /// Of a server, where it tells this to whoever asks.
    version: Option<String>,
    /// `omni 0.1.0`, of a runner.
    runner: Option<String>,
    pid: Option<i32>,
}

/// What omni's answer says of it; `None` where something else answers, or nothing.
fn asked(mut stream: impl Read + Write) -> Option<Occupant> {
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let (mut answer, mut part) = (Vec::new(), [0; 1024]);
    let until = Instant::now() + PATIENCE;
    while answer.len() < ANSWER_BYTES_MAX && Instant::now() < until {
        match stream.read(&mut part) {
            Ok(length @ 1..) => answer.extend_from_slice(&part[..length]),
            Ok(0) | Err(_) => break,
        }
    }
    told(&String::from_utf8_lossy(&answer))
}

fn told(answer: &str) -> Option<Occupant> {
    let (_head, body) = answer.split_once("\r\n\r\n")?;
    let health: Health = serde_json::from_str(body.trim()).ok()?;
    let name = match (health.name.as_deref(), health.version, health.runner) {
        (Some("omni"), Some(version), _) => cut(&format!("omni {version}")),
        (Some("omni"), None, _) => "omni".to_owned(),
        (_, _, Some(runner)) if runner.starts_with("omni ") => {
            cut(&runner.replacen("omni", "omni runner", 1))
        }
        _ => return None,
    };
    Some(Occupant { name: Some(name), process: health.pid })
}

fn cut(text: &str) -> String {
    let text: String = text.chars().take(CHARS_MAX).collect();
    shown_line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_omni_says_of_itself_is_told_and_what_others_say_is_not() {
        let answer = |body: &str| told(&format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}"));
        let shown = |body: &str| answer(body).map(|found| found.to_string());
        let server = r#"{"name":"omni","status":"ok","version":"0.1.0","pid":7}"#;
        assert_eq!(shown(server).as_deref(), Some("omni 0.1.0 (process 7)"));
        assert_eq!(
            shown(r#"{"runner":"omni 0.1.0","pid":7}"#).as_deref(),
            Some("omni runner 0.1.0 (process 7)")
        );
        assert_eq!(shown(r#"{"name":"omni"}"#).as_deref(), Some("omni"));
        let escape = shown(r#"{"name":"omni","version":"\u001b[31m"}"#).unwrap();
        assert!(!escape.contains('\u{1b}'), "{escape}");
        for other in ["", "no", "[]", r#"{"status":"ok"}"#, r#"{"name":"other"}"#, r#"{"name":7}"#] {
            assert_eq!(answer(other), None, "{other}");
        }
        assert_eq!(told("SSH-2.0-OpenSSH\r\n"), None);
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_costs_a_second_and_a_unix_socket_has_a_process() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(Occupant::of_port(&[port.local_addr().unwrap()]), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let found = Occupant::of_unix(UnixStream::connect(&path).unwrap()).unwrap();
        assert_eq!(found.process, Some(std::process::id().cast_signed()));
        assert!(found.name.is_some(), "the kernel knows the name of each process");
    }
}
