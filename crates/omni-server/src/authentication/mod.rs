//! Who sends a request, as its credentials say: the only place where they are looked at.
//!
//! A request carries one bearer token (RFC 6750, section 2.1). Each verifier is asked in turn whether it is one of its
//! own; the first that knows it gives the [`Identity`], to which everything that the request leaves behind is bound. What
//! none of them knows is refused, with a challenge that tells a client what to bring.

mod bearer_tokens;
mod identity;
mod issuer_keys;
mod jwt;
mod refusal;
mod resource_metadata;

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{self, HeaderValue};

use crate::host_check::{HostRejection, single};

pub use bearer_tokens::{BearerTokens, TokenError, TokenHolder, TokenListChange, Tokens};
pub(crate) use identity::Identity;
pub use issuer_keys::{KeyRefresh, KeySetSource};
pub use jwt::{ClaimProfile, ClaimTest, JwtRules, JwtVerifier};
pub use refusal::Challenge;
pub(crate) use refusal::Refusal;
pub use resource_metadata::ResourceMetadata;

/// The credentials that a server takes, and what it tells those who bring others. Without a verifier nobody is let in.
#[derive(Debug, Default)]
pub struct Authentication {
    /// In the order in which they are asked.
    verifiers: Vec<Verifier>,
    challenge: Challenge,
    metadata: Option<ResourceMetadata>,
}

/// One kind of credentials.
#[derive(Debug)]
enum Verifier {
    Tokens(Arc<BearerTokens>),
    Jwt(Arc<JwtVerifier>),
}

/// What a verifier says of a bearer token.
#[derive(Debug)]
enum Verdict {
    Known(Arc<Identity>),
    /// It is not of this verifier's kind; another one may know it.
    NotMine,
    /// It is of this verifier's kind, and not good.
    Refused(Refusal),
}

impl Authentication {
    /// Lets in whoever has one of these tokens, which may be replaced meanwhile.
    pub fn with_tokens(mut self, tokens: Arc<BearerTokens>) -> Self {
        self.verifiers.push(Verifier::Tokens(tokens));
        self
    }

    /// Lets in whoever has an access token of an issuer. Tokens that were handed out are looked at first.
    pub fn with_jwt(mut self, verifier: Arc<JwtVerifier>) -> Self {
        self.verifiers.push(Verifier::Jwt(verifier));
        self
    }

    /// Tells clients, without asking who they are, whose tokens are taken.
    pub fn with_metadata(mut self, metadata: ResourceMetadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// What is told to those who are refused. Default: no more than that a bearer token is wanted.
    pub fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = challenge;
        self
    }

    /// Who has sent a request with these headers. May wait for a verifier that has to fetch something; dropping the
    /// future gives that up.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Refusal> {
        let bearer = bearer(headers)?;
        for verifier in &self.verifiers {
            match verifier.verify(bearer).await {
                Verdict::Known(identity) => return Ok(identity),
                Verdict::NotMine => {}
                Verdict::Refused(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::Invalid("nobody has been given this bearer token, or it was taken back".into()))
    }

    /// The document at a path of this server that tells whose tokens are taken, if there is one.
    pub(crate) fn metadata_at(&self, path: &str) -> Option<Bytes> {
        self.metadata.as_ref()?.at(path)
    }

    /// The value of `WWW-Authenticate` for a refusal; `None` where none belongs.
    pub(crate) fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        self.challenge.header(refusal)
    }
}

impl Verifier {
    async fn verify(&self, bearer: &str) -> Verdict {
        match self {
            Verifier::Jwt(verifier) if JwtVerifier::is_token(bearer) => {
                verifier.verify(bearer).await.map_or_else(Verdict::Refused, Verdict::Known)
            }
            Verifier::Jwt(_) => Verdict::NotMine,
            Verifier::Tokens(tokens) => tokens.find(bearer).map_or(Verdict::NotMine, Verdict::Known),
        }
    }
}

/// The bearer token of a request. `Authorization` must stand once; its scheme is read in any case (RFC 9110, section
/// 11.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = match single(headers, &header::AUTHORIZATION) {
        Ok(Some(value)) => value,
        Ok(None) => return Err(Refusal::Missing),
        Err(HostRejection::Malformed(why) | HostRejection::Forbidden(why)) => {
            return Err(Refusal::Malformed(why));
        }
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_matches(' ')),
        _ => Err(Refusal::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Principal;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "ABCDEFGHIJKLMNOP-._~+/==";

    async fn ask(values: &[&str]) -> Result<Principal, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let tokens = Tokens::read(&format!("{ONE}\r\n\n  {OTHER}\n")).unwrap();
        let tokens = BearerTokens::new(vec![(TokenHolder::default(), tokens)]).unwrap();
        let authentication = Authentication::default().with_tokens(Arc::new(tokens));
        authentication.identify(&headers).await.map(|identity| identity.principal.clone())
    }

    #[tokio::test]
    async fn a_token_is_known_whatever_the_case_of_its_scheme_and_two_are_two_principals() {
        let one = ask(&[&format!("Bearer {ONE}")]).await.unwrap();
        for spelled in ["bearer ", "BEARER ", "bEaReR   "] {
            assert_eq!(ask(&[&format!("{spelled}{ONE}")]).await.unwrap(), one);
        }
        assert_ne!(ask(&[&format!("Bearer {OTHER}")]).await.unwrap(), one);
        assert!(!format!("{one:?}").contains(ONE));
    }

    #[tokio::test]
    async fn anything_else_is_nobody() {
        for (value, invalid) in [
            (format!("Bearer {ONE}0"), true),
            (format!("Bearer {}", &ONE[1..]), true),
            (format!("Bearer {}", ONE.to_uppercase()), true),
            (format!("Bearer {ONE},{OTHER}"), true),
            ("Bearer ".into(), true),
            ("Bearer".into(), false),
            (format!("Basic {ONE}"), false),
            (ONE.into(), false),
            (String::new(), false),
        ] {
            match ask(&[&value]).await.unwrap_err() {
                Refusal::Invalid(_) => assert!(invalid, "{value}"),
                Refusal::Missing => assert!(!invalid, "{value}"),
                other => panic!("{value}: {other:?}"),
            }
        }
        assert!(matches!(ask(&[]).await, Err(Refusal::Missing)));
        let good = format!("Bearer {ONE}");
        assert!(matches!(ask(&[&good, &good]).await, Err(Refusal::Malformed(_))));
        let empty = Authentication::default();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, good.parse().unwrap());
        assert!(matches!(empty.identify(&headers).await, Err(Refusal::Invalid(_))), "without a verifier");
    }
}
