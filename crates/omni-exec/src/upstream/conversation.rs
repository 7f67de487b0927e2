//! An open conversation with another server, and what may be asked in it.

use std::time::Instant;

use bytes::Bytes;
use omni_call::{Answer, AskRefusal, CallPort, Deadline, LogLevel, NoClient, ToolResult, Wants};
use omni_protocol::client::{
    Agreed, ClientEncoder, InputRequired, InputResponses, Pagination, PaginationError, Prompt, RequestResult,
    ServerInfo, param_headers, read_contents, read_page, read_prompt, read_tool_result,
};
use omni_protocol::{
    Action, CallTool, GetPrompt, Id, ItemKind, LivenessProbe, Method, RequestMeta, Revision,
};
use serde_json::Value;

use super::address::ServerAddress;
use super::config::UpstreamConfig;
use super::error::UpstreamError;
use super::opening;
use super::stray_output::StrayOutput;
use super::transport::UpstreamTransport;

/// How often a server may answer one request with questions.
const ROUNDS_MAX: usize = 20;

/// All pages of one list at most.
const LIST_BYTES_MAX: usize = 64 << 20;

/// What is known of a server once a conversation with it is open.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub revision: Revision,
    pub server: ServerInfo,
}

/// An open conversation with another MCP server: one request at a time.
///
/// [`close`](Self::close) ends it in good order. Dropping it closes the connection, or kills the server's process with
/// its group; a request that is open then is taken back by that. A request whose future is dropped is taken back by the
/// next request, or by `close`.
pub struct Upstream {
    pub(super) config: UpstreamConfig,
    pub(super) encoder: ClientEncoder,
    pub(super) transport: UpstreamTransport,
    pub(super) handshake: Handshake,
    pub(super) next_id: u64,
    /// The request that is open.
    pub(super) in_flight: Option<Id>,
    pub(super) stray_output: StrayOutput,
}

impl Upstream {
    /// Connects, and finds out what the server speaks.
    ///
    /// # Errors
    /// The server cannot be started or reached, is none, or shares no version with us. Nothing is left running then.
    pub async fn open(config: UpstreamConfig) -> Result<Upstream, UpstreamError> {
        let encoder = ClientEncoder::new(&config.client, config.capabilities);
        let mut transport = UpstreamTransport::open(&config).await?;
        let mut next_id = 0;
        let agreed = opening::open(&config, &encoder, &mut transport, &mut next_id).await;
        match agreed {
            Ok(Agreed { revision, server }) => {
                let handshake = Handshake { revision, server };
                let stray_output = StrayOutput::default();
                Ok(Upstream { config, encoder, transport, handshake, next_id, in_flight: None, stray_output })
            }
            Err(error) => {
                transport.close().await;
                Err(error)
            }
        }
    }

    /// What was agreed on, and what the server says of itself.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Where the server is, as people write it.
    pub fn address(&self) -> &ServerAddress {
        &self.config.address
    }

    /// All tools that can be called, each as the server describes it. Over HTTP those are left out, with a warning in
    /// the log, whose schema asks for headers that cannot be sent: the specification has it so.
    pub async fn tools(&mut self) -> Result<Vec<Bytes>, UpstreamError> {
        let tools = self.list("tools", |cursor| Action::ListTools { cursor }).await?;
        if !self.mirrors() {
            return Ok(tools);
        }
        let callable = |tool: &Bytes| {
            let tool: Value = serde_json::from_slice(tool).unwrap_or_default();
            param_headers(&tool["inputSchema"], &Value::Null)
                .inspect_err(|error| tracing::warn!(tool = tool["name"].as_str(), %error, "tool left out"))
                .is_ok()
        };
        Ok(tools.into_iter().filter(callable).collect())
    }

    /// All resources, resource templates or prompts, each as the server describes it.
    pub async fn items(&mut self, kind: ItemKind) -> Result<Vec<Bytes>, UpstreamError> {
        self.list(kind.member(), |cursor| Action::List { kind, cursor }).await
    }

    /// Calls a tool. `schema` is its input schema as listed, for what HTTP headers repeat of the arguments; `port`
    /// hears what it says and is asked what it wants to know.
    ///
    /// # Errors
    /// Also when the deadline passes; the call is taken back then.
    pub async fn call(
        &mut self,
        call: CallTool,
        schema: Option<&Value>,
        wants: Wants,
        deadline: Deadline,
        port: &mut dyn CallPort,
    ) -> Result<ToolResult, UpstreamError> {
        self.set_log_level(wants.log).await;
        let mut headers = Vec::new();
        if let Some(schema) = schema.filter(|_| self.mirrors()) {
            let arguments = call.arguments.as_ref();
            let arguments = arguments.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
            headers = param_headers(schema, &arguments).map_err(|why| self.unsendable_param_header(why))?;
        }
        let request = Asked { action: Action::CallTool(call), headers, wants };
        self.complete(request, deadline, port, read_tool_result).await
    }

    /// Reads a resource: a JSON array of its contents.
    pub async fn read_resource(
        &mut self,
        uri: String,
        deadline: Deadline,
        port: &mut dyn CallPort,
    ) -> Result<Bytes, UpstreamError> {
        let request = Asked::plain(Action::ReadResource { uri });
        self.complete(request, deadline, port, read_contents).await
    }

    /// Gets a prompt.
    pub async fn prompt(
        &mut self,
        prompt: GetPrompt,
        deadline: Deadline,
        port: &mut dyn CallPort,
    ) -> Result<Prompt, UpstreamError> {
        let request = Asked::plain(Action::GetPrompt(prompt));
        self.complete(request, deadline, port, read_prompt).await
    }

    /// Asks for a sign of life, in the words that the revision has for that.
    pub async fn ping(&mut self) -> Result<(), UpstreamError> {
        let probe = match self.handshake.revision.liveness_probe() {
            LivenessProbe::Ping => Action::Ping,
            LivenessProbe::Discover => Action::Discover,
        };
        self.ask(Asked::plain(probe)).await.map(drop)
    }

    /// Takes back what is open, and ends the conversation: the session over HTTP; a process by the end of its input,
    /// then after two seconds by SIGTERM, and a second later by SIGKILL.
    pub async fn close(mut self) {
        self.take_back("the client ends").await;
        self.transport.close().await;
    }

    /// Whether requests repeat arguments in headers.
    fn mirrors(&self) -> bool {
        matches!(self.transport, UpstreamTransport::Http(_)) && self.handshake.revision.has_method_headers()
    }

    fn unsendable_param_header(&self, why: omni_protocol::client::InvalidParamHeader) -> UpstreamError {
        UpstreamError::UnsendableParamHeader(why, self.config.address.to_string())
    }

    /// The era of requests that stand for themselves has the level in each of them.
    async fn set_log_level(&mut self, level: Option<LogLevel>) {
        let Some(level) = level.filter(|_| self.handshake.server.offers.logging) else { return };
        if self.handshake.revision.has_method(Method::SetLogLevel) {
            // Without it the server says what it likes; nobody's call fails for that.
            let _ = self.ask(Asked::plain(Action::SetLogLevel(level))).await;
        }
    }

    async fn list(
        &mut self,
        member: &str,
        action: impl Fn(Option<String>) -> Action,
    ) -> Result<Vec<Bytes>, UpstreamError> {
        let (mut pages, mut cursor) = (Pagination::default(), None);
        let (mut items, mut bytes) = (Vec::new(), 0);
        loop {
            let action = action(cursor.take());
            let method = action.method().name();
            let result = match self.ask(Asked::plain(action)).await {
                // Who declares no such list has none.
                Err(UpstreamError::Refused { error, .. }) if error.code == -32601 && !self.offers(member) => {
                    return Ok(items);
                }
                other => other?,
            };
            let page = read_page(method, member, &result);
            let page = page.map_err(|why| UpstreamError::Malformed { server: self.server(), why })?;
            bytes += page.items.iter().map(Bytes::len).sum::<usize>();
            if bytes > LIST_BYTES_MAX {
                return Err(UpstreamError::TooLong { server: self.server(), limit: LIST_BYTES_MAX });
            }
            items.extend(page.items);
            let endless =
                |why: PaginationError| UpstreamError::Endless { server: self.server(), method, why };
            cursor = pages.after(page.next_cursor).map_err(endless)?;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    fn offers(&self, member: &str) -> bool {
        let offers = self.handshake.server.offers;
        match member {
            "tools" => offers.tools,
            "prompts" => offers.prompts,
            _ => offers.resources,
        }
    }

    pub(super) fn server(&self) -> String {
        self.config.address.to_string()
    }

    /// Sends a request that is answered at once.
    async fn ask(&mut self, request: Asked) -> Result<Bytes, UpstreamError> {
        let mut deadline = Deadline::new(Instant::now(), Some(self.config.patience), None);
        self.exchange(&request, &InputResponses::default(), &mut deadline, &mut NoClient).await
    }

    /// Sends a request, and again with the answers to what the server wants to know first.
    async fn complete<T>(
        &mut self,
        request: Asked,
        mut deadline: Deadline,
        port: &mut dyn CallPort,
        read: impl Fn(Revision, &Bytes) -> Result<RequestResult<T>, omni_protocol::client::MalformedResult>,
    ) -> Result<T, UpstreamError> {
        let mut resume = InputResponses::default();
        for _ in 0..ROUNDS_MAX {
            let result = self.exchange(&request, &resume, &mut deadline, port).await?;
            let completion = read(self.handshake.revision, &result);
            match completion.map_err(|why| UpstreamError::Malformed { server: self.server(), why })? {
                RequestResult::Complete(result) => return Ok(result),
                RequestResult::InputRequired(input) => {
                    resume = self.answers(input, &mut deadline, port).await?;
                    // A person may have thought about it for long.
                    deadline.beat(Instant::now());
                }
            }
        }
        Err(UpstreamError::AsksForEver { server: self.server(), rounds: ROUNDS_MAX })
    }

    /// Has the questions answered, one after the other: they may be put to one person. The clocks stand still meanwhile.
    async fn answers(
        &self,
        input: InputRequired,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
    ) -> Result<InputResponses, UpstreamError> {
        let mut resume = InputResponses { state: input.state, answers: Vec::new() };
        for (key, ask) in input.questions {
            let question = ask.method.name();
            deadline.pause(Instant::now());
            let answer = port.ask(ask).await;
            deadline.resume(Instant::now());
            match answer {
                Answer::Result(result) => resume.answers.push((key, result)),
                Answer::Refused {
                    why: AskRefusal::Unsupported | AskRefusal::Failed | AskRefusal::Gone,
                    message,
                } => {
                    let (server, why) = (self.server(), message);
                    return Err(UpstreamError::Asked { server, method: question, why });
                }
            }
        }
        Ok(resume)
    }
}

/// A request to be sent.
pub(super) struct Asked {
    pub(super) action: Action,
    /// Beyond those that every request of its kind has.
    pub(super) headers: Vec<omni_protocol::client::Header>,
    pub(super) wants: Wants,
}

impl Asked {
    fn plain(action: Action) -> Self {
        Asked { action, headers: Vec::new(), wants: Wants::default() }
    }

    /// The request's `_meta`. Its progress token is the request's id.
    pub(super) fn meta(&self, id: &Id) -> RequestMeta {
        RequestMeta {
            progress_token: self.wants.progress.then(|| Bytes::copy_from_slice(id.as_json())),
            log_level: self.wants.log,
            ..RequestMeta::default()
        }
    }
}
