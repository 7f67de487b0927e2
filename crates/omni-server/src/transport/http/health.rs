//! `GET /health`: whether the server answers, for load balancers and operators.
//!
//! Everybody who reaches the server may know that it is there; the rest is for whoever could call its tools.

use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use omni_protocol::Frame;
use serde::Serialize;

use super::reply::{Reply, json, method_not_allowed};
use super::shared::Shared;
use crate::authentication::Identity;
use crate::principal::Principal;

#[derive(Serialize)]
struct Health<'a> {
    /// Which program answers, so that two servers on one port can be told apart.
    name: &'a str,
    status: &'static str,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    version: &'a str,
    pid: u32,
    uptime_seconds: u64,
    /// Tools that the asker sees; null until the skills have been read.
    tools: Option<usize>,
}

/// The answer to whoever asks, with details if the request has shown who that is.
pub(super) fn answer(shared: &Shared, method: &Method, asker: Option<&Identity>) -> Reply {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD", "GET the state of the server");
    }
    let server = &shared.server;
    let us = &server.config.implementation;
    let tools = server.tools_seen_by(asker.unwrap_or(&Identity::of(Principal::Unknown)));
    let details = asker.map(|_| Details {
        version: &us.version,
        pid: std::process::id(),
        uptime_seconds: shared.started.elapsed().as_secs(),
        tools,
    });
    let status = if tools.is_some() { "ok" } else { "starting" };
    let health = Health { name: &us.name, status, details };
    let body = serde_json::to_vec(&health).expect("texts and numbers are JSON");
    let mut reply = json(StatusCode::OK, Frame { head: body.into(), ..Frame::default() });
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
