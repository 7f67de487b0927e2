//! What a tool may know of the request that it answers.

use std::sync::Arc;

use omni_call::{CallOrigin, RunSpec};
use omni_protocol::{AskedBy, ClientCapabilities, ClientInfo, Id, RequestMeta, Revision};
use serde_json::json;

use crate::caller::Caller;
use crate::session::Session;

/// Of what a client says of itself, so many characters are told to tools.
const CHARS_MAX: usize = 256;

/// Who has sent a request, until it is known whether what it names asks for that.
pub(crate) struct RequestOrigin {
    id: Id,
    revision: Revision,
    capabilities: ClientCapabilities,
    /// Where the request itself says so.
    client: Option<ClientInfo>,
    session: Arc<Session>,
}

impl RequestOrigin {
    /// What is known of who has sent this request.
    pub(crate) fn new(id: &Id, revision: Revision, meta: &RequestMeta, caller: &Caller) -> Self {
        let capabilities = match revision.asked_by() {
            AskedBy::InputRequired => meta.capabilities,
            AskedBy::Request => caller.capabilities,
        };
        let (client, session) = (meta.client.clone(), caller.session.clone());
        RequestOrigin { id: id.clone(), revision, capabilities, client, session }
    }

    /// What a tool is told; `None` for one that cannot ask.
    pub(crate) fn told(&self, spec: &RunSpec) -> Option<Arc<CallOrigin>> {
        spec.may_request().then(|| self.of_request())
    }

    /// The same for anything that is asked for.
    pub(crate) fn of_request(&self) -> Arc<CallOrigin> {
        let id = self.id.as_json();
        let request_id = match serde_json::from_slice::<String>(id) {
            Ok(text) => text,
            Err(_) => String::from_utf8_lossy(id).into_owned(),
        };
        let in_session = || self.session.client();
        let client = match self.client.clone().or_else(in_session) {
            Some(ClientInfo { name, version }) => json!({
                "name": cut(&name),
                "version": cut(&version),
                "capabilities": self.capabilities.names(self.revision).collect::<Vec<_>>(),
            }),
            None => json!({"capabilities": self.capabilities.names(self.revision).collect::<Vec<_>>()}),
        };
        Arc::new(CallOrigin { request_id: request_id.into(), client: client.to_string().into() })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}
