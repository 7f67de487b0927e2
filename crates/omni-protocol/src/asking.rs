//! What a client lets itself be asked: the capabilities that it declares, and what each question needs of them.

use std::fmt;

use bytes::Bytes;
use omni_call::{Ask, AskMethod};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::error::{ErrorCode, RpcError};
use crate::revision::{AskedBy, QuestionSupport, Revision};
use crate::strict_json;
use omni_call::Question;

/// Which questions a client has declared that it answers (`ClientCapabilities` in the schema).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCapabilities(u8);

/// The members that are read, whatever the rest says.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    elicitation: Option<&'a RawValue>,
    #[serde(borrow)]
    sampling: Option<&'a RawValue>,
    #[serde(borrow)]
    roots: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Modes {
    form: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
    tools: Option<IgnoredAny>,
    context: Option<IgnoredAny>,
}

impl ClientCapabilities {
    /// What the JSON object says. What is no object declares nothing: whoever writes it otherwise is not asked.
    pub fn read(text: &str) -> Self {
        let mut declared = ClientCapabilities::default();
        if text == "{}" {
            return declared;
        }
        let Ok(Wire { elicitation, sampling, roots }) = serde_json::from_str(text) else { return declared };
        let modes = |member: Option<&RawValue>| {
            let object = member.filter(|member| member.get().starts_with('{'))?;
            serde_json::from_str::<Modes>(object.get()).ok()
        };
        if let Some(Modes { form, url, .. }) = modes(elicitation) {
            // An empty object means forms alone: revisions before the modes had nothing else.
            declared.set(Question::ElicitForm, form.is_some() || url.is_none());
            declared.set(Question::ElicitUrl, url.is_some());
        }
        if let Some(Modes { tools, context, .. }) = modes(sampling) {
            declared.set(Question::Sample, true);
            declared.set(Question::SampleTools, tools.is_some());
            declared.set(Question::SampleContext, context.is_some());
        }
        declared.set(Question::ListRoots, modes(roots).is_some());
        declared
    }

    /// A declaration of these questions.
    pub fn of(questions: &[Question]) -> Self {
        ClientCapabilities(questions.iter().fold(0, |bits, question| bits | question.bit()))
    }

    /// The JSON object that [`read`](Self::read) reads, with what `revision` has of it.
    pub(crate) fn write(self, revision: Revision) -> Value {
        let declares = |question: Question| {
            self.0 & question.bit() != 0 && revision.question_support(question) == QuestionSupport::Yes
        };
        let member = |modes: &[(&str, Question)]| {
            let modes = modes.iter().filter(|(_, question)| declares(*question));
            Value::Object(modes.map(|(mode, _)| ((*mode).to_owned(), json!({}))).collect())
        };
        let mut declared = Map::new();
        if declares(Question::ElicitUrl) {
            let modes = member(&[("form", Question::ElicitForm), ("url", Question::ElicitUrl)]);
            declared.insert("elicitation".into(), modes);
        } else if declares(Question::ElicitForm) {
            // An empty object means forms alone, also to those that know no other mode.
            declared.insert("elicitation".into(), json!({}));
        }
        if declares(Question::Sample) {
            let modes = member(&[("tools", Question::SampleTools), ("context", Question::SampleContext)]);
            declared.insert("sampling".into(), modes);
        }
        if declares(Question::ListRoots) {
            declared.insert("roots".into(), json!({}));
        }
        Value::Object(declared)
    }

    /// The capabilities by which this client may be asked something in this revision, by their
    /// [names](Question::capability).
    pub fn names(self, revision: Revision) -> impl Iterator<Item = &'static str> {
        let may = move |question: &Question| match revision.question_support(*question) {
            QuestionSupport::No => false,
            QuestionSupport::Yes => self.0 & question.bit() != 0,
            // Asked with another question, which has to be declared.
            QuestionSupport::Undeclared => self.0 & Question::Sample.bit() != 0,
        };
        Question::ALL.into_iter().filter(may).map(Question::capability)
    }

    fn set(&mut self, question: Question, declared: bool) {
        if declared {
            self.0 |= question.bit();
        }
    }

    /// The declaration as one byte, for a token that outlives the session; [`from_bits`](Self::from_bits) reads it.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The declaration of that byte; `None` when some bit of it means nothing.
    pub fn from_bits(bits: u8) -> Option<Self> {
        let known = Question::ALL.into_iter().fold(0, |bits, question| bits | question.bit());
        (bits & !known == 0).then_some(ClientCapabilities(bits))
    }

    /// Whether nothing at all may be asked.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this client may be asked that in this revision.
    ///
    /// # Errors
    /// Why not, for the tool: the revision does not know the question, the client did not declare the capability, or
    /// the parameters are no JSON object that could be sent.
    pub fn allows(self, revision: Revision, ask: &Ask) -> Result<(), NotAskable> {
        for question in questions(ask).ok_or(NotAskable::Malformed(ask.method))? {
            match revision.question_support(question) {
                QuestionSupport::No => return Err(NotAskable::Unknown(question, revision)),
                QuestionSupport::Yes if self.0 & question.bit() == 0 => {
                    return Err(NotAskable::Undeclared(question));
                }
                QuestionSupport::Yes | QuestionSupport::Undeclared => {}
            }
        }
        Ok(())
    }
}

/// Whether a client's capabilities, a JSON object, declare the extension for tasks.
pub(crate) fn takes_tasks(capabilities: &str) -> bool {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        extensions: Option<Extensions<'a>>,
    }
    #[derive(Deserialize)]
    struct Extensions<'a> {
        #[serde(borrow, rename = "io.modelcontextprotocol/tasks")]
        tasks: Option<&'a RawValue>,
    }
    // Hardly any client does, and each of its requests says so.
    if !capabilities.contains("tasks") {
        return false;
    }
    let declared = serde_json::from_str::<Wire<'_>>(capabilities).ok().and_then(|wire| wire.extensions);
    declared.and_then(|extensions| extensions.tasks).is_some_and(|settings| settings.get().starts_with('{'))
}

impl fmt::Debug for ClientCapabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let declared = Question::ALL.into_iter().filter(|question| self.0 & question.bit() != 0);
        f.debug_set().entries(declared.map(Question::capability)).finish()
    }
}

/// Why a client is not asked. The text is for whoever wrote the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAskable {
    /// The client did not declare that it can be asked that.
    Undeclared(Question),
    /// The protocol revision that the client speaks has no such question.
    Unknown(Question, Revision),
    /// The parameters are not a JSON object.
    Malformed(AskMethod),
}

impl fmt::Display for NotAskable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAskable::Undeclared(question) => {
                write!(
                    f,
                    "the client cannot be asked that: it did not declare the capability `{}`",
                    question.capability()
                )
            }
            NotAskable::Unknown(question, revision) => write!(
                f,
                "the client cannot be asked that: it speaks protocol revision {}, which does not know `{}`",
                revision.name(),
                question.capability()
            ),
            NotAskable::Malformed(method) => {
                write!(f, "the parameters of `{}` are not a JSON object", method.name())
            }
        }
    }
}

impl RpcError {
    /// The answer to a call that has failed since its client did not declare that it can be asked something; `None` in a
    /// revision that has no such error. `named` is what was called.
    pub fn missing_capability(revision: Revision, named: &str, question: Question) -> Option<RpcError> {
        match revision.asked_by() {
            AskedBy::InputRequired => {}
            AskedBy::Request => return None,
        }
        let required = match question {
            Question::SampleTools | Question::SampleContext => &[Question::Sample, question][..],
            Question::ElicitForm | Question::ElicitUrl | Question::Sample | Question::ListRoots => {
                &[question]
            }
        };
        let required = ClientCapabilities::of(required).write(revision);
        let message =
            format!("`{named}` has to ask its client, which has not declared `{}`", question.capability());
        let error = RpcError::new(ErrorCode::MissingCapability, message);
        Some(error.with_data(json!({ "requiredCapabilities": required })))
    }
}

/// What a question is made of; `None` when its parameters are no JSON object that a client would take.
fn questions(ask: &Ask) -> Option<Vec<Question>> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, default)]
        mode: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "includeContext")]
        include_context: Option<&'a RawValue>,
        tools: Option<IgnoredAny>,
        #[serde(rename = "toolChoice")]
        tool_choice: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(&ask.params).ok()?;
    let params =
        text.trim_ascii().starts_with('{').then(|| serde_json::from_str::<Params<'_>>(text).ok())??;
    strict_json::check(text).ok()?;
    let is = |member: Option<&RawValue>, value: &str| member.is_some_and(|member| member.get() == value);
    Some(match ask.method {
        AskMethod::Elicit if is(params.mode, "\"url\"") => vec![Question::ElicitUrl],
        AskMethod::Elicit => vec![Question::ElicitForm],
        AskMethod::Sample => {
            let tools =
                (params.tools.is_some() || params.tool_choice.is_some()).then_some(Question::SampleTools);
            let plain = params.include_context.is_none() || is(params.include_context, "\"none\"");
            let context = (!plain).then_some(Question::SampleContext);
            [Some(Question::Sample), tools, context].into_iter().flatten().collect()
        }
        AskMethod::ListRoots => vec![Question::ListRoots],
    })
}

/// The client's answers to questions of an earlier result, and what that result gave out to find the call by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputResponses {
    /// As the client wrote it: anything at all.
    pub state: String,
    /// A JSON object for each question that is answered, by its key.
    pub responses: Vec<(String, Bytes)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: AskMethod, params: &'static str) -> Ask {
        Ask { key: None, method, params: Bytes::from_static(params.as_bytes()) }
    }

    fn declared(text: &str) -> Vec<&'static str> {
        let read = ClientCapabilities::read(text);
        assert_eq!(ClientCapabilities::from_bits(read.bits()), Some(read));
        let has = |question: &Question| read.0 & question.bit() != 0;
        Question::ALL.into_iter().filter(has).map(Question::capability).collect()
    }

    #[test]
    fn capabilities_are_read_as_the_schema_has_them_and_rubbish_declares_nothing() {
        for (text, expected) in [
            ("{}", &[][..]),
            (r#"{"elicitation":{}}"#, &["elicitation.form"]),
            (r#"{"elicitation":{"form":{}}}"#, &["elicitation.form"]),
            (r#"{"elicitation":{"url":{}}}"#, &["elicitation.url"]),
            (
                r#"{"elicitation":{"form":{"applyDefaults":true},"url":{}}}"#,
                &["elicitation.form", "elicitation.url"],
            ),
            (r#"{"elicitation":{"later":{}}}"#, &["elicitation.form"]),
            (r#"{"sampling":{}}"#, &["sampling"]),
            (
                r#"{"sampling":{"tools":{},"context":{}}}"#,
                &["sampling", "sampling.tools", "sampling.context"],
            ),
            (r#"{"roots":{"listChanged":true},"experimental":{"a":{}}}"#, &["roots"]),
            (r#"{"roots":null,"sampling":null,"elicitation":null}"#, &[]),
            (r#"{"roots":true,"sampling":[],"elicitation":"form"}"#, &[]),
            ("[]", &[]),
            ("", &[]),
            ("null", &[]),
        ] {
            assert_eq!(declared(text), expected, "{text}");
        }
        assert_eq!(ClientCapabilities::from_bits(0x80), None);
    }

    #[test]
    fn an_error_says_what_the_client_would_have_to_declare() {
        let newest = Revision::V2026_07_28;
        for (capability, required) in [
            ("elicitation.form", json!({"elicitation": {}})),
            ("elicitation.url", json!({"elicitation": {"url": {}}})),
            ("sampling", json!({"sampling": {}})),
            ("sampling.tools", json!({"sampling": {"tools": {}}})),
            ("sampling.context", json!({"sampling": {"context": {}}})),
            ("roots", json!({"roots": {}})),
        ] {
            let question = Question::from_capability(capability).expect(capability);
            let error = RpcError::missing_capability(newest, "a.b", question).expect(capability);
            assert_eq!(error.code.number(), -32021);
            assert_eq!(error.data.as_deref(), Some(&json!({"requiredCapabilities": required})));
            assert_eq!(RpcError::missing_capability(Revision::V2025_11_25, "a.b", question), None);
        }
        assert_eq!(Question::from_capability("telepathy"), None);
    }

    #[test]
    fn tasks_are_taken_by_clients_that_declare_the_extension_and_no_others() {
        for (text, declared) in [
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, true),
            (r#"{"extensions":{"a":1,"io.modelcontextprotocol/tasks":{"later":1}},"roots":{}}"#, true),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":null}}"#, false),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":true}}"#, false),
            (r#"{"extensions":["io.modelcontextprotocol/tasks"]}"#, false),
            (r#"{"io.modelcontextprotocol/tasks":{}}"#, false),
            // The experimental ones of 2025-11-25.
            (r#"{"tasks":{"list":{}}}"#, false),
            ("{}", false),
            ("tasks", false),
        ] {
            assert_eq!(takes_tasks(text), declared, "{text}");
        }
    }

    const EVERYTHING: &str =
        r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{},"context":{}},"roots":{}}"#;

    #[test]
    fn a_question_that_needs_what_was_not_declared_is_refused_by_the_capabilitys_name() {
        use AskMethod::{Elicit, ListRoots, Sample};
        let newest = Revision::V2026_07_28;
        for (asked, without, capability) in [
            (ask(Elicit, r#"{"message":"m"}"#), r#"{"elicitation":{"url":{}}}"#, "elicitation.form"),
            (ask(Elicit, r#"{"mode":"url","url":"u"}"#), r#"{"elicitation":{}}"#, "elicitation.url"),
            (ask(Sample, "{}"), r#"{"roots":{}}"#, "sampling"),
            (ask(Sample, r#"{"tools":[]}"#), r#"{"sampling":{}}"#, "sampling.tools"),
            (ask(Sample, r#"{"toolChoice":{"mode":"auto"}}"#), r#"{"sampling":{}}"#, "sampling.tools"),
            (ask(Sample, r#"{"includeContext":"thisServer"}"#), r#"{"sampling":{}}"#, "sampling.context"),
            (ask(ListRoots, "{}"), r#"{"sampling":{}}"#, "roots"),
        ] {
            let refused = ClientCapabilities::read(without).allows(newest, &asked).expect_err(capability);
            assert!(refused.to_string().ends_with(&format!("the capability `{capability}`")), "{refused}");
            assert_eq!(ClientCapabilities::read(EVERYTHING).allows(newest, &asked), Ok(()), "{capability}");
        }
        let plain = ask(Sample, r#"{"includeContext":"none"}"#);
        assert_eq!(ClientCapabilities::read(r#"{"sampling":{}}"#).allows(newest, &plain), Ok(()));
    }

    #[test]
    fn a_revision_is_never_asked_what_it_does_not_know() {
        use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};
        let everything = ClientCapabilities::read(EVERYTHING);
        let form = ask(AskMethod::Elicit, r#"{"message":"m"}"#);
        let url = ask(AskMethod::Elicit, r#"{"mode":"url"}"#);
        let tools = ask(AskMethod::Sample, r#"{"tools":[]}"#);
        let context = ask(AskMethod::Sample, r#"{"includeContext":"allServers"}"#);
        let roots = ask(AskMethod::ListRoots, "{}");
        for (revision, has_forms, has_newer) in [
            (V2024_11_05, false, false),
            (V2025_03_26, false, false),
            (V2025_06_18, true, false),
            (V2025_11_25, true, true),
            (V2026_07_28, true, true),
        ] {
            let allows = |asked| everything.allows(revision, asked).is_ok();
            assert_eq!(allows(&form), has_forms, "{revision:?}");
            assert_eq!(allows(&url), has_newer, "{revision:?}");
            assert_eq!(allows(&tools), has_newer, "{revision:?}");
            assert!(allows(&context) && allows(&roots), "{revision:?}");
        }
        let refused = everything.allows(V2024_11_05, &form).unwrap_err().to_string();
        assert!(
            refused.contains("revision 2024-11-05") && refused.contains("`elicitation.form`"),
            "{refused}"
        );
        // Before there was a capability for it, whoever takes completions takes them with context.
        let plain = ClientCapabilities::read(r#"{"sampling":{}}"#);
        assert_eq!(plain.allows(V2025_06_18, &context), Ok(()));
    }

    #[test]
    fn parameters_that_no_client_could_take_are_not_sent() {
        let everything = ClientCapabilities::read(EVERYTHING);
        for params in ["", "null", "[]", "{", "{}}", "\"a\"", r#"{"a":1,"a":2}"#, "{\"a\":\"\\ud800\"}"] {
            let refused = everything.allows(Revision::V2026_07_28, &ask(AskMethod::ListRoots, params));
            assert_eq!(refused, Err(NotAskable::Malformed(AskMethod::ListRoots)), "{params}");
        }
    }
}
