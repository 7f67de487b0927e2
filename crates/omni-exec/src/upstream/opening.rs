//! How a conversation is opened: the protocol says which probes to send, this carries them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::Expired;
use omni_protocol::client::{
    Agreed, ClientEncoder, Negotiation, NegotiationError, NegotiationStep, Probe, ProbeAnswer,
};
use omni_protocol::{
    Action, ClientCapabilities, ClientInfo, Id, Initialize, Message, PeerError, RequestMeta, decode,
};
use tokio::time::timeout_at;

use super::config::UpstreamConfig;
use super::error::UpstreamError;
use super::http::PostResult;
use super::stray_output::StrayOutput;
use super::transport::UpstreamTransport;

/// How long a process that has been sent `server/discover` may stay silent before `initialize` is tried: legacy servers
/// may answer nothing at all. A modern one that was slow to start is found out by its late answer.
const DISCOVER_WAIT: Duration = Duration::from_secs(5);

/// Lines of output that are no messages, after which a process is no MCP server.
const NOISE_MAX: usize = 100;

/// Finds out what the server speaks. `next_id` numbers the requests.
pub(super) async fn open(
    config: &UpstreamConfig,
    encoder: &ClientEncoder,
    transport: &mut UpstreamTransport,
    next_id: &mut u64,
) -> Result<Agreed, UpstreamError> {
    let mut opening = OpeningHandshake {
        config,
        encoder,
        transport,
        next_id,
        sent: Vec::new(),
        stray_output: StrayOutput::default(),
        give_up: Instant::now() + config.patience,
        status: None,
    };
    opening.run().await
}

/// A number for the next request.
pub(super) fn id(next: &mut u64) -> Id {
    let id = *next;
    *next += 1;
    Id::parse(&Bytes::from(id.to_string())).expect("a number is an id")
}

struct OpeningHandshake<'a> {
    config: &'a UpstreamConfig,
    encoder: &'a ClientEncoder,
    transport: &'a mut UpstreamTransport,
    next_id: &'a mut u64,
    sent: Vec<(Id, Probe)>,
    stray_output: StrayOutput,
    give_up: Instant,
    /// What HTTP said in the place of an answer.
    status: Option<UpstreamError>,
}

impl OpeningHandshake<'_> {
    async fn run(&mut self) -> Result<Agreed, UpstreamError> {
        let (mut negotiation, mut probe) = Negotiation::begin(self.config.era);
        loop {
            self.send(probe).await?;
            let (answered, answer) = match self.status.is_some() {
                true => (probe, ProbeAnswer::None),
                false => self.answer(probe).await?,
            };
            match negotiation.answered(answered, answer) {
                NegotiationStep::Send(next) => probe = next,
                NegotiationStep::Agreed(agreed) => {
                    if agreed.revision.has_sessions() {
                        let initialized = self.encoder.initialized_notification(agreed.revision);
                        let version =
                            initialized.headers.iter().any(|header| header.name == "MCP-Protocol-Version");
                        if let UpstreamTransport::Http(http) = self.transport {
                            http.agreed(version.then(|| agreed.revision.name()));
                        }
                        self.transport.tell(&initialized).await?;
                    }
                    return Ok(agreed);
                }
                // The status says more than that nothing of MCP came with it.
                NegotiationStep::Failed(unopened) => {
                    return Err(self.status.take().unwrap_or_else(|| self.unopened(unopened)));
                }
            }
        }
    }

    async fn send(&mut self, probe: Probe) -> Result<(), UpstreamError> {
        let id = id(self.next_id);
        let (revision, action) = match probe {
            Probe::Discover(revision) => (revision, Action::Discover),
            Probe::Initialize(agreed) => {
                let initialize = Initialize {
                    agreed,
                    client: ClientInfo::default(),
                    capabilities: ClientCapabilities::default(),
                };
                (agreed, Action::Initialize(initialize))
            }
        };
        let outgoing = self.encoder.request(revision, &id, &action, &RequestMeta::default());
        let outgoing = outgoing.map_err(UpstreamError::UnsupportedMethod)?;
        self.sent.push((id, probe));
        self.status = None;
        let posted = timeout_at(self.give_up.into(), self.transport.request(&outgoing, true)).await;
        let posted = posted.map_err(|_| self.silent(probe))??;
        match posted {
            PostResult::Answer | PostResult::SessionGone => {}
            // Such a status may mean that the server does not speak this era. When access is refused or the server
            // fails, a probe of the other era would get the same answer.
            PostResult::Status(
                error @ (UpstreamError::Status { status: 400..500, .. } | UpstreamError::NotMcp { .. }),
            ) => {
                self.status = Some(error);
            }
            PostResult::Status(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits for the answer to a probe, this one or an earlier one.
    async fn answer(&mut self, probe: Probe) -> Result<(Probe, ProbeAnswer), UpstreamError> {
        let patient = match (&self.transport, probe, self.config.era) {
            (UpstreamTransport::Stdio(_), Probe::Discover(_), None) if self.sent.len() == 1 => {
                self.give_up.min(Instant::now() + DISCOVER_WAIT)
            }
            _ => self.give_up,
        };
        loop {
            let frame = match timeout_at(patient.into(), self.transport.next()).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(UpstreamError::Died { how, .. })) if self.stray_output.lines() > 0 => {
                    let stray_output = self.stray_output.shown();
                    return Err(self.not_mcp(format!(
                        "it {how}, and what it said is no message of MCP: `{stray_output}`"
                    )));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) if patient < self.give_up => return Ok((probe, ProbeAnswer::None)),
                Err(_) => return Err(self.silent(probe)),
            };
            match decode(&frame) {
                Ok(Message::Response(response)) => {
                    let asked = match &response.id {
                        Some(id) => self.sent.iter().find(|(sent, _)| sent == id).map(|(_, probe)| *probe),
                        None => Some(probe),
                    };
                    if let Some(asked) = asked {
                        return Ok((
                            asked,
                            response.result.map_or_else(ProbeAnswer::Error, ProbeAnswer::Result),
                        ));
                    }
                }
                // A client that is not introduced yet answers nothing.
                Ok(Message::Request(_) | Message::Notification(_) | Message::Batch(_)) => {}
                Err(rejected) if rejected.id.as_ref().is_some_and(|id| self.is_ours(id)) => {
                    let error = PeerError { code: 0, message: rejected.error.message, data: None };
                    return Ok((probe, ProbeAnswer::Error(error)));
                }
                Err(_) => self.note_noise(&frame)?,
            }
        }
    }

    fn is_ours(&self, id: &Id) -> bool {
        self.sent.iter().any(|(sent, _)| sent == id)
    }

    /// A program may greet its user before it speaks; one that only does that is no server.
    fn note_noise(&mut self, frame: &[u8]) -> Result<(), UpstreamError> {
        self.stray_output.note(frame);
        if self.stray_output.lines() < NOISE_MAX && matches!(self.transport, UpstreamTransport::Stdio(_)) {
            return Ok(());
        }
        Err(self.not_mcp(format!("what it says is no message of MCP: `{}`", self.stray_output.shown())))
    }

    fn not_mcp(&self, why: String) -> UpstreamError {
        let server = self.config.address.to_string();
        UpstreamError::NotMcp { server, why, stderr: self.transport.stderr_tail() }
    }

    /// What to say of a server that never answered.
    fn silent(&self, probe: Probe) -> UpstreamError {
        if self.stray_output.lines() > 0 {
            let stray_output = self.stray_output.shown();
            return self.not_mcp(format!(
                "it answers nothing, and what it says is no message of MCP: `{stray_output}`"
            ));
        }
        let method = match probe {
            Probe::Discover(_) => "server/discover",
            Probe::Initialize(_) => "initialize",
        };
        let expiry = Expired::Total { limit: self.config.patience };
        let (server, stderr) = (self.config.address.to_string(), self.transport.stderr_tail());
        UpstreamError::TimedOut { server, method, expiry, printed: String::new(), stderr }
    }

    fn unopened(&self, unopened: NegotiationError) -> UpstreamError {
        match unopened {
            NegotiationError::NotMcp { why } => self.not_mcp(why),
            why => UpstreamError::Unopened { server: self.config.address.to_string(), why },
        }
    }
}
