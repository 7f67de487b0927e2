//! Answers and notifications as bytes, in the shape of the revision that asked.

mod tasks;

use std::io::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use omni_call::{Ask, CallResult, Completion, LogLevel, PromptMessages, ResourceContents, ToolResult};
use serde::Serialize;
use serde_json::{Value, json};

use crate::content::{AdaptedResult, CacheHints};
use crate::content_part::ContentPart;
use crate::error::{ErrorCode, RpcError};
use crate::message::Id;
use crate::method::Method;
use crate::request::{
    ItemKind, ListKind, ListKinds, RESOURCE_SUBSCRIPTIONS, ServerCapabilities, SubscriptionFilter,
    TASK_SUBSCRIPTIONS,
};
use crate::revision::{ResultEnvelope, Revision};
use crate::task::TASKS_EXTENSION;

/// Content above this many bytes is sent from where it lies instead of being copied into the reply.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// How long a client may keep a list, in milliseconds. There is no push of changes to a client that does
/// not subscribe, so the time is short.
const LIST_TTL_MS: u32 = 60_000;

/// Skills over MCP, whose methods are `skills/list`, `skills/get` and `resources/directory/read`.
const SKILLS_EXTENSION: &str = "io.modelcontextprotocol/skills";
/// … and of that for apps.
const APPS_EXTENSION: &str = "io.modelcontextprotocol/ui";

/// Ties a message to the `subscriptions/listen` it belongs to.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// One frame for a client, in parts so that large bodies are never copied. Most frames are a head alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    pub head: Bytes,
    pub body: Bytes,
    /// Between a body and a second one.
    pub middle: Bytes,
    pub second: Bytes,
    pub tail: Bytes,
    /// Of an error: which, since HTTP has a status for some.
    pub error: Option<ErrorCode>,
}

impl Frame {
    fn whole(head: impl Into<Bytes>) -> Frame {
        Frame { head: head.into(), ..Frame::default() }
    }

    pub fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the head is all there is.
    pub fn is_whole(&self) -> bool {
        [&self.body, &self.middle, &self.second, &self.tail].iter().all(|part| part.is_empty())
    }

    /// In the order of the text. Some are empty.
    pub fn parts(&self) -> [&[u8]; 5] {
        [&self.head, &self.body, &self.middle, &self.second, &self.tail]
    }

    /// The parts that hold something, in the order of the text.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        let Frame { head, body, middle, second, tail, error: _ } = self;
        [head, body, middle, second, tail].into_iter().filter(|part| !part.is_empty())
    }

    /// The frame in one piece; copies only when it has several parts.
    pub fn into_bytes(self) -> Bytes {
        if self.is_whole() {
            return self.head;
        }
        self.parts().concat().into()
    }
}

/// Who we say we are (`Implementation` in the schema).
#[derive(Clone, Debug, Serialize)]
pub struct Implementation {
    pub name: String,
    pub title: String,
    pub version: String,
}

/// Who may be given what one client was given, by whoever keeps it (`cacheScope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Everybody.
    Public,
    /// That client alone.
    Private,
}

impl CacheScope {
    fn name(self) -> &'static str {
        match self {
            CacheScope::Public => "public",
            CacheScope::Private => "private",
        }
    }
}

/// What a client is told of keeping a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCache {
    /// Who else may be given it.
    pub scope: CacheScope,
    /// It is known to be what there is. One that is not, such as a list of the last time, is to be asked for again at once.
    pub is_settled: bool,
}

impl ListCache {
    fn ttl_ms(self) -> u32 {
        if self.is_settled { LIST_TTL_MS } else { 0 }
    }
}

/// Writes answers. Holds what is the same in all of them, serialised once.
#[derive(Debug)]
pub struct Encoder {
    /// The server as JSON.
    server: String,
    /// The same for revisions that have no titles.
    untitled_server: String,
    list_changed: ListKinds,
    /// The `_meta` of every modern result, up to and including our name.
    modern_meta: String,
}

/// What kind of result a modern one says that it is (`resultType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResultType {
    Complete,
    /// Something is missing, which the client is asked for.
    InputRequired,
    /// It goes on as a task.
    Task,
}

impl ResultType {
    fn name(self) -> &'static str {
        match self {
            ResultType::Complete => "complete",
            ResultType::InputRequired => "input_required",
            ResultType::Task => "task",
        }
    }
}

impl Encoder {
    /// `list_changed` are the lists whose changes clients can hear of.
    pub fn new(server: &Implementation, list_changed: ListKinds) -> Self {
        let untitled_server = json!({"name": server.name, "version": server.version}).to_string();
        let server = json!(server).to_string();
        let modern_meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{server}"#);
        Encoder { server, untitled_server, list_changed, modern_meta }
    }

    /// The answer to `initialize`, by a server that offers this. `instructions` are for the client's model.
    pub fn initialize_result(
        &self,
        id: &Id,
        agreed: Revision,
        offers: ServerCapabilities,
        instructions: Option<&str>,
    ) -> Frame {
        let mut out = self.open(id, agreed, 512, None);
        comma(&mut out);
        let version = agreed.name();
        let server =
            if agreed.has_content(ContentPart::Title) { &self.server } else { &self.untitled_server };
        put(
            &mut out,
            format_args!(
                r#""protocolVersion":"{version}","capabilities":{},"serverInfo":{server}"#,
                capabilities(offers, self.list_changed, agreed)
            ),
        );
        if agreed.has_instructions() {
            put_instructions(&mut out, instructions);
        }
        close(out)
    }

    /// The answer to `server/discover`, by a server that offers this. `instructions` are for the client's model.
    pub fn discover_result(
        &self,
        id: &Id,
        revision: Revision,
        offers: ServerCapabilities,
        instructions: Option<&str>,
        keep: ListCache,
    ) -> Frame {
        let mut out = self.open(id, revision, 512, None);
        comma(&mut out);
        put(
            &mut out,
            format_args!(
                r#""supportedVersions":{},"capabilities":{},"ttlMs":{},"cacheScope":"{}""#,
                json!(Revision::modern_names()),
                capabilities(offers, self.list_changed, revision),
                keep.ttl_ms(),
                keep.scope.name()
            ),
        );
        put_instructions(&mut out, instructions);
        close(out)
    }

    /// A result with nothing in it (`ping`, `logging/setLevel`).
    pub fn empty_result(&self, id: &Id, revision: Revision) -> Frame {
        close(self.open(id, revision, 64, None))
    }

    /// One page of `tools/list`. `tools` is a JSON array that was serialised when the catalogue was read;
    /// it is sent as it is.
    pub fn list_tools_result(
        &self,
        id: &Id,
        revision: Revision,
        tools: Bytes,
        next_cursor: Option<&str>,
        keep: ListCache,
    ) -> Frame {
        self.list((id, revision), "tools", tools, next_cursor, keep)
    }

    /// One page of a list of resources, templates or prompts: a JSON array of what `revision` knows of them.
    pub fn list_items_result(
        &self,
        id: &Id,
        revision: Revision,
        kind: ItemKind,
        items: Bytes,
        next_cursor: Option<&str>,
        keep: ListCache,
    ) -> Frame {
        self.list((id, revision), kind.member(), items, next_cursor, keep)
    }

    /// One page of `skills/list`: a JSON array of entries.
    pub fn list_skills_result(
        &self,
        id: &Id,
        revision: Revision,
        skills: Bytes,
        next_cursor: Option<&str>,
        keep: ListCache,
    ) -> Frame {
        self.list((id, revision), "skills", skills, next_cursor, keep)
    }

    /// The answer to `skills/get`. `skill` is its entry, a JSON object.
    pub fn get_skill_result(&self, id: &Id, revision: Revision, skill: Bytes, keep: ListCache) -> Frame {
        self.list((id, revision), "skill", skill, None, keep)
    }

    /// The answer to `resources/directory/read`: a JSON array of resources. What it shows is of the moment. The extension has it
    /// say nothing of how long that holds, but Inspector takes no answer that does not.
    pub fn read_directory_result(&self, id: &Id, revision: Revision, children: Bytes) -> Frame {
        let mut head = self.open(id, revision, 128, None);
        comma(&mut head);
        if revision.has_cache_hints() {
            put(&mut head, format_args!(r#""ttlMs":0,"cacheScope":"{}","#, CacheScope::Private.name()));
        }
        head.put_slice(br#""resources":"#);
        with_body(head, children)
    }

    fn list(
        &self,
        (id, revision): (&Id, Revision),
        member: &str,
        items: Bytes,
        next_cursor: Option<&str>,
        keep: ListCache,
    ) -> Frame {
        let mut head = self.open(id, revision, 256, None);
        comma(&mut head);
        if revision.has_cache_hints() {
            let (ttl_ms, scope) = (keep.ttl_ms(), keep.scope.name());
            put(&mut head, format_args!(r#""ttlMs":{ttl_ms},"cacheScope":"{scope}","#));
        }
        if let Some(cursor) = next_cursor {
            put(&mut head, format_args!(r#""nextCursor":{},"#, json!(cursor)));
        }
        put(&mut head, format_args!(r#""{member}":"#));
        with_body(head, items)
    }

    /// The answer to `resources/read`. `contents` is a JSON array.
    fn read_resource_result(
        &self,
        id: &Id,
        revision: Revision,
        contents: Bytes,
        meta: Option<&[u8]>,
        cache: CacheHints,
    ) -> Frame {
        let mut head = self.open(id, revision, 256, meta);
        comma(&mut head);
        if revision.has_cache_hints() {
            let (ttl_ms, scope) = (cache.ttl_ms, if cache.public { "public" } else { "private" });
            put(&mut head, format_args!(r#""ttlMs":{ttl_ms},"cacheScope":"{scope}","#));
        }
        head.put_slice(br#""contents":"#);
        with_body(head, contents)
    }

    /// The answer to `prompts/get`. `messages` is a JSON array.
    fn get_prompt_result(
        &self,
        id: &Id,
        revision: Revision,
        description: Option<&str>,
        messages: Bytes,
        meta: Option<&[u8]>,
    ) -> Frame {
        let mut head = self.open(id, revision, 256, meta);
        comma(&mut head);
        if let Some(description) = description {
            put(&mut head, format_args!(r#""description":{},"#, json!(description)));
        }
        head.put_slice(br#""messages":"#);
        with_body(head, messages)
    }

    /// The first message of a subscription: what it will tell of.
    pub fn listen_acknowledged(&self, subscription: &Id, honoured: &SubscriptionFilter) -> Frame {
        let mut out = notification("subscriptions/acknowledged", Some(subscription));
        out.put_slice(br#","notifications":{"#);
        for kind in honoured.lists.iter() {
            comma(&mut out);
            put(&mut out, format_args!(r#""{}":true"#, kind.filter_member()));
        }
        if !honoured.resources.is_empty() {
            comma(&mut out);
            put(&mut out, format_args!(r#""{RESOURCE_SUBSCRIPTIONS}":{}"#, json!(honoured.resources)));
        }
        if !honoured.tasks.is_empty() {
            comma(&mut out);
            put(&mut out, format_args!(r#""{TASK_SUBSCRIPTIONS}":{}"#, json!(honoured.tasks)));
        }
        out.put_u8(b'}');
        close(out)
    }

    /// The last message of a subscription that the server ends.
    pub fn listen_result(&self, subscription: &Id, revision: Revision) -> Frame {
        let meta = [br#"{""#, SUBSCRIPTION.as_bytes(), br#"":"#, subscription.as_json(), b"}"].concat();
        close(self.open(subscription, revision, 64, Some(&meta)))
    }

    /// `notifications/…/list_changed`, for a subscription or for a legacy session.
    pub fn list_changed_notification(&self, kind: ListKind, subscription: Option<&Id>) -> Frame {
        let method = match kind {
            ListKind::Tools => "tools/list_changed",
            ListKind::Resources => "resources/list_changed",
            ListKind::Prompts => "prompts/list_changed",
        };
        close(notification(method, subscription))
    }

    /// `notifications/resources/updated`, for a subscription or for a legacy session.
    pub fn resource_updated_notification(&self, uri: &str, subscription: Option<&Id>) -> Frame {
        let mut out = notification("resources/updated", subscription);
        comma(&mut out);
        put(&mut out, format_args!(r#""uri":{}"#, json!(uri)));
        close(out)
    }

    /// The answer to a call of whatever kind, for the revision that it was adapted to.
    pub fn call_result(&self, id: &Id, adapted: &AdaptedResult) -> Frame {
        let AdaptedResult { revision, result, cache } = adapted;
        let revision = *revision;
        match result {
            CallResult::Tool(result) => self.tool_result(id, revision, result),
            CallResult::Resource(ResourceContents { contents, meta }) => {
                self.read_resource_result(id, revision, contents.clone(), meta.as_deref(), *cache)
            }
            CallResult::Prompt(PromptMessages { description, messages, meta }) => self.get_prompt_result(
                id,
                revision,
                description.as_deref(),
                messages.clone(),
                meta.as_deref(),
            ),
            CallResult::Completion(completion) => self.complete_result(id, revision, completion),
        }
    }

    /// The answer to `completion/complete`.
    fn complete_result(&self, id: &Id, revision: Revision, completion: &Completion) -> Frame {
        let mut out = self.open(id, revision, 64 + completion.values.len(), completion.meta.as_deref());
        comma(&mut out);
        out.put_slice(br#""completion":"#);
        out.put_slice(&completion.to_json());
        close(out)
    }

    /// The answer to `tools/call`.
    fn tool_result(&self, id: &Id, revision: Revision, result: &ToolResult) -> Frame {
        let structured = result.structured.as_ref();
        let copied = [Some(&result.content), structured].into_iter().flatten().map(Bytes::len);
        let copied = copied.filter(|length| *length <= COPY_BYTES_MAX).sum();
        let mut head = self.open(id, revision, copied, result.meta.as_deref());
        comma(&mut head);
        if result.is_error {
            head.put_slice(br#""isError":true,"#);
        }
        if let Some(structured) = structured {
            head.put_slice(br#""structuredContent":"#);
            if structured.len() > COPY_BYTES_MAX {
                let frame = Frame { head: head.freeze(), body: structured.clone(), ..Frame::default() };
                return with_content(frame, result.content.clone());
            }
            head.put_slice(structured);
            head.put_u8(b',');
        }
        head.put_slice(br#""content":"#);
        if result.content.len() > COPY_BYTES_MAX {
            return with_body(head, result.content.clone());
        }
        head.put_slice(&result.content);
        close(head)
    }

    /// The answer to a request that cannot go on without these answers. `questions` are all that is open, each under a
    /// key of ours; `state` comes back with the answers.
    pub fn input_required<'a>(
        &self,
        id: &Id,
        revision: Revision,
        questions: impl Iterator<Item = (&'a str, &'a Ask)>,
        state: &str,
    ) -> Frame {
        let mut out = self.open_as(ResultType::InputRequired, id, revision, 512, None);
        comma(&mut out);
        out.put_slice(br#""inputRequests":"#);
        put_questions(&mut out, revision, questions);
        put(&mut out, format_args!(r#","requestState":{}"#, json!(state)));
        close(out)
    }

    /// A question as a request of ours, in the shape of the client's revision.
    pub fn ask(&self, id: &Id, revision: Revision, ask: &Ask) -> Frame {
        let params = revision.ask_params(ask, id.as_json());
        let mut out = BytesMut::with_capacity(96 + id.as_json().len() + params.len());
        out.put_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.put_slice(id.as_json());
        put(&mut out, format_args!(r#","method":"{}","params":"#, ask.method.name()));
        put_line(&mut out, &params);
        out.put_u8(b'}');
        Frame::whole(out)
    }

    /// Takes a request of ours back. `reason` is for the client's log.
    pub fn cancelled_notification(&self, request: &Id, reason: &str) -> Frame {
        let mut out = notification("cancelled", None);
        out.put_slice(br#""requestId":"#);
        out.put_slice(request.as_json());
        put(&mut out, format_args!(r#","reason":{}"#, json!(reason)));
        close(out)
    }

    /// `notifications/progress`. `token` is the JSON text the client chose.
    pub fn progress_notification(
        &self,
        revision: Revision,
        token: &[u8],
        value: f64,
        total: Option<f64>,
        message: Option<&str>,
    ) -> Frame {
        let mut out = BytesMut::with_capacity(192);
        out.put_slice(br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#);
        out.put_slice(token);
        put(&mut out, format_args!(r#","progress":{}"#, json!(value)));
        if let Some(total) = total {
            put(&mut out, format_args!(r#","total":{}"#, json!(total)));
        }
        if let Some(message) = message.filter(|_| revision.has_progress_message()) {
            put(&mut out, format_args!(r#","message":{}"#, json!(message)));
        }
        out.put_slice(b"}}");
        Frame::whole(out)
    }

    /// `notifications/message`. `data` is JSON text.
    pub fn log_notification(&self, level: LogLevel, logger: Option<&str>, data: &[u8]) -> Frame {
        let mut out = BytesMut::with_capacity(128 + data.len());
        put(
            &mut out,
            format_args!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{}""#,
                level.name()
            ),
        );
        if let Some(logger) = logger {
            put(&mut out, format_args!(r#","logger":{}"#, json!(logger)));
        }
        out.put_slice(br#","data":"#);
        out.put_slice(data);
        out.put_slice(b"}}");
        Frame::whole(out)
    }

    /// Opens a result: envelope, and for modern revisions `resultType` and `_meta` with our name and the
    /// members of `meta`. Ends inside the result object, after a complete member or its open brace.
    fn open(&self, id: &Id, revision: Revision, extra: usize, meta: Option<&[u8]>) -> BytesMut {
        self.open_as(ResultType::Complete, id, revision, extra, meta)
    }

    fn open_as(
        &self,
        result_type: ResultType,
        id: &Id,
        revision: Revision,
        extra: usize,
        meta: Option<&[u8]>,
    ) -> BytesMut {
        let meta = meta.map(|meta| meta.trim_ascii()).filter(|meta| meta.len() > 2);
        let meta_bytes = meta.map_or(0, <[u8]>::len);
        let mut out =
            BytesMut::with_capacity(128 + id.as_json().len() + self.modern_meta.len() + extra + meta_bytes);
        out.put_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.put_slice(id.as_json());
        out.put_slice(br#","result":{"#);
        match (revision.result_envelope(), meta) {
            (ResultEnvelope::Typed, meta) => {
                out.put_slice(br#""resultType":""#);
                out.put_slice(result_type.name().as_bytes());
                out.put_slice(br#"","#);
                out.put_slice(self.modern_meta.as_bytes());
                if let Some(meta) = meta {
                    out.put_u8(b',');
                    out.put_slice(&meta[1..meta.len() - 1]);
                }
                out.put_u8(b'}');
            }
            (ResultEnvelope::Plain, Some(meta)) => {
                out.put_slice(br#""_meta":"#);
                out.put_slice(meta);
            }
            (ResultEnvelope::Plain, None) => {}
        }
        out
    }
}

fn put_instructions(out: &mut BytesMut, instructions: Option<&str>) {
    if let Some(instructions) = instructions {
        put(out, format_args!(r#","instructions":{}"#, json!(instructions)));
    }
}

/// What a server declares in either era: features it has, and of those the lists whose changes it tells. The first
/// revision has completions and no word for them; servers may declare what it does not know. Extensions are declared
/// where the revision has a place for them.
fn capabilities(offers: ServerCapabilities, list_changed: ListKinds, revision: Revision) -> String {
    let mut members = serde_json::Map::from_iter([("logging".to_owned(), json!({}))]);
    for kind in ListKind::ALL {
        let offered = match kind {
            ListKind::Tools => true,
            ListKind::Resources => offers.resources,
            ListKind::Prompts => offers.prompts,
        };
        if offered {
            let mut declared = if list_changed.has(kind) { json!({"listChanged": true}) } else { json!({}) };
            if kind == ListKind::Resources && offers.subscribe {
                declared["subscribe"] = true.into();
            }
            members.insert(kind.feature().to_owned(), declared);
        }
    }
    if offers.completions {
        members.insert("completions".to_owned(), json!({}));
    }
    let tasks = offers.tasks && revision.has_method(Method::GetTask);
    if revision.has_extensions() && (offers.skills || offers.apps || tasks) {
        let mut declared = serde_json::Map::new();
        if tasks {
            declared.insert(TASKS_EXTENSION.to_owned(), json!({}));
        }
        if offers.skills {
            declared.insert(SKILLS_EXTENSION.to_owned(), json!({"directoryRead": true}));
        }
        // What a server of apps could set is nothing, so far.
        if offers.apps {
            declared.insert(APPS_EXTENSION.to_owned(), json!({}));
        }
        members.insert("extensions".to_owned(), declared.into());
    }
    Value::Object(members).to_string()
}

/// Longest message of an error.
const MESSAGE_BYTES_MAX: usize = 2_000;

/// A JSON-RPC error. Without an id (one that could not be read) the member is left out: MCP's schema, unlike
/// JSON-RPC 2.0, has no null there.
///
/// The message is cut at 2,000 bytes: much of it can be the peer's own words.
pub fn error_frame(id: Option<&Id>, error: &RpcError) -> Frame {
    let message = &error.message[..error.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    let mut body = json!({ "code": error.code.number(), "message": message });
    if let (Some(data), Some(object)) = (&error.data, body.as_object_mut()) {
        object.insert("data".into(), Value::clone(data));
    }
    let body = body.to_string();
    let mut out = BytesMut::with_capacity(48 + id.map_or(0, |id| id.as_json().len()) + body.len());
    out.put_slice(br#"{"jsonrpc":"2.0","#);
    if let Some(id) = id {
        out.put_slice(br#""id":"#);
        out.put_slice(id.as_json());
        out.put_u8(b',');
    }
    out.put_slice(br#""error":"#);
    out.put_slice(body.as_bytes());
    out.put_u8(b'}');
    Frame { error: Some(error.code), ..Frame::whole(out) }
}

/// Opens a notification; ends inside `params`, which is there even when it stays empty.
fn notification(method: &str, subscription: Option<&Id>) -> BytesMut {
    let mut out = BytesMut::with_capacity(192);
    put(&mut out, format_args!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"#));
    if let Some(id) = subscription {
        put(&mut out, format_args!(r#""_meta":{{"{SUBSCRIPTION}":"#));
        out.put_slice(id.as_json());
        out.put_u8(b'}');
    }
    out
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    out.writer().write_fmt(text).expect("writing to memory does not fail");
}

/// Writes a JSON text of somebody else's on one line: between its tokens it may have breaks, which would end ours.
fn put_line(out: &mut BytesMut, json: &[u8]) {
    match json.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        false => out.put_slice(json),
        true => out.extend(json.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte })),
    }
}

/// The questions that are open, each under its key: a JSON object.
fn put_questions<'a>(
    out: &mut BytesMut,
    revision: Revision,
    questions: impl Iterator<Item = (&'a str, &'a Ask)>,
) {
    out.put_u8(b'{');
    for (key, ask) in questions {
        comma(out);
        let key = json!(key).to_string();
        put(out, format_args!(r#"{key}:{{"method":"{}","params":"#, ask.method.name()));
        put_line(out, &revision.ask_params(ask, key.as_bytes()));
        out.put_u8(b'}');
    }
    out.put_u8(b'}');
}

/// Separates the next member from the ones before it, if there are any.
fn comma(out: &mut BytesMut) {
    if out.last() != Some(&b'{') {
        out.put_u8(b',');
    }
}

/// A result that ends with a member whose value is sent from where it lies.
fn with_body(head: BytesMut, body: Bytes) -> Frame {
    Frame { head: head.freeze(), body, tail: Bytes::from_static(b"}}"), ..Frame::default() }
}

/// A result whose body is structured content, and content as well.
fn with_content(frame: Frame, content: Bytes) -> Frame {
    let (middle, tail) = (Bytes::from_static(br#","content":"#), Bytes::from_static(b"}}"));
    Frame { middle, second: content, tail, ..frame }
}

/// Ends result and envelope.
fn close(mut out: BytesMut) -> Frame {
    out.put_slice(b"}}");
    Frame::whole(out)
}

#[cfg(test)]
mod tests {
    use omni_call::AskMethod;

    use super::*;

    fn encoder() -> Encoder {
        let server = Implementation { name: "omni".into(), title: "omni".into(), version: "1".into() };
        Encoder::new(&server, only(&[ListKind::Tools]))
    }

    fn only(kinds: &[ListKind]) -> ListKinds {
        kinds.iter().copied().collect()
    }

    fn id() -> Id {
        Id::parse(&Bytes::from_static(b"\"a\"")).unwrap()
    }

    fn parsed(frame: Frame) -> serde_json::Value {
        serde_json::from_slice(&frame.into_bytes()).expect("a frame is JSON")
    }

    fn called(revision: Revision, result: CallResult) -> Frame {
        encoder().call_result(&id(), &revision.adapt(result))
    }

    fn result(structured: Option<&'static str>, meta: Option<&'static str>) -> ToolResult {
        ToolResult {
            content: Bytes::from_static(b"[]"),
            structured: structured.map(Bytes::from),
            meta: meta.map(Bytes::from),
            is_error: false,
        }
    }

    #[test]
    fn a_modern_result_names_its_type_and_the_server_and_keeps_the_tools_meta() {
        let frame = called(Revision::V2026_07_28, result(Some("[1]"), Some(r#"{"k":1}"#)).into());
        assert_eq!(
            parsed(frame)["result"],
            json!({
                "resultType": "complete",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "omni", "title": "omni", "version": "1"}, "k": 1},
                "structuredContent": [1],
                "content": [],
            })
        );
    }

    #[test]
    fn older_revisions_never_see_members_that_came_later() {
        let result = result(Some("[1]"), None);
        for revision in [Revision::V2024_11_05, Revision::V2025_06_18] {
            let frame = called(revision, result.clone().into());
            let said = json!([{"type": "text", "text": "[1]"}]);
            assert_eq!(parsed(frame)["result"], json!({"content": said}), "{revision:?}");
        }
        let first = parsed(encoder().initialize_result(
            &id(),
            Revision::V2024_11_05,
            ServerCapabilities::default(),
            Some("be kind"),
        ));
        assert_eq!(first["result"].get("instructions"), None);
        assert_eq!(first["result"].get("resultType"), None);
        let progress = encoder().progress_notification(Revision::V2024_11_05, b"1", 0.5, None, Some("half"));
        assert_eq!(parsed(progress)["params"], json!({"progressToken": 1, "progress": 0.5}));
    }

    #[test]
    fn large_content_is_not_copied_and_still_one_json_text() {
        let text = format!(r#"[{{"type":"text","text":"{}"}}]"#, "x".repeat(COPY_BYTES_MAX));
        let content = Bytes::from(text);
        let result = ToolResult { content: content.clone(), structured: None, meta: None, is_error: true };
        let frame = called(Revision::V2025_11_25, result.into());
        assert_eq!(frame.body.as_ptr(), content.as_ptr());
        assert_eq!(parsed(frame)["result"]["isError"], true);
    }

    #[test]
    fn large_structured_content_is_not_copied_either() {
        let large = |n: usize| format!(r#"["{}"]"#, "x".repeat(n));
        for content in ["[]".to_owned(), large(COPY_BYTES_MAX)] {
            let structured = Bytes::from(format!(r#"{{"a":{}}}"#, large(COPY_BYTES_MAX)));
            let result = ToolResult {
                content: content.clone().into(),
                structured: Some(structured.clone()),
                meta: None,
                is_error: false,
            };
            let frame = called(Revision::V2025_11_25, result.into());
            assert_eq!(frame.body.as_ptr(), structured.as_ptr());
            let parsed = parsed(frame);
            assert_eq!(parsed["result"]["content"].to_string(), content);
            assert_eq!(parsed["result"]["structuredContent"].to_string().as_bytes(), &structured[..]);
        }
    }

    const SETTLED: ListCache = ListCache { scope: CacheScope::Public, is_settled: true };

    #[test]
    fn a_list_page_carries_its_cursor_and_the_modern_cache_hints() {
        let tools = Bytes::from_static(br#"[{"name":"a"}]"#);
        let modern = parsed(encoder().list_tools_result(
            &id(),
            Revision::V2026_07_28,
            tools.clone(),
            Some("n"),
            SETTLED,
        ));
        assert_eq!(modern["result"]["ttlMs"], LIST_TTL_MS);
        assert_eq!(modern["result"]["cacheScope"], "public");
        assert_eq!(modern["result"]["nextCursor"], "n");
        let unsettled = ListCache { is_settled: false, ..SETTLED };
        let frame = encoder().list_tools_result(&id(), Revision::V2026_07_28, tools.clone(), None, unsettled);
        assert_eq!(parsed(frame)["result"]["ttlMs"], 0);
        let legacy = parsed(encoder().list_tools_result(
            &id(),
            Revision::V2025_11_25,
            tools,
            None,
            ListCache { scope: CacheScope::Private, is_settled: false },
        ));
        assert_eq!(legacy["result"], json!({"tools": [{"name": "a"}]}));
    }

    #[test]
    fn only_offered_features_are_announced_in_either_era() {
        let server = Implementation { name: "omni".into(), title: "omni".into(), version: "1".into() };
        for (resources, prompts, completions) in
            [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
        {
            let list_changed = only(&[ListKind::Tools, ListKind::Prompts]);
            let encoder = Encoder::new(&server, list_changed);
            let offers =
                ServerCapabilities { resources, prompts, completions, ..ServerCapabilities::default() };
            for frame in [
                encoder.initialize_result(&id(), Revision::V2024_11_05, offers, None),
                encoder.discover_result(&id(), Revision::V2026_07_28, offers, None, SETTLED),
            ] {
                let capabilities = parsed(frame)["result"]["capabilities"].clone();
                assert_eq!(capabilities["tools"], json!({"listChanged": true}));
                let has = |feature| capabilities.get(feature).is_some();
                assert_eq!((has("resources"), has("prompts")), (resources, prompts), "{capabilities}");
                assert_eq!(capabilities.get("completions"), completions.then(|| json!({})).as_ref());
                // What never tells of a change does not say that it will.
                assert_eq!(capabilities["resources"].get("listChanged"), None);
                assert!(!prompts || capabilities["prompts"] == json!({"listChanged": true}));
            }
        }
    }

    #[test]
    fn that_single_resources_can_be_subscribed_to_is_declared_with_resources() {
        let server = Implementation { name: "omni".into(), title: "omni".into(), version: "1".into() };
        let encoder = Encoder::new(&server, only(&[ListKind::Resources]));
        for (resources, declared) in
            [(true, json!({"listChanged": true, "subscribe": true})), (false, Value::Null)]
        {
            let offers = ServerCapabilities { resources, subscribe: true, ..ServerCapabilities::default() };
            for frame in [
                encoder.initialize_result(&id(), Revision::V2024_11_05, offers, None),
                encoder.discover_result(&id(), Revision::V2026_07_28, offers, None, SETTLED),
            ] {
                assert_eq!(parsed(frame)["result"]["capabilities"]["resources"], declared);
            }
        }
    }

    #[test]
    fn every_message_of_a_subscription_carries_its_id_and_a_legacy_one_none() {
        let key = "io.modelcontextprotocol/subscriptionId";
        let filter = |kinds: &[ListKind], resources: &[&str]| SubscriptionFilter {
            lists: only(kinds),
            resources: resources.iter().map(ToString::to_string).collect(),
            tasks: Vec::new(),
        };
        let wanted = filter(&[ListKind::Prompts, ListKind::Tools], &["a:b", "a:\"c\""]);
        let acknowledged = parsed(encoder().listen_acknowledged(&id(), &wanted));
        let resources = json!(["a:b", "a:\"c\""]);
        let honoured =
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": resources});
        assert_eq!(acknowledged["params"], json!({"_meta": {key: "a"}, "notifications": honoured}));
        let only_resources = parsed(encoder().listen_acknowledged(&id(), &filter(&[], &["a:b"])));
        assert_eq!(only_resources["params"]["notifications"], json!({"resourceSubscriptions": ["a:b"]}));
        let tasks = SubscriptionFilter { tasks: vec!["t1".into()], ..filter(&[], &[]) };
        let only_tasks = parsed(encoder().listen_acknowledged(&id(), &tasks));
        assert_eq!(only_tasks["params"]["notifications"], json!({"taskIds": ["t1"]}));
        let nothing = parsed(encoder().listen_acknowledged(&id(), &filter(&[], &[])));
        assert_eq!(nothing["params"]["notifications"], json!({}));
        for (kind, method) in [
            (ListKind::Tools, "notifications/tools/list_changed"),
            (ListKind::Resources, "notifications/resources/list_changed"),
            (ListKind::Prompts, "notifications/prompts/list_changed"),
        ] {
            let changed = parsed(encoder().list_changed_notification(kind, Some(&id())));
            assert_eq!(changed["method"], method);
            assert_eq!(changed["params"], json!({"_meta": {key: "a"}}));
            assert_eq!(parsed(encoder().list_changed_notification(kind, None))["params"], json!({}));
        }
        for (subscription, params) in
            [(Some(id()), json!({"_meta": {key: "a"}, "uri": "a:\"b"})), (None, json!({"uri": "a:\"b"}))]
        {
            let updated = parsed(encoder().resource_updated_notification("a:\"b", subscription.as_ref()));
            assert_eq!(updated["method"], "notifications/resources/updated");
            assert_eq!(updated["params"], params);
        }
        let ended = parsed(encoder().listen_result(&id(), Revision::V2026_07_28));
        assert_eq!((&ended["id"], &ended["result"]["_meta"][key]), (&json!("a"), &json!("a")));
    }

    #[test]
    fn read_resources_and_prompts_carry_what_the_revision_knows() {
        let contents = Bytes::from_static(br#"[{"uri":"x:1","text":"t"}]"#);
        let resource = CallResult::Resource(ResourceContents { contents, meta: None });
        let legacy = called(Revision::V2025_11_25, resource.clone());
        assert_eq!(parsed(legacy)["result"], json!({"contents": [{"uri": "x:1", "text": "t"}]}));
        let modern = parsed(called(Revision::V2026_07_28, resource));
        assert_eq!(modern["result"]["cacheScope"], "private");
        let messages = PromptMessages {
            description: Some("d".into()),
            messages: Bytes::from_static(b"[]"),
            meta: Some(Bytes::from_static(br#"{"k":1}"#)),
        };
        let prompt = called(Revision::V2024_11_05, CallResult::Prompt(messages));
        assert_eq!(parsed(prompt)["result"], json!({"description": "d", "messages": [], "_meta": {"k": 1}}));
        let items = Bytes::from_static(br#"[{"name":"p"}]"#);
        let list = parsed(encoder().list_items_result(
            &id(),
            Revision::V2024_11_05,
            ItemKind::Prompt,
            items,
            Some("1.a"),
            SETTLED,
        ));
        assert_eq!(list["result"], json!({"prompts": [{"name": "p"}], "nextCursor": "1.a"}));
    }

    fn ask(method: AskMethod, params: &'static str) -> Ask {
        Ask { key: None, method, params: Bytes::from_static(params.as_bytes()) }
    }

    #[test]
    fn what_is_missing_stands_under_its_key_with_the_state_and_no_request_of_ours_is_sent() {
        let questions = [ask(AskMethod::Elicit, "{\r\n\"mode\":\"form\"}"), ask(AskMethod::ListRoots, "{}")];
        let keyed = ["q1", "q2"].into_iter().zip(&questions);
        let frame = encoder().input_required(&id(), Revision::V2026_07_28, keyed, "sealed");
        assert!(!frame.head.iter().any(u8::is_ascii_control), "one line");
        assert_eq!(
            parsed(frame)["result"],
            json!({
                "resultType": "input_required",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "omni", "title": "omni", "version": "1"}},
                "inputRequests": {
                    "q1": {"method": "elicitation/create", "params": {"mode": "form"}},
                    "q2": {"method": "roots/list", "params": {}},
                },
                "requestState": "sealed",
            })
        );
    }

    #[test]
    fn a_request_of_ours_has_the_shape_of_the_clients_revision() {
        let form = ask(AskMethod::Elicit, "{\"mode\":\"form\",\n\"message\":\"m\"}");
        let url = ask(AskMethod::Elicit, r#"{"mode":"url","url":"https://a"}"#);
        let sent = |revision, asked: &Ask| parsed(encoder().ask(&id(), revision, asked));
        let older = sent(Revision::V2025_06_18, &form);
        assert_eq!(
            older,
            json!({"jsonrpc": "2.0", "id": "a", "method": "elicitation/create", "params": {"message": "m"}})
        );
        let newer = sent(Revision::V2025_11_25, &form);
        assert_eq!(newer["params"], json!({"mode": "form", "message": "m"}));
        let page = sent(Revision::V2025_11_25, &url);
        assert_eq!(page["params"], json!({"mode": "url", "url": "https://a", "elicitationId": "a"}));
        let taken_back = parsed(encoder().cancelled_notification(&id(), "done"));
        assert_eq!(taken_back["method"], "notifications/cancelled");
        assert_eq!(taken_back["params"], json!({"requestId": "a", "reason": "done"}));
    }

    #[test]
    fn an_error_without_a_readable_id_has_none() {
        let frame = error_frame(None, &RpcError::new(crate::ErrorCode::ParseError, "no"));
        assert_eq!(parsed(frame), json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "no"}}));
    }
}
