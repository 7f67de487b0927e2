//! Bearer tokens (RFC 6750) that let a caller in, whoever it is.

use std::sync::Arc;

use blake3::Hash;
use hyper::HeaderMap;
use hyper::header;

use crate::host_check::{HostRejection, single};

/// Shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 1024;

/// The tokens that a server knows. Only their digests are kept.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<KnownToken>);

#[derive(Clone)]
struct KnownToken {
    digest: Hash,
    /// Names whoever has the token, and tells nothing of it.
    principal: Arc<str>,
}

impl std::fmt::Debug for KnownToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("token")
    }
}

/// Why a text holds no tokens. Says where, and never what stands there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it holds no token; `openssl rand -hex 32` makes one")]
    Empty,
    #[error(
        "line {line} is no token: a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} of A-Z a-z 0-9 - . _ ~ + / and `=` at its end"
    )]
    NoToken { line: usize },
    #[error("line {line} holds the same token as a line before it")]
    Twice { line: usize },
}

/// Why a request has no principal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unauthorized {
    /// It carries no bearer token.
    Missing,
    /// Nobody has been given that one.
    Unknown,
    /// The header stands twice or is no text.
    Malformed(String),
}

impl Tokens {
    /// Reads one token a line; empty lines mean nothing.
    pub fn read(text: &str) -> Result<Self, TokenError> {
        let mut known: Vec<KnownToken> = Vec::new();
        for (at, token) in text.lines().map(str::trim).enumerate().filter(|(_, token)| !token.is_empty()) {
            let line = at + 1;
            if !is_token(token) || !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
                return Err(TokenError::NoToken { line });
            }
            let digest = blake3::hash(token.as_bytes());
            if known.iter().any(|other| other.digest == digest) {
                return Err(TokenError::Twice { line });
            }
            let name = blake3::derive_key("omni: the principal of a bearer token, 2026", token.as_bytes());
            let name: String = name[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            known.push(KnownToken { digest, principal: name.into() });
        }
        if known.is_empty() { Err(TokenError::Empty) } else { Ok(Tokens(known)) }
    }

    /// The principal whose token a request's `Authorization` holds.
    pub(crate) fn principal(&self, headers: &HeaderMap) -> Result<Arc<str>, Unauthorized> {
        let value = match single(headers, &header::AUTHORIZATION) {
            Ok(Some(value)) => value,
            Ok(None) => return Err(Unauthorized::Missing),
            Err(HostRejection::Malformed(why) | HostRejection::Forbidden(why)) => {
                return Err(Unauthorized::Malformed(why));
            }
        };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_matches(' '),
            _ => return Err(Unauthorized::Missing),
        };
        // Digests are compared, in a time that does not depend on them, and all of them.
        let digest = blake3::hash(token.as_bytes());
        let found =
            self.0.iter().fold(None, |found, known| if known.digest == digest { Some(known) } else { found });
        found.map(|known| known.principal.clone()).ok_or(Unauthorized::Unknown)
    }
}

/// `b64token` of RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "ABCDEFGHIJKLMNOP-._~+/==";

    fn ask(values: &[&str]) -> Result<Arc<str>, Unauthorized> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        Tokens::read(&format!("{ONE}\r\n\n  {OTHER}\n")).unwrap().principal(&headers)
    }

    #[test]
    fn a_token_is_known_whatever_the_case_of_its_scheme_and_two_are_two_principals() {
        let one = ask(&[&format!("Bearer {ONE}")]).unwrap();
        for spelled in ["bearer ", "BEARER ", "bEaReR   "] {
            assert_eq!(ask(&[&format!("{spelled}{ONE}")]), Ok(one.clone()));
        }
        assert_ne!(ask(&[&format!("Bearer {OTHER}")]).unwrap(), one);
        assert!(!one.contains(ONE));
    }

    #[test]
    fn anything_else_is_nobody() {
        for (value, expected) in [
            (format!("Bearer {ONE}0"), Unauthorized::Unknown),
            (format!("Bearer {}", &ONE[1..]), Unauthorized::Unknown),
            (format!("Bearer {}", ONE.to_uppercase()), Unauthorized::Unknown),
            (format!("Bearer {ONE},{OTHER}"), Unauthorized::Unknown),
            ("Bearer ".into(), Unauthorized::Unknown),
            ("Bearer".into(), Unauthorized::Missing),
            (format!("Basic {ONE}"), Unauthorized::Missing),
            (ONE.into(), Unauthorized::Missing),
            (String::new(), Unauthorized::Missing),
        ] {
            assert_eq!(ask(&[&value]), Err(expected), "{value}");
        }
        assert_eq!(ask(&[]), Err(Unauthorized::Missing));
        let good = format!("Bearer {ONE}");
        assert!(matches!(ask(&[&good, &good]), Err(Unauthorized::Malformed(_))));
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_by_its_line_and_never_shown() {
        for (text, expected) in [
            ("", TokenError::Empty),
            ("\n \r\n", TokenError::Empty),
            ("short", TokenError::NoToken { line: 1 }),
            ("0123456789abcdef\nwith a blank in it", TokenError::NoToken { line: 2 }),
            ("================", TokenError::NoToken { line: 1 }),
            ("0123456789=abcdef", TokenError::NoToken { line: 1 }),
            ("# a remark, sixteen", TokenError::NoToken { line: 1 }),
            ("0123456789abcdef\n\n0123456789abcdef", TokenError::Twice { line: 3 }),
        ] {
            let error = Tokens::read(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
        }
        assert_eq!(format!("{:?}", Tokens::read(ONE).unwrap()), "Tokens([token])");
    }
}
