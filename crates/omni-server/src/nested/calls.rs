//! A tool that calls another, or reads a resource: as its client would, below its own call.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use omni_call::{CallPort, CallRequest, Deadline, ParentCall, ServerRequest, Wants};
use omni_protocol::{ListKind, Revision};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::serve::{Asking, RequestScope};
use crate::call::NamedTool;
use crate::call_options::{CallOptions, earlier};
use crate::item_calls::{self, ItemReply, ItemRequest};
use crate::mcp_result;
use crate::server::Server;
use crate::stored_results;

/// In whose words a failure is told to the tool: none of them is sent.
const WORDS: Revision = Revision::NEWEST_MODERN;

impl Server {
    /// Calls a tool for another one. The error is a sentence for the author of that one.
    pub(super) async fn call_for_tool(
        &self,
        request: &ServerRequest,
        scope: RequestScope<'_>,
        asking: &Asking,
        port: &mut dyn CallPort,
    ) -> Result<Bytes, String> {
        #[derive(Deserialize)]
        struct Params<'a> {
            name: String,
            #[serde(borrow)]
            arguments: Option<&'a RawValue>,
        }
        let Params { name, arguments } = read(&request.params)?;
        let arguments = match arguments {
            Some(given) if given.get().starts_with('{') => request.params.slice_ref(given.get().as_bytes()),
            Some(_) => return Err("the arguments of a call must be an object".to_owned()),
            None => Bytes::from_static(b"{}"),
        };
        let parent = below(asking.as_parent(request), &name)?;
        self.catalog_ready(ListKind::Tools).await;
        let tool = self.find(scope.profile, &name, scope.viewer).map_err(|unknown| unknown.for_clients())?;
        let accepted = Instant::now();
        let live = self.live();
        let (total, idle) = tool.spec.limits.resolve(live.timeout, live.idle_timeout);
        let options = CallOptions {
            deadline: Deadline::new(accepted, earlier(total, request.remaining), idle),
            wants: Wants::default(),
            session: Arc::clone(&asking.session),
            forwards: false,
            origin: asking.origin.clone(),
            parent: Some(parent),
        };
        let named = NamedTool { profile: scope.profile, name: &name, tool: &tool, viewer: scope.viewer };
        let (outcome, _) =
            self.run(named, arguments, options, port).await.map_err(|unknown| unknown.for_clients())?;
        let result = outcome.into_result(&name, live.errors);
        let is_wrapped = tool.spec.target.python().is_some_and(|python| python.wrap_result);
        Ok(mcp_result::for_tool(&result, is_wrapped && !result.is_error))
    }

    /// Reads a resource for a tool.
    pub(super) async fn read_for_tool(
        &self,
        request: &ServerRequest,
        scope: RequestScope<'_>,
        asking: &Asking,
        port: &mut dyn CallPort,
    ) -> Result<Bytes, String> {
        #[derive(Deserialize)]
        struct Params {
            uri: Box<str>,
        }
        let Params { uri } = read(&request.params)?;
        let parent = below(asking.as_parent(request), &uri)?;
        if let (Some(stored), Some(viewer)) = (&self.config.stored_results, scope.viewer)
            && uri.starts_with(stored_results::URI)
        {
            let read = self.read_stored(stored, &viewer.session, WORDS, &uri).await;
            return read.map(mcp_result::of).map_err(|error| error.message);
        }
        let asked = ItemRequest {
            request: CallRequest::resource(uri),
            wants: Wants::default(),
            session: Arc::clone(&asking.session),
            profile: scope.profile,
            accepted: Instant::now(),
            remaining: request.remaining,
            forwards: false,
            viewer: scope.viewer,
            origin: asking.origin.clone(),
            parent: Some(parent),
        };
        let ItemReply { outcome, ran, .. } = self.run_item(&asked, port).await;
        let errors = self.live().errors;
        let read = item_calls::result_or_error(outcome, ran.as_deref(), &asked.request, WORDS, errors);
        read.map(mcp_result::of).map_err(|error| error.message)
    }
}

/// The parent, unless calls go too deep with one more, of that name.
fn below(parent: Arc<ParentCall>, name: &str) -> Result<Arc<ParentCall>, String> {
    if parent.chain().count() > ParentCall::DEPTH_MAX {
        return Err(format!(
            "`{name}` was not called: calls made one by the other go {} deep at most: {} → {name}",
            ParentCall::DEPTH_MAX,
            parent.names()
        ));
    }
    Ok(parent)
}

/// The parameters of a request. They are written by our own package, or by whoever wrote a runner.
pub(super) fn read<'de, T: Deserialize<'de>>(params: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(params).map_err(|error| format!("the request cannot be read: {error}"))
}
