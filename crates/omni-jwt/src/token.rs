//! A token in its compact form (RFC 7515, section 3.1), before anything of it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::fault::TokenFault;
use crate::strict_json;

/// The three parts of a token, decoded.
pub(crate) struct Parts<'a> {
    pub(crate) header: Header,
    /// What is signed: the first two parts as they stand.
    pub(crate) signed: &'a [u8],
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What of a header is looked at. All else (`jku`, `jwk`, `x5u`, `x5c`) would have the sender say which key is to be believed.
pub(crate) struct Header {
    /// The name of an algorithm, which need not be one.
    pub(crate) algorithm: String,
    pub(crate) key_id: Option<String>,
}

/// What `typ` may be, in lower case: an access token (RFC 9068), or nothing in particular. Tokens of other kinds, such as
/// `logout+jwt`, are signed by the same keys and mean something else (RFC 8725, section 3.11).
const TYPES: [&str; 4] = ["at+jwt", "application/at+jwt", "jwt", "application/jwt"];

impl<'a> Parts<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, TokenFault> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed);
        };
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        // This decoder takes one spelling of each value alone: no padding, no bits that mean nothing.
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed);
        let header = strict_json::object(&decoded(header)?).ok_or(TokenFault::Malformed)?;
        let header = Header::of(&header)?;
        Ok(Parts { header, signed, payload: decoded(payload)?, signature: decoded(signature)? })
    }
}

impl Header {
    fn of(members: &Map<String, Value>) -> Result<Self, TokenFault> {
        // An extension that must be understood, and none is (RFC 7515, section 4.1.11).
        if members.contains_key("crit") {
            return Err(TokenFault::Malformed);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenFault::Malformed),
        };
        if let Some(kind) = text("typ")?
            && !TYPES.contains(&kind.to_ascii_lowercase().as_str())
        {
            return Err(TokenFault::WrongType);
        }
        let algorithm = text("alg")?.ok_or(TokenFault::Malformed)?.to_owned();
        Ok(Header { algorithm, key_id: text("kid")?.map(str::to_owned) })
    }
}
