//! What a client answers to a question, held to the result that the specification has for it.

use std::fmt;

use bytes::Bytes;
use omni_call::{Ask, AskMethod};
use serde_json::{Map, Value};

use super::table::Revision;

/// A client's answer that is none to its question. The text is for whoever wrote the tool.
#[derive(Debug, PartialEq, Eq)]
pub struct MalformedAnswer {
    method: AskMethod,
    why: String,
}

impl fmt::Display for MalformedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client's answer to `{}` cannot be used: {}", self.method.name(), self.why)
    }
}

impl Revision {
    /// The answer to `ask` that a client of this revision has given, as the newest revision has it.
    ///
    /// Members that are missing although the specification wants them are a fault only where nothing can be made of the answer
    /// without them.
    ///
    /// # Errors
    /// A member has another type than it must have, or is missing.
    pub fn read_answer(self, ask: &Ask, result: Bytes) -> Result<Bytes, MalformedAnswer> {
        let malformed = |why: String| MalformedAnswer { method: ask.method, why };
        let read: Value = serde_json::from_slice(&result).map_err(|error| malformed(error.to_string()))?;
        let Value::Object(mut answer) = read else {
            return Err(malformed("it is not a JSON object".to_owned()));
        };
        let checked = match ask.method {
            AskMethod::Elicit => check_elicited(&answer),
            AskMethod::Sample => check_sampled(&answer),
            AskMethod::ListRoots => check_roots(&answer),
        };
        checked.map_err(malformed)?;
        match self.restore_answer(ask, &mut answer) {
            false => Ok(result),
            true => Ok(Value::Object(answer).to_string().into()),
        }
    }
}

fn check_elicited(answer: &Map<String, Value>) -> Result<(), String> {
    match answer.get("action").and_then(Value::as_str) {
        Some("accept" | "decline" | "cancel") => {}
        _ => return Err("`action` must be `accept`, `decline` or `cancel`".to_owned()),
    }
    match answer.get("content") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(_) => Err("`content` must be an object".to_owned()),
    }
}

fn check_sampled(answer: &Map<String, Value>) -> Result<(), String> {
    for member in ["role", "model", "stopReason"] {
        if !matches!(answer.get(member), None | Some(Value::Null | Value::String(_))) {
            return Err(format!("`{member}` must be a string"));
        }
    }
    let is_block = |block: &Value| block["type"].is_string();
    let is_content = match answer.get("content") {
        Some(Value::Array(blocks)) => blocks.iter().all(is_block),
        Some(block) => is_block(block),
        None => false,
    };
    is_content.then_some(()).ok_or_else(|| {
        "`content` must be a block of content, an object with a `type`, or an array of them".to_owned()
    })
}

fn check_roots(answer: &Map<String, Value>) -> Result<(), String> {
    let Some(roots) = answer.get("roots").and_then(Value::as_array) else {
        return Err("`roots` must be an array".to_owned());
    };
    match roots.iter().position(|root| !root["uri"].is_string()) {
        None => Ok(()),
        Some(at) => Err(format!("`roots[{at}].uri` must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: AskMethod, answer: &Value) -> Result<Bytes, String> {
        let ask = Ask { key: None, method, params: Bytes::from_static(b"{}") };
        let read = Revision::V2026_07_28.read_answer(&ask, answer.to_string().into());
        read.map_err(|malformed| malformed.to_string())
    }

    #[test]
    fn an_answer_is_held_to_its_question_and_handed_on_as_it_came() {
        use AskMethod::{Elicit, ListRoots, Sample};
        for (method, answer) in [
            (Elicit, json!({"action": "accept", "content": {"a": 1}})),
            (Elicit, json!({"action": "decline"})),
            (Elicit, json!({"action": "cancel", "content": null, "later": 1})),
            (Sample, json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "t"}})),
            (Sample, json!({"content": [{"type": "text", "text": "t"}, {"type": "later"}]})),
            (ListRoots, json!({"roots": [{"uri": "file:///a", "name": "a"}]})),
            (ListRoots, json!({"roots": []})),
        ] {
            assert_eq!(read(method, &answer), Ok(answer.to_string().into()));
        }
        for (method, answer, why) in [
            (Elicit, json!({}), "`action` must be"),
            (Elicit, json!({"action": "yes"}), "`action` must be"),
            (Elicit, json!({"action": "accept", "content": "a"}), "`content` must be an object"),
            (Sample, json!({"role": "assistant", "model": "m"}), "`content` must be a block"),
            (Sample, json!({"content": {"text": "t"}}), "`content` must be a block"),
            (Sample, json!({"content": ["t"]}), "`content` must be a block"),
            (Sample, json!({"model": 5, "content": {"type": "text"}}), "`model` must be a string"),
            (ListRoots, json!({"roots": {}}), "`roots` must be an array"),
            (ListRoots, json!({}), "`roots` must be an array"),
            (ListRoots, json!({"roots": [{"uri": "file:///"}, {"name": "b"}]}), "`roots[1].uri` must be"),
            (ListRoots, json!("roots"), "not a JSON object"),
        ] {
            let refused = read(method, &answer).expect_err(why);
            assert!(refused.contains(why) && refused.contains(method.name()), "{refused}");
        }
    }
}
