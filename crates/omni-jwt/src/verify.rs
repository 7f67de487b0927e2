//! Whether a token is its issuer's, meant for us, and of this time (RFC 7519, RFC 8725, RFC 9068).

use std::time::Duration;

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::claims::{self, Claims};
use crate::fault::{TOKEN_BYTES_MAX, TokenFault};
use crate::key_set::KeySet;
use crate::strict_json;
use crate::token::Parts;

/// What a token must be.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// Who has signed it: `iss` is exactly this, letter by letter.
    pub issuer: String,
    /// Whom it is for: `aud` is or has one of these.
    pub audiences: Vec<String>,
    /// What it may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks of the issuer and of this machine may differ.
    pub skew: Duration,
}

/// How long a subject may be (RFC 9068 gives no bound; OpenID Connect 255 characters).
const SUBJECT_BYTES_MAX: usize = 1024;

impl TokenRules {
    /// Verifies a token by `keys`, at `now` (time since 1970).
    ///
    /// # Errors
    /// Why it is refused. The signature is looked at before any claim, so nothing is told about tokens of others' making.
    pub fn verify(&self, token: &str, keys: &KeySet, now: Duration) -> Result<Claims, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let parts = Parts::of(token)?;
        let algorithm = Algorithm::named(&parts.header.algorithm)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(TokenFault::Algorithm)?;
        let id = parts.header.key_id.as_deref();
        let mut candidates = keys.candidates(id, algorithm);
        if !candidates.any(|key| key.verifies(algorithm, parts.signed, &parts.signature)) {
            // A key of that name that is there does not get better by asking for new ones.
            let known = id.is_some_and(|id| keys.has(id));
            return Err(if known { TokenFault::Signature } else { TokenFault::UnknownKey });
        }
        let members = strict_json::object(&parts.payload).ok_or(TokenFault::Malformed)?;
        self.check(members, now)
    }

    fn check(&self, members: Map<String, Value>, now: Duration) -> Result<Claims, TokenFault> {
        match members.get("iss") {
            Some(Value::String(issuer)) if *issuer == self.issuer => {}
            Some(Value::String(_)) => return Err(TokenFault::Issuer),
            _ => return Err(TokenFault::Claim("iss")),
        }
        let ours =
            |value: &Value| value.as_str().is_some_and(|name| self.audiences.iter().any(|own| own == name));
        match members.get("aud") {
            Some(Value::Array(names)) if names.iter().any(ours) => {}
            Some(name @ Value::String(_)) if ours(name) => {}
            Some(Value::Array(_) | Value::String(_)) => return Err(TokenFault::Audience),
            _ => return Err(TokenFault::Claim("aud")),
        }
        let (now, skew) = (now.as_secs_f64(), self.skew.as_secs_f64());
        let expires = date(&members, "exp")?.ok_or(TokenFault::Claim("exp"))?;
        if now >= expires + skew {
            return Err(TokenFault::Expired);
        }
        // A token that was issued in the future is of a clock that cannot be believed about its end either.
        for name in ["nbf", "iat"] {
            if date(&members, name)?.is_some_and(|begins| now + skew < begins) {
                return Err(TokenFault::NotYet);
            }
        }
        let subject = match members.get("sub") {
            Some(Value::String(subject)) if !subject.is_empty() && subject.len() <= SUBJECT_BYTES_MAX => {
                subject.clone()
            }
            _ => return Err(TokenFault::Claim("sub")),
        };
        let scopes = claims::scopes(&members).ok_or(TokenFault::Claim("scope"))?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast of a float goes to the nearest number that there is"
        )]
        let expires = expires as i64;
        Ok(Claims { subject, expires, scopes, all: members })
    }
}

/// A claim that is a time: seconds since 1970, whole or not (RFC 7519, section 2).
fn date(members: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, TokenFault> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(Some(seconds)),
            _ => Err(TokenFault::Claim(name)),
        },
        Some(_) => Err(TokenFault::Claim(name)),
    }
}
