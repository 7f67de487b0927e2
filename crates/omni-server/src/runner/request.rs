//! What the body of `POST /run_tool` says.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_call::{CallOrigin, LogLevel, Wants};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest integer that every reader of JSON holds exactly.
const ID_MAX: u64 = (1 << 53) - 1;

/// A limit beyond this is none that anybody waits for, and an `Instant` must be able to hold it.
const LIMIT_MAX: Duration = Duration::from_hours(24 * 366);

/// One call, as it was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct RunRequest {
    pub(super) name: String,
    /// A JSON object, byte for byte as it was sent.
    pub(super) arguments: Bytes,
    /// Names the call in its events.
    pub(super) id: u64,
    pub(super) deadline: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) wants: Wants,
    pub(super) session: String,
    /// Its client can be asked through its caller.
    pub(super) asks: bool,
    /// Where its caller says whose request it is.
    pub(super) origin: Option<Arc<CallOrigin>>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    deadline_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    idle_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    attempt: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    progress: Option<&'a RawValue>,
    #[serde(borrow)]
    log: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    ask: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    client: Option<&'a RawValue>,
}

impl RunRequest {
    /// Reads a body. The error is a sentence for whoever sent it.
    pub(super) fn read(body: &Bytes) -> Result<Self, String> {
        let text = object_text(body)?;
        let members: Members<'_> =
            serde_json::from_str(text).map_err(|error| format!("the body is no JSON object: {error}"))?;
        let name = members.name.and_then(string).ok_or("`name` must be the tool's name, `skill.command`")?;
        let arguments = match members.arguments {
            None => Bytes::from_static(b"{}"),
            Some(value) if value.get().starts_with('{') => body.slice_ref(value.get().as_bytes()),
            Some(_) => return Err("`arguments` must be an object".into()),
        };
        let context = match members.context {
            None => Context::default(),
            Some(value) if value.get().starts_with('{') => serde_json::from_str(value.get())
                .map_err(|error| format!("`context` cannot be read: {error}"))?,
            Some(_) => return Err("`context` must be an object".into()),
        };
        let log = match context.log {
            None => None,
            Some(value) => {
                let level = string(value).and_then(|level| level.parse::<LogLevel>().ok());
                let names = LogLevel::ALL.map(LogLevel::name).join(" ");
                Some(level.ok_or_else(|| format!("`context.log` must be null or one of {names}"))?)
            }
        };
        let session = match context.session {
            None => Cow::Borrowed(""),
            Some(value) => string(value).ok_or("`context.session` must be a string")?,
        };
        let request_id = match context.request {
            None => None,
            Some(value) => Some(string(value).ok_or("`context.request` must be a string")?),
        };
        let client = match context.client {
            None => None,
            Some(value) if value.get().starts_with('{') => Some(value.get()),
            Some(_) => return Err("`context.client` must be an object".into()),
        };
        let origin = (request_id.is_some() || client.is_some()).then(|| {
            let client = client.unwrap_or("{}").into();
            Arc::new(CallOrigin { request_id: request_id.unwrap_or_default().into(), client })
        });
        // The attempt's number is for the caller alone: tools are not told.
        number("attempt", members.attempt, 1, u64::MAX)?;
        Ok(RunRequest {
            name: name.into_owned(),
            arguments,
            id: number("id", members.id, 0, ID_MAX)?.unwrap_or(0),
            deadline: limit("deadline_ms", members.deadline_ms)?,
            idle: limit("idle_ms", members.idle_ms)?,
            wants: Wants { progress: context.progress.is_some_and(|value| value.get() == "true"), log },
            session: session.into_owned(),
            asks: context.ask.is_some_and(|value| value.get() == "true"),
            origin,
        })
    }
}

/// A body as the text of a JSON object; what is between its braces is for others to read.
pub(super) fn object_text(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("the body is not UTF-8: {error}"))?;
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        Ok(text)
    } else {
        Err("the body is no JSON object".into())
    }
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(value.get()).ok().map(Cow::Owned)
}

fn number(name: &str, value: Option<&RawValue>, least: u64, most: u64) -> Result<Option<u64>, String> {
    let Some(value) = value else { return Ok(None) };
    let number = value.get().parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    match number {
        Some(number) => Ok(Some(number)),
        None if most == u64::MAX => Err(format!("`{name}` must be an integer from {least} up")),
        None => Err(format!("`{name}` must be an integer from {least} to {most}")),
    }
}

fn limit(name: &str, value: Option<&RawValue>) -> Result<Option<Duration>, String> {
    let ms = number(name, value, 0, u64::MAX)?;
    Ok(ms.map(Duration::from_millis).map(|limit| limit.min(LIMIT_MAX)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::runner::contract_cases;

    #[test]
    fn a_request_is_read_or_refused_as_the_contracts_cases_say() {
        let cases = contract_cases("request");
        for case in &cases {
            let body = Bytes::from(case["text"].as_str().unwrap().to_owned());
            let asked = match RunRequest::read(&body) {
                Ok(asked) => asked,
                Err(why) => {
                    assert_eq!(case["status"], 400, "{}: {why}", case["name"]);
                    continue;
                }
            };
            let reads = &case["reads"];
            assert!(reads.is_object(), "{} was taken", case["name"]);
            let ms = |limit: Option<Duration>| limit.map(|limit| limit.as_millis() as u64);
            assert_eq!(asked.name, reads["name"].as_str().unwrap());
            assert_eq!(asked.arguments, reads["arguments"].as_str().unwrap(), "as it is spelt");
            assert_eq!(asked.id, reads["id"].as_u64().unwrap());
            assert_eq!(ms(asked.deadline), reads["deadline_ms"].as_u64());
            assert_eq!(ms(asked.idle), reads["idle_ms"].as_u64());
            assert_eq!(asked.wants.progress, reads["progress"].as_bool().unwrap());
            assert_eq!(asked.wants.log.map(LogLevel::name), reads["log"].as_str());
            assert_eq!(asked.session, reads["session"].as_str().unwrap());
            assert_eq!(asked.asks, reads["ask"] == true, "{}", case["name"]);
            let says = |member: &str| reads[member].as_str();
            let origin = asked.origin.as_deref();
            assert_eq!(origin.is_some(), says("request").or(says("client")).is_some(), "{}", case["name"]);
            let (request, client) =
                origin.map_or(("", "{}"), |origin| (&*origin.request_id, &*origin.client));
            assert_eq!((request, client), (says("request").unwrap_or(""), says("client").unwrap_or("{}")));
        }
        assert!(cases.len() > 20, "{}", cases.len());
    }

    #[test]
    fn a_member_that_stands_twice_is_no_call() {
        let body = Bytes::from_static(br#"{"name":"a.b","arguments":{"no":1},"arguments":{"yes":1}}"#);
        assert!(RunRequest::read(&body).unwrap_err().contains("duplicate field"));
    }

    #[test]
    fn a_limit_that_no_clock_can_hold_is_a_year() {
        let body = Bytes::from(format!(r#"{{"name":"a.b","deadline_ms":{}}}"#, u64::MAX));
        assert_eq!(RunRequest::read(&body).unwrap().deadline, Some(LIMIT_MAX));
    }

    #[test]
    fn the_contracts_numbers_are_those_of_python() {
        let shared = include_str!("../../../../conformance/shared.json");
        let runner = serde_json::from_str::<Value>(shared).unwrap()["runner"].take();
        assert_eq!(runner["call_id_max"], ID_MAX);
        assert_eq!(runner["body_bytes_max"], super::super::shared::BODY_BYTES_MAX);
        assert_eq!(runner["contract"], super::super::exchange::CONTRACT);
    }
}
