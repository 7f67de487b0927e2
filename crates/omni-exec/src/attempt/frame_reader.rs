//! What a frame of a worker means for the call that it names. All executors read frames with this.
//!
//! Which call a frame belongs to depends on where it arrives:
//!
//! | it comes from | it belongs to | a frame that names another call |
//! |---|---|---|
//! | a worker with one call | the current call | an earlier call: ignored; a later call: the worker is not to be trusted ([`RunningCall`](super::RunningCall)) |
//! | a shared worker | the call that it names | none of its calls: ignored, since a caller may have left |
//! | a thread of the embedded interpreter | the same | the same |
//! | a runner | the one call of the answer | breaks the contract |

use bytes::Bytes;
use omni_call::{
    Call, CallResult, Completion, Event, FunctionKind, LogLevel, PromptMessages, ResourceContents,
    ToolResult, Wants,
};

use super::result::AttemptResult;
use crate::channel::FrameBody;
use crate::questions::QuestionFrame;
use crate::wire::{JsonPart, NameFrame, OutputFrame, ResultFrame, WireError, WorkerMessage};

/// Reads the frames of one call, by what the call may do and its caller wants to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameReader {
    /// What the call asks for, and so what its result is.
    pub(crate) kind: FunctionKind,
    pub(crate) wants: Wants,
    /// It can ask something: its client, where that can be asked, or the server.
    pub(crate) may_ask: bool,
    /// A part of a result at most.
    pub(crate) result_bytes_max: usize,
}

/// What a frame means for its call.
#[derive(Debug)]
pub(crate) enum FrameMeaning<'a> {
    /// The call's own code is about to run. Workers with a status page note it there instead (decision 0003).
    Started,
    /// A sign of life, and what the caller wants to hear of it.
    Alive(Option<Event>),
    /// What the call has printed. Sent only where several calls share the pipes.
    Printed(OutputFrame<'a>),
    /// A question to its client, or one that is taken back.
    Question(QuestionFrame),
    /// The call has ended.
    Ends(FinalMessage),
    /// Nothing for the call: a frame type of a later version, or one that is for whoever started the worker.
    Nothing,
}

/// The last frame of a call.
#[derive(Debug)]
pub(crate) struct FinalMessage {
    pub(crate) result: AttemptResult,
    /// What the call has done to its process, which must serve no other: a JSON array of sentences.
    pub(crate) contamination: Option<Box<str>>,
    /// The call has printed something, and the worker does not begin the next call before that has been read.
    pub(crate) printed: bool,
    /// What a program has written to standard error. Only runners send it.
    pub(crate) stderr: Option<String>,
}

impl FinalMessage {
    /// Of a call that the worker has not run.
    fn unrun(result: AttemptResult) -> Self {
        FinalMessage { result, contamination: None, printed: false, stderr: None }
    }
}

impl FrameReader {
    /// For a call that can ask something, or not.
    pub(crate) fn of(call: &Call, may_ask: bool, result_bytes_max: usize) -> Self {
        FrameReader { kind: call.request.kind(), wants: call.wants, may_ask, result_bytes_max }
    }

    /// For a call whose caller has left: nobody hears what it says.
    pub(crate) fn of_nobody(result_bytes_max: usize) -> Self {
        FrameReader { kind: FunctionKind::Tool, wants: Wants::default(), may_ask: false, result_bytes_max }
    }

    /// Says what `message`, which was decoded from `body`, means for its call. `started` says whether the call's own
    /// code has begun, which a question must not come before.
    pub(crate) fn read<'a>(
        &self,
        body: FrameBody<'_>,
        message: WorkerMessage<'a>,
        started: impl FnOnce() -> bool,
    ) -> Result<FrameMeaning<'a>, WireError> {
        Ok(match message {
            WorkerMessage::Result(result) => FrameMeaning::Ends(FinalMessage {
                contamination: result.tainted.as_ref().map(findings),
                printed: result.printed,
                result: self.result(body, &result),
                stderr: result.stderr.map(Into::into),
            }),
            WorkerMessage::Error(mut error) => FrameMeaning::Ends(FinalMessage {
                contamination: error.tainted.take().map(|findings| findings.get().into()),
                printed: error.printed,
                result: AttemptResult::Error(error),
                stderr: None,
            }),
            WorkerMessage::Skipped(_) => FrameMeaning::Ends(FinalMessage::unrun(AttemptResult::Skipped)),
            WorkerMessage::Stale(stale) => {
                tracing::debug!(
                    found = stale.digest,
                    "a worker has other files of a skill than its call means"
                );
                FrameMeaning::Ends(FinalMessage::unrun(AttemptResult::Stale))
            }
            WorkerMessage::Beat(beat) => FrameMeaning::Alive(self.note(beat.note)),
            WorkerMessage::Progress(progress) => {
                FrameMeaning::Alive(self.wants.progress.then_some(Event::Progress {
                    value: progress.value,
                    total: progress.total,
                    message: progress.message,
                }))
            }
            WorkerMessage::Log(log) => {
                let level = log.level.parse().unwrap_or(LogLevel::Info);
                let log = self.hears(level).then(|| Event::Log {
                    level,
                    logger: log.logger,
                    data: body.keep(&log.data),
                });
                FrameMeaning::Alive(log)
            }
            // What a call changes for clients is a sign of life as well.
            WorkerMessage::ResourceUpdated(updated) => {
                FrameMeaning::Alive(Some(Event::ResourceUpdated { uri: updated.uri }))
            }
            WorkerMessage::Show(NameFrame { name, .. }) => {
                FrameMeaning::Alive(Some(Event::Visibility { name, shown: true }))
            }
            WorkerMessage::Hide(NameFrame { name, .. }) => {
                FrameMeaning::Alive(Some(Event::Visibility { name, shown: false }))
            }
            WorkerMessage::Ask(ask) => {
                if !self.may_ask {
                    return Err(WireError::MayNotAsk);
                }
                if !started() {
                    return Err(WireError::Foreign);
                }
                FrameMeaning::Question(QuestionFrame::of(&ask))
            }
            WorkerMessage::Retract(asked) => FrameMeaning::Question(QuestionFrame::Retract(asked.ask)),
            WorkerMessage::Output(output) => FrameMeaning::Printed(output),
            WorkerMessage::Started(_) => FrameMeaning::Started,
            WorkerMessage::Ready(_) | WorkerMessage::Unknown => FrameMeaning::Nothing,
        })
    }

    fn result(&self, body: FrameBody<'_>, result: &ResultFrame<'_>) -> AttemptResult {
        let too_large =
            |part: Option<&JsonPart<'_>>| part.is_some_and(|part| part.bytes().len() > self.result_bytes_max);
        let (structured, meta) = (result.structured.as_ref(), result.meta.as_ref());
        if too_large(Some(&result.content)) || too_large(structured) || too_large(meta) {
            return AttemptResult::TooLarge;
        }
        let content = body.keep(&result.content);
        let meta = meta.map(|meta| body.keep(meta));
        let kept = match self.kind {
            FunctionKind::Tool => CallResult::Tool(ToolResult {
                content,
                structured: structured.map(|structured| body.keep(structured)),
                meta,
                is_error: result.is_error,
            }),
            FunctionKind::Resource => CallResult::Resource(ResourceContents { contents: content, meta }),
            FunctionKind::Prompt => CallResult::Prompt(PromptMessages {
                description: result.description.as_deref().map(str::to_owned),
                messages: content,
                meta,
            }),
            FunctionKind::Completion => CallResult::Completion(Completion {
                values: content,
                total: result.total,
                has_more: result.has_more,
                meta,
            }),
        };
        AttemptResult::Result(match &result.temp {
            Some(files) => kept.naming(files),
            None => kept,
        })
    }

    fn hears(&self, level: LogLevel) -> bool {
        self.wants.log.is_some_and(|least| level >= least)
    }

    /// A line that came with a sign of life.
    fn note(&self, note: Option<String>) -> Option<Event> {
        let level = LogLevel::Info;
        let note = note.filter(|_| self.hears(level))?;
        let data = Bytes::from(serde_json::Value::from(note).to_string());
        Some(Event::Log { level, logger: Some("heartbeat".to_owned()), data })
    }
}

/// The sentences that say what a call has done to its process.
fn findings(sentences: &JsonPart<'_>) -> Box<str> {
    String::from_utf8_lossy(sentences.bytes()).into()
}
