//! What must hold of any bytes that a client sends to a transport: run over its corpus by the tests, and by a fuzzer
//! by hand.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt as _;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Uri, Version};
use tokio::io::{AsyncRead, ReadBuf};

use crate::header_match::check_standard;
use crate::host_check::AllowedHosts;
use crate::transport::line_reader::{FramedLine, LineReader};

/// Small enough that an input trips it.
const LINE_BYTES_MAX: usize = 1_000;

/// A stream of lines, cut as its first byte says: the same lines however they arrive, and all bytes of those that
/// are not too long.
pub fn lines(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, 1 + usize::from(*size));
    assert_eq!(whole.len(), pieces.len());
    for (whole, piece) in whole.iter().zip(&pieces) {
        match (whole, piece) {
            // How much of it was kept for its id depends on where it was cut.
            (FramedLine::TooLong(_), FramedLine::TooLong(_)) => {}
            (whole, piece) => assert_eq!(whole, piece),
        }
    }
    let expected = bytes.split(|byte| *byte == b'\n').filter(|line| {
        // A line of white space alone is nothing, but is counted where it is too long to be looked at.
        line.len() > LINE_BYTES_MAX || !line.trim_ascii().is_empty()
    });
    for (line, expected) in whole.iter().zip(expected) {
        match line {
            FramedLine::Whole(line) => assert_eq!(line, expected),
            FramedLine::TooLong(start) => {
                assert!(expected.starts_with(start) && expected.len() > LINE_BYTES_MAX)
            }
        }
    }
}

fn read(bytes: &[u8], size: usize) -> Vec<FramedLine> {
    let mut lines = LineReader::new(Pieces { left: bytes, size }, LINE_BYTES_MAX);
    let mut all = Vec::new();
    // Every piece is there at once, so no read waits.
    while let Some(line) = lines.next().now_or_never().expect("it is there").expect("it can be read") {
        all.push(line);
    }
    all
}

/// A reader that gives so many bytes a read.
struct Pieces<'a> {
    left: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (piece, left) = self.left.split_at(self.size.min(self.left.len()).min(buffer.remaining()));
        buffer.put_slice(piece);
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

/// The head of a request, a header a line, and behind an empty line the name that its body holds: whoever is let in
/// named this machine, and a name that is taken stands in one header, plainly or in base64.
pub fn http_head(input: &[u8]) {
    let (head, name) = match memchr::memmem::find(input, b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &b"x"[..]),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (key, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(key), Ok(value)) = (HeaderName::from_bytes(key), HeaderValue::from_bytes(value)) {
            headers.append(key, value);
        }
    }
    let only = |key: &str| {
        let mut values = headers.get_all(key).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        first.filter(|_| values.next().is_none())
    };
    let names = AllowedHosts::new(&[], &[]).expect("no name is a bad one");
    let local = Some([127, 0, 0, 1].into());
    if names.check(Version::HTTP_11, &Uri::from_static("/mcp"), &headers, local).is_ok() {
        assert!(is_ours(only("host").expect("one host")), "{headers:?}");
        if headers.contains_key("origin") {
            let origin = only("origin").expect("one origin");
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            assert!(authority.is_some_and(is_ours), "{origin}");
        }
    }
    let name = String::from_utf8_lossy(name);
    if check_standard(&headers, "2026-07-28", "tools/call", Some(&name)).is_ok() {
        assert_eq!(only("mcp-method").map(str::trim_ascii), Some("tools/call"));
        let sent = only("mcp-name").expect("one name").trim_ascii();
        let code = sent.strip_prefix("=?base64?").and_then(|code| code.strip_suffix("?="));
        match code {
            Some(code) => assert_eq!(BASE64_STANDARD.decode(code).ok().as_deref(), Some(name.as_bytes())),
            None => assert_eq!(sent, name),
        }
    }
}

/// Whether an authority is a name or an address of this machine, with a port or without: said without our parser.
fn is_ours(authority: &str) -> bool {
    let authority = authority.trim_ascii().to_ascii_lowercase();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => authority.split_once(':').map_or((&*authority, None), |(host, port)| (host, Some(port))),
    };
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port && (host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    #[test]
    fn any_stream_is_cut_into_the_same_lines_however_it_arrives() {
        let long = "x".repeat(super::LINE_BYTES_MAX);
        let words = &["\n", "\r\n", "\n\n", " ", "{\"id\":1}", long.as_str()];
        Target { name: "lines", words, seeds: &[], run: super::lines }.check();
    }

    #[test]
    fn any_head_is_held_to_its_body_and_to_our_names() {
        let words = &[
            "host: localhost\n",
            "host: 127.0.0.1:8787\n",
            "host: [::1]:80\n",
            "origin: http://localhost:3000\n",
            "origin: null\n",
            "mcp-protocol-version: 2026-07-28\n",
            "mcp-method: tools/call\n",
            "mcp-name: ",
            "=?base64?",
            "?=",
            "bm90ZXM=",
            "localhost",
            ".evil.example",
            "@",
            ":",
            "[",
            "]",
            "%",
            "0x7f.1",
            "::ffff:127.0.0.1",
            "2130706433",
            "\t",
            "\n\n",
        ];
        Target { name: "http_head", words, seeds: &[], run: super::http_head }.check();
    }
}
