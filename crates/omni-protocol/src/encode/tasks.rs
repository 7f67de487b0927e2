//! What clients are told of tasks.

use bytes::{BufMut, Bytes, BytesMut};
use omni_call::Ask;
use serde_json::json;

use super::{Encoder, Frame, ResultType, close, comma, notification, put, put_questions, with_body};
use crate::message::Id;
use crate::revision::Revision;
use crate::task::{Task, TaskState, iso_8601};

impl Encoder {
    /// The questions that are open, each under its key: a JSON object (`inputRequests`).
    pub fn input_requests<'a>(
        &self,
        revision: Revision,
        questions: impl Iterator<Item = (&'a str, &'a Ask)>,
    ) -> Bytes {
        let mut out = BytesMut::new();
        put_questions(&mut out, revision, questions);
        out.freeze()
    }

    /// The answer to a request that has become a task: what the client asks for from now on.
    pub fn task_created(&self, id: &Id, revision: Revision, task: &Task) -> Frame {
        let mut out = self.open_as(ResultType::Task, id, revision, 256, None);
        put_task(&mut out, task);
        close(out)
    }

    /// The answer to `tasks/get`.
    pub fn task_result(&self, id: &Id, revision: Revision, task: &Task) -> Frame {
        with_state(self.open(id, revision, 256, None), task)
    }

    /// `notifications/tasks`: what `tasks/get` would say.
    pub fn task_notification(&self, subscription: &Id, task: &Task) -> Frame {
        with_state(notification("tasks", Some(subscription)), task)
    }
}

fn put_task(out: &mut BytesMut, task: &Task) {
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    comma(out);
    put(
        out,
        format_args!(
            r#""taskId":{},"status":"{}","createdAt":"{}","lastUpdatedAt":"{}","ttlMs":{},"pollIntervalMs":{}"#,
            json!(task.id),
            task.state.status().name(),
            iso_8601(task.created),
            iso_8601(task.updated),
            json!(task.ttl.map(milliseconds)),
            milliseconds(task.poll_interval),
        ),
    );
    if let Some(message) = &task.message {
        put(out, format_args!(r#","statusMessage":{}"#, json!(message)));
    }
}

/// The task, and what belongs to its state.
fn with_state(mut out: BytesMut, task: &Task) -> Frame {
    put_task(&mut out, task);
    match &task.state {
        TaskState::Working | TaskState::Cancelled => close(out),
        TaskState::InputRequired(questions) => {
            out.put_slice(br#","inputRequests":"#);
            with_body(out, questions.clone())
        }
        TaskState::Completed(result) => {
            out.put_slice(br#","result":"#);
            with_body(out, result.clone())
        }
        TaskState::Failed(error) => {
            out.put_slice(br#","error":"#);
            with_body(out, error.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omni_call::{Ask, AskMethod};
    use serde_json::Value;

    use super::*;
    use crate::Implementation;
    use crate::request::ListKinds;

    const REVISION: Revision = Revision::NEWEST_MODERN;

    fn encoder() -> Encoder {
        let server = Implementation { name: "omni".into(), title: "omni".into(), version: "1".into() };
        Encoder::new(&server, ListKinds::default())
    }

    fn id() -> Id {
        Id::parse(&Bytes::from_static(b"7")).unwrap()
    }

    fn task(state: TaskState) -> Task {
        Task {
            id: "t\"1".into(),
            state,
            message: Some("half way".into()),
            created: Duration::from_millis(1_000),
            updated: Duration::from_millis(2_500),
            ttl: Some(Duration::from_secs(60)),
            poll_interval: Duration::from_millis(1_500),
        }
    }

    fn parsed(frame: Frame) -> Value {
        serde_json::from_slice(&frame.into_bytes()).expect("a frame is JSON")
    }

    fn members(status: &str) -> Value {
        json!({
            "taskId": "t\"1", "status": status, "statusMessage": "half way", "ttlMs": 60_000, "pollIntervalMs": 1_500,
            "createdAt": "1970-01-01T00:00:01.000Z", "lastUpdatedAt": "1970-01-01T00:00:02.500Z",
        })
    }

    fn without_meta(mut value: Value) -> Value {
        value.as_object_mut().unwrap().remove("_meta").expect("`_meta`");
        value
    }

    #[test]
    fn a_request_that_has_become_a_task_is_answered_with_the_flat_task_alone() {
        for state in [TaskState::Working, TaskState::InputRequired(questions())] {
            let status = state.status().name();
            let created = parsed(encoder().task_created(&id(), REVISION, &task(state)))["result"].take();
            let mut expected = members(status);
            expected["resultType"] = "task".into();
            assert_eq!(without_meta(created), expected);
        }
    }

    fn questions() -> Bytes {
        let asked =
            Ask { key: None, method: AskMethod::Elicit, params: Bytes::from_static(b"{\"message\":\"m\"}") };
        encoder().input_requests(REVISION, [("k", &asked)].into_iter())
    }

    #[test]
    fn each_state_has_what_belongs_to_it_in_the_answer_and_in_the_notification() {
        let question = json!({"k": {"method": "elicitation/create", "params": {"message": "m"}}});
        for (state, status, extra) in [
            (TaskState::Working, "working", None),
            (TaskState::Cancelled, "cancelled", None),
            (TaskState::InputRequired(questions()), "input_required", Some(("inputRequests", question))),
            (
                TaskState::Completed(Bytes::from_static(b"{\"content\":[]}")),
                "completed",
                Some(("result", json!({"content": []}))),
            ),
            (
                TaskState::Failed(Bytes::from_static(b"{\"code\":-1,\"message\":\"m\"}")),
                "failed",
                Some(("error", json!({"code": -1, "message": "m"}))),
            ),
        ] {
            let mut expected = members(status);
            if let Some((member, value)) = extra {
                expected[member] = value;
            }
            let mut told = parsed(encoder().task_notification(&id(), &task(state.clone())));
            assert_eq!(told["method"], "notifications/tasks");
            assert_eq!(told["params"]["_meta"], json!({"io.modelcontextprotocol/subscriptionId": 7}));
            assert_eq!(without_meta(told["params"].take()), expected);
            let got = parsed(encoder().task_result(&id(), REVISION, &task(state)))["result"].take();
            expected["resultType"] = "complete".into();
            assert_eq!(without_meta(got), expected);
        }
        let endless = Task { ttl: None, message: None, ..task(TaskState::Working) };
        let endless = parsed(encoder().task_result(&id(), REVISION, &endless))["result"].take();
        assert_eq!((&endless["ttlMs"], endless.get("statusMessage")), (&Value::Null, None));
    }
}
