//! The values that a tool keeps for its client.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::calls::read;
use super::serve::{Asking, RequestScope};
use crate::mcp_result::joined;
use crate::peer::PeerKey;
use crate::server::Server;
use crate::tool_state::{NAME_BYTES_MAX, StateClient, StateOwner, VALUE_BYTES_MAX};

#[derive(Deserialize)]
struct Params<'a> {
    key: String,
    handle: Option<String>,
    /// `null` is a value, too.
    #[serde(borrow, default, deserialize_with = "given")]
    value: Option<&'a RawValue>,
}

fn given<'de: 'a, 'a, D: Deserializer<'de>>(value: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

impl Server {
    /// What is kept under a key: an object whose member `value` is there if something is.
    pub(super) fn get_state(
        &self,
        params: &Bytes,
        scope: RequestScope<'_>,
        asking: &Asking,
    ) -> Result<Bytes, String> {
        let Params { key, handle, .. } = read(params)?;
        let owner = self.state_owner(&key, handle, scope, asking)?;
        Ok(joined(&[("value", self.states.get(&owner, &key, Instant::now()).as_ref())]))
    }

    /// Keeps a value, or drops what is kept where none is given.
    pub(super) fn set_state(
        &self,
        params: &Bytes,
        scope: RequestScope<'_>,
        asking: &Asking,
    ) -> Result<Bytes, String> {
        let Params { key, handle, value } = read(params)?;
        let owner = self.state_owner(&key, handle, scope, asking)?;
        // Copied, since the parameters may be larger.
        let value = value.map(|value| Bytes::copy_from_slice(value.get().as_bytes()));
        if let Some(bytes) = value.as_ref().map(Bytes::len).filter(|bytes| *bytes > VALUE_BYTES_MAX) {
            return Err(format!(
                "`{key}` is not kept: {bytes} bytes are more than the {VALUE_BYTES_MAX} allowed"
            ));
        }
        self.states.set(&owner, &key, value, Instant::now())?;
        Ok(Bytes::from_static(b"{}"))
    }

    fn state_owner(
        &self,
        key: &str,
        handle: Option<String>,
        scope: RequestScope<'_>,
        asking: &Asking,
    ) -> Result<StateOwner, String> {
        for (what, name) in [("key", Some(key)), ("handle", handle.as_deref())] {
            match name.map(str::len) {
                Some(0) => return Err(format!("the {what} of a value that is kept is empty")),
                Some(bytes) if bytes > NAME_BYTES_MAX => {
                    return Err(format!(
                        "the {what} of a value that is kept has {bytes} bytes, more than the {NAME_BYTES_MAX} allowed"
                    ));
                }
                _ => {}
            }
        }
        let client = match (scope.viewer, handle) {
            (Some(viewer), None) if viewer.session.keeps_state() => {
                StateClient::Session(viewer.session.states(&self.states))
            }
            // All who come from there look alike.
            (Some(viewer), None) if matches!(viewer.account.key(), Some(PeerKey::Address(_))) => {
                return Err(format!(
                    "`{key}` is nobody's: this client has no session, and nothing but its address is known of it; \
                     give a `handle` that a call before has returned"
                ));
            }
            (viewer, handle) => {
                let key = viewer.map_or(&None, |viewer| viewer.account.key()).clone();
                StateClient::Client(key, handle.unwrap_or_default().into())
            }
        };
        Ok(StateOwner { client, source: scope.source, skill: asking.spec.skill.as_str().into() })
    }
}
