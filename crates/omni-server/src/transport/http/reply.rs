//! The HTTP replies that a request can get.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use omni_protocol::{ErrorCode, Frame, Id, Rejected, RpcError, error_frame};

use super::body::{EventStream, ReplyBody};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

pub(super) type Reply = Response<ReplyBody>;

pub(super) fn overloaded(id: Option<&Id>, why: &str) -> Reply {
    unavailable(error_frame(id, &RpcError::new(ErrorCode::Overloaded, why)))
}

pub(super) fn unavailable(frame: Frame) -> Reply {
    let mut reply = json(StatusCode::SERVICE_UNAVAILABLE, frame);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

pub(super) fn refused(rejected: &Rejected) -> Reply {
    json(StatusCode::BAD_REQUEST, error_frame(rejected.id.as_ref(), &rejected.error))
}

pub(super) fn refusal(status: StatusCode, id: Option<&Id>, code: ErrorCode, why: &str) -> Reply {
    json(status, error_frame(id, &RpcError::new(code, why)))
}

/// The refusal of a method, with those that there are.
pub(super) fn method_not_allowed(allowed: &'static str, why: &str) -> Reply {
    let mut reply = refusal(StatusCode::METHOD_NOT_ALLOWED, None, ErrorCode::InvalidRequest, why);
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    reply
}

pub(super) fn json(status: StatusCode, frame: Frame) -> Reply {
    let mut reply = Response::new(ReplyBody::frame(frame));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

pub(super) fn stream(stream: EventStream) -> Reply {
    events(ReplyBody::Events(Box::new(stream)))
}

/// A reply whose body is events.
pub(super) fn events(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Asks proxies not to hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    reply
}

pub(super) fn accepted() -> Reply {
    accepted_with(StatusCode::ACCEPTED)
}

pub(super) fn accepted_with(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = status;
    reply
}
