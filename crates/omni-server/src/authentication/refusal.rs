//! Why a request's credentials are not taken, and how its client is told.

use std::borrow::Cow;
use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::HeaderValue;

/// Why a request has no identity.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The header stands twice or is no text.
    Malformed(String),
    /// It carries no bearer token.
    Missing,
    /// Its bearer token is not a good one, for this reason, which the client is told.
    Invalid(Cow<'static, str>),
    /// Its bearer token is good, and does not allow what is asked for: it lacks a scope of the challenge.
    InsufficientScope,
    /// Whether its bearer token is good cannot be told at present, for this reason.
    Unavailable(String),
}

/// What clients are told by `WWW-Authenticate` besides that a bearer token is wanted (RFC 6750, section 3).
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    /// Where the metadata of this server as a protected resource is (RFC 9728, section 5.1).
    pub resource_metadata: Option<String>,
    /// The scopes that a token must have, separated by blanks.
    pub scope: Option<String>,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::Missing | Refusal::Invalid(_) => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope => StatusCode::FORBIDDEN,
            Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// For whoever reads the answer's body.
    pub(crate) fn why(&self) -> Cow<'_, str> {
        match self {
            Refusal::Malformed(why) | Refusal::Unavailable(why) => why.into(),
            Refusal::InsufficientScope => {
                "the bearer token lacks a scope that this server wants (`http.jwt.scopes`); the challenge has all of them"
                    .into()
            }
            Refusal::Missing => "this server wants `Authorization: Bearer TOKEN`, with a token that its operator \
                                 gives out (`--http-token`, `[http]` of omni.toml)"
                .into(),
            Refusal::Invalid(why) => {
                format!("{why}; the operator of this server says which are good (`--http-token`, `[http]` of omni.toml)")
                    .into()
            }
        }
    }
}

impl Challenge {
    /// The header's value; `None` where the credentials are not at fault.
    pub(crate) fn header(&self, refusal: &Refusal) -> Option<HeaderValue> {
        let error = match refusal {
            Refusal::Malformed(_) | Refusal::Unavailable(_) => return None,
            // Whoever has sent no token is told of no error (RFC 6750, section 3.1).
            Refusal::Missing => None,
            Refusal::Invalid(_) => Some("invalid_token"),
            Refusal::InsufficientScope => Some("insufficient_scope"),
        };
        let mut value = String::from("Bearer realm=\"omni\"");
        let parameters = [
            ("error", error),
            ("scope", self.scope.as_deref()),
            ("resource_metadata", self.resource_metadata.as_deref()),
        ];
        for (name, parameter) in parameters {
            if let Some(parameter) = parameter {
                let _ =
                    write!(value, ", {name}=\"{}\"", parameter.replace('\\', "\\\\").replace('"', "\\\""));
            }
        }
        HeaderValue::from_str(&value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_what_is_wanted_and_an_error_only_of_a_token_that_was_sent() {
        let header = |challenge: &Challenge, refusal: &Refusal| {
            challenge.header(refusal).map(|value| value.to_str().unwrap().to_owned())
        };
        let invalid = Refusal::Invalid("no".into());
        let plain = Challenge::default();
        assert_eq!(header(&plain, &Refusal::Missing).unwrap(), "Bearer realm=\"omni\"");
        assert_eq!(header(&plain, &invalid).unwrap(), "Bearer realm=\"omni\", error=\"invalid_token\"");
        assert_eq!(header(&plain, &Refusal::Malformed("twice".into())), None);
        let full = Challenge {
            resource_metadata: Some("https://a.example/.well-known/oauth-protected-resource".into()),
            scope: Some("a \"b\"".into()),
        };
        assert_eq!(
            header(&full, &Refusal::Missing).unwrap(),
            "Bearer realm=\"omni\", scope=\"a \\\"b\\\"\", \
             resource_metadata=\"https://a.example/.well-known/oauth-protected-resource\""
        );
    }
}
