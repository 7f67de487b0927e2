//! The questions of running calls that wait for an answer, and the answers as they are posted.
//!
//! The caller's own id of a call is its affair, and two callers may use the same. So a call has a name here too, which
//! nobody can guess and only its caller is told, in the head of the answer.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use omni_call::{Answer, Ask, AskRefusal};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::line_queue::{self, LineQueue, SharedLineQueue};
use super::request::object_text;
use crate::random::random_hex;

/// All calls here that may ask, by their names.
#[derive(Clone, Default)]
pub(super) struct OpenCalls(Arc<Mutex<HashMap<String, Open>>>);

#[derive(Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// What became of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// The call that asked has it.
    Yes,
    /// No call of that name runs.
    NoCall,
    /// The question was never asked, was taken back, or has its answer.
    NotOpen,
}

impl OpenCalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a call its name.
    pub(super) fn begin(&self) -> Questions {
        let name = random_hex::<16>();
        self.lock().insert(name.clone(), Open::default());
        Questions { calls: self.clone(), name: name.into() }
    }

    /// Gives an answer to whoever waits for it.
    pub(super) fn answer(&self, call: &str, number: u64, answer: Answer) -> Taken {
        let mut calls = self.lock();
        let Some(open) = calls.get_mut(call) else { return Taken::NoCall };
        let Some(waiting) = open.waiting.remove(&number) else { return Taken::NotOpen };
        match waiting.send(answer) {
            Ok(()) => Taken::Yes,
            Err(_) => Taken::NotOpen,
        }
    }
}

/// The questions of one call. The name goes with it.
pub(super) struct Questions {
    calls: OpenCalls,
    name: Arc<str>,
}

impl Questions {
    /// What the call is called where answers are taken.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Opens a question of the call `id`: has `say` write it under its number. Returns where its answer will be, `None`
    /// when too many are open.
    pub(super) fn open(
        &self,
        id: u64,
        lines: &SharedLineQueue,
        say: impl FnOnce(&mut LineQueue, u64),
    ) -> Option<OpenQuestion> {
        let mut calls = self.calls.lock();
        let open = calls.get_mut(&*self.name)?;
        if open.waiting.len() >= Ask::OPEN_MAX {
            return None;
        }
        open.last += 1;
        let (sender, answer) = oneshot::channel();
        open.waiting.insert(open.last, sender);
        let number = open.last;
        drop(calls);
        say(&mut line_queue::lock(lines), number);
        let (calls, name) = (self.calls.clone(), self.name.clone());
        Some(OpenQuestion { calls, name, id, number, answer: Some(answer), lines: lines.clone() })
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        self.calls.lock().remove(&*self.name);
    }
}

/// One open question. Dropped before its answer, it is taken back.
pub(super) struct OpenQuestion {
    calls: OpenCalls,
    name: Arc<str>,
    id: u64,
    number: u64,
    /// `None` once it has come.
    answer: Option<oneshot::Receiver<Answer>>,
    lines: SharedLineQueue,
}

impl Future for OpenQuestion {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(answer) = &mut self.answer else { return Poll::Pending };
        let answered = std::task::ready!(Pin::new(answer).poll(cx));
        self.answer = None;
        Poll::Ready(answered.unwrap_or_else(|_| Answer::Refused {
            why: AskRefusal::Gone,
            message: "the call has ended".to_owned(),
        }))
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        if self.answer.is_none() {
            return;
        }
        if let Some(open) = self.calls.lock().get_mut(&*self.name) {
            open.waiting.remove(&self.number);
        }
        line_queue::lock(&self.lines).retract(self.id, self.number);
    }
}

/// Which call a path answers: `/calls/NAME/answer`.
pub(super) fn call_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/calls/")?.strip_suffix("/answer")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Reads the body of `POST /calls/NAME/answer`: which question, and its answer. The error is a sentence for whoever sent
/// it.
pub(super) fn read_answer(body: &Bytes) -> Result<(u64, Answer), String> {
    #[derive(Deserialize)]
    struct Members<'a> {
        #[serde(borrow)]
        ask: Option<&'a RawValue>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        #[serde(borrow)]
        refused: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    let text = object_text(body)?;
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|error| format!("the body is no JSON object: {error}"))?;
    let number = members.ask.and_then(|ask| ask.get().parse::<u64>().ok()).filter(|number| *number > 0);
    let number = number.ok_or("`ask` must be the question's number, an integer from 1 up")?;
    let answer = match (members.result, members.refused) {
        (Some(result), None) if result.get().starts_with('{') => {
            Answer::Result(body.slice_ref(result.get().as_bytes()))
        }
        (Some(_), None) => return Err("`result` must be an object".to_owned()),
        (None, Some(refused)) => {
            let why = serde_json::from_str::<String>(refused.get()).ok();
            let why = why.and_then(|why| AskRefusal::from_name(&why)).ok_or_else(|| {
                format!("`refused` must be one of {}", AskRefusal::ALL.map(AskRefusal::name).join(" "))
            })?;
            let message = match members.message {
                None => String::new(),
                Some(message) => serde_json::from_str::<String>(message.get())
                    .map_err(|_| "`message` must be a string".to_owned())?,
            };
            let end = message.floor_char_boundary(Answer::MESSAGE_BYTES_MAX);
            Answer::Refused { why, message: message[..end].to_owned() }
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err("there must be either `result` or `refused`".to_owned());
        }
    };
    Ok((number, answer))
}

#[cfg(test)]
mod tests {
    use omni_call::AskMethod;

    use super::*;
    use crate::runner::contract_cases;

    #[test]
    fn an_answer_is_read_or_refused_as_the_contracts_cases_say() {
        let cases = contract_cases("answer");
        for case in &cases {
            let body = Bytes::from(case["text"].as_str().unwrap().to_owned());
            let (number, answer) = match read_answer(&body) {
                Ok(answer) => answer,
                Err(why) => {
                    assert_eq!(case["status"], 400, "{}: {why}", case["name"]);
                    continue;
                }
            };
            let reads = &case["reads"];
            assert_eq!(Some(number), reads["ask"].as_u64(), "{}", case["name"]);
            match answer {
                Answer::Result(result) => assert_eq!(result, reads["result"].as_str().unwrap()),
                Answer::Refused { why, message } => {
                    assert_eq!(why.name(), reads["refused"], "{}", case["name"]);
                    assert_eq!(message, reads["message"].as_str().unwrap(), "{}", case["name"]);
                }
            }
        }
        assert!(cases.len() > 10, "{}", cases.len());
    }

    #[tokio::test]
    async fn a_question_has_one_answer_and_none_after_its_call() {
        let (calls, lines) = (OpenCalls::default(), SharedLineQueue::default());
        let (one, two) = (calls.begin(), calls.begin());
        assert_ne!(one.name(), two.name());
        let ask = Ask { key: None, method: AskMethod::ListRoots, params: Bytes::from_static(b"{}") };
        let open = || one.open(7, &lines, |lines, number| lines.ask(7, number, &ask));
        let asked = open().unwrap();
        let name = one.name().to_owned();
        let answer = || Answer::Result(Bytes::from_static(b"{\"roots\":[]}"));
        assert_eq!(calls.answer("0", 1, answer()), Taken::NoCall, "a name that nobody was given");
        assert_eq!(calls.answer(two.name(), 1, answer()), Taken::NotOpen, "another call's question");
        assert_eq!(calls.answer(&name, 2, answer()), Taken::NotOpen, "it was never asked");
        assert_eq!(calls.answer(&name, 1, answer()), Taken::Yes);
        assert_eq!(calls.answer(&name, 1, answer()), Taken::NotOpen, "once");
        assert_eq!(asked.await, answer());
        drop(open().unwrap());
        assert_eq!(calls.answer(&name, 2, answer()), Taken::NotOpen, "it was taken back");
        let text = line_queue::lock(&lines).take();
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(
            text.lines().last(),
            Some(r#"{"retract":{"id":7,"ask":2}}"#),
            "what has its answer is not taken back: {text}"
        );
        let open: Vec<OpenQuestion> = std::iter::from_fn(open).collect();
        assert_eq!(open.len(), Ask::OPEN_MAX);
        drop(one);
        assert_eq!(calls.answer(&name, 3, answer()), Taken::NoCall);
    }
}
