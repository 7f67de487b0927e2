//! A request or notification of any revision, read into what it asks for.

use bytes::Bytes;
use omni_call::CompletionRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::method_params::complete;
use super::params::{Params, Parts};
use super::refusal::invalid;
use super::table::Revision;
use super::{legacy, modern};
use crate::RpcError;
use crate::error::truncate_chars;
use crate::message::{Id, RawNotification, RawRequest, Rejected};
use crate::request::{Cancelled, Notification, Request};

/// Longest reason of a cancellation that is kept.
const REASON_CHARS_MAX: usize = 200;

impl Request {
    /// Reads a request's parameters.
    ///
    /// A request whose `_meta` names a protocol version is a modern one, whatever came before on the
    /// connection; any other is read as the `session`'s revision. Without a session only `initialize` and
    /// `ping` can be read.
    pub fn read(raw: RawRequest, session: Option<Revision>) -> Result<Request, Rejected> {
        Request::read_in(raw, || Ok(session))
    }

    /// Reads a request whose session is looked up only if its era has sessions. A refusal of `session` is the
    /// request's.
    pub fn read_in(
        raw: RawRequest,
        session: impl FnOnce() -> Result<Option<Revision>, RpcError>,
    ) -> Result<Request, Rejected> {
        let RawRequest { id, method, params } = raw;
        let read = || {
            let read =
                params.as_ref().map_or_else(|| Ok(Params::default()), |text| serde_json::from_slice(text));
            let mut parsed: Params<'_> = match read {
                Ok(parsed) => parsed,
                Err(error) => {
                    // Of what era it is cannot be read either, so its session is looked up if it names one.
                    session()?;
                    return Err(invalid(format!("`params` of `{method}` cannot be read: {error}")));
                }
            };
            parsed.text = params.clone().unwrap_or_default();
            let params = parsed;
            let names_version = params.meta.as_ref().is_some_and(|meta| meta.protocol_version.is_some());
            if names_version {
                modern::read(&method, params)
            } else {
                legacy::read(&method, params, session()?)
            }
        };
        match read() {
            Ok(Parts { revision, action, meta }) => {
                let meta = meta.own(params.as_ref());
                Ok(Request { id, revision, method, action, meta })
            }
            Err(error) => Err(Rejected { id: Some(id), error }),
        }
    }
}

/// Reads the parameters of `completion/complete` as the newest revision has them.
///
/// # Errors
/// They are not what the specification says.
pub fn read_complete_params(params: &Bytes) -> Result<CompletionRequest, RpcError> {
    let mut parsed: Params<'_> = serde_json::from_slice(params)
        .map_err(|error| invalid(format!("what is to be completed cannot be read: {error}")))?;
    parsed.text = params.clone();
    complete(&parsed, Revision::NEWEST_MODERN)
}

impl Notification {
    /// Reads a notification. One that is malformed is ignored, since nobody waits for an answer.
    pub fn read(raw: &RawNotification) -> Notification {
        match &*raw.method {
            "notifications/initialized" => Notification::Initialized,
            "notifications/cancelled" => {
                cancelled(raw.params.as_ref()).map_or(Notification::Other, Notification::Cancelled)
            }
            _ => Notification::Other,
        }
    }
}

fn cancelled(params: Option<&Bytes>) -> Option<Cancelled> {
    #[derive(Deserialize)]
    struct CancelledParams<'a> {
        #[serde(borrow, rename = "requestId")]
        request: &'a RawValue,
        reason: Option<String>,
    }
    let text = params?;
    let CancelledParams { request, reason } = serde_json::from_slice(text).ok()?;
    let reason = reason.map(|reason| truncate_chars(reason, REASON_CHARS_MAX));
    Some(Cancelled { request: Id::parse(&text.slice_ref(request.get().as_bytes()))?, reason })
}
