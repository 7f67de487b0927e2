//! Drives a call's executor, and beside it what the call's tool wants of the server.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_call::{
    Answer, AskRefusal, BoxFuture, Call, CallId, CallOrigin, CallPort, Outcome, ParentCall, RunSpec,
    ServerMethod, ServerRequest,
};
use omni_catalog::ProfileId;
use tokio::sync::oneshot;

use super::port::{ChildPort, ExecutorPort, SharedPort};
use crate::server::Server;
use crate::viewer::Viewer;

/// On whose behalf a tool asks the server for something: it sees what the client of its call does.
#[derive(Clone, Copy)]
pub(crate) struct RequestScope<'a> {
    pub(crate) profile: ProfileId,
    /// `None` on the command line.
    pub(crate) viewer: Option<&'a Viewer>,
    /// The number of the source that has the tool.
    pub(crate) source: usize,
    /// What a tool wants goes to whoever sent the call, who has the tools and the client.
    pub(crate) forwards: bool,
}

/// The call that asks, as far as what it asks for depends on it.
#[derive(Clone)]
pub(super) struct Asking {
    id: CallId,
    pub(super) spec: Arc<RunSpec>,
    pub(super) session: Arc<str>,
    pub(super) origin: Option<Arc<CallOrigin>>,
    parent: Option<Arc<ParentCall>>,
}

impl Asking {
    /// The call as the parent of what this request sets going.
    pub(super) fn as_parent(&self, request: &ServerRequest) -> Arc<ParentCall> {
        Arc::new(ParentCall {
            id: self.id,
            spec: Arc::clone(&self.spec),
            child: Arc::clone(&request.child),
            parent: self.parent.clone(),
        })
    }
}

impl Server {
    /// Has the executor run a call, and answers what its tool wants of the server meanwhile. Dropping the future cancels
    /// both, and so does the end of the call what it has not waited for.
    pub(crate) async fn run_with_requests(
        &self,
        call: Call,
        scope: RequestScope<'_>,
        port: &mut dyn CallPort,
    ) -> Outcome {
        if scope.forwards || !call.spec.may_request() {
            return self.executor.run(call, port).await;
        }
        let asking = Asking {
            id: call.id,
            spec: Arc::clone(&call.spec),
            session: Arc::clone(&call.session),
            origin: call.origin.clone(),
            parent: call.parent.clone(),
        };
        let shared = SharedPort::new(port);
        let mut executor_port = ExecutorPort(&shared);
        let mut running = pin!(self.executor.run(call, &mut executor_port));
        let mut open: Vec<OpenRequest<'_>> = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                // Before the executor, which so learns in the same turn what came of them.
                open.retain_mut(|request| request.poll(cx).is_pending());
                if let Poll::Ready(outcome) = running.as_mut().poll(cx) {
                    return Poll::Ready(outcome);
                }
                let requests = shared.take_requests();
                if requests.is_empty() {
                    return Poll::Pending;
                }
                open.extend(requests.into_iter().map(|(request, answer)| OpenRequest {
                    work: self.answer_request(request, scope, asking.clone(), &shared),
                    answer: Some(answer),
                }));
            }
        })
        .await
    }

    /// Does what a tool wants.
    fn answer_request<'a>(
        &'a self,
        request: ServerRequest,
        scope: RequestScope<'a>,
        asking: Asking,
        shared: &'a SharedPort<'a>,
    ) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let mut port = ChildPort { port: shared, status: Arc::clone(&request.child) };
            let answer = match request.method {
                ServerMethod::CallTool => self.call_for_tool(&request, scope, &asking, &mut port).await,
                ServerMethod::ReadResource => self.read_for_tool(&request, scope, &asking, &mut port).await,
                ServerMethod::GetState => self.get_state(&request.params, scope, &asking),
                ServerMethod::SetState => self.set_state(&request.params, scope, &asking),
                // A matter of the call and its client alone.
                ServerMethod::BecomeTask => return shared.request(request).await,
            };
            match answer {
                Ok(result) => Answer::Result(result),
                Err(message) => Answer::Refused { why: AskRefusal::Failed, message },
            }
        })
    }
}

/// A request of a tool on its way to its answer.
struct OpenRequest<'a> {
    work: BoxFuture<'a, Answer>,
    /// `None` once the answer has been sent.
    answer: Option<oneshot::Sender<Answer>>,
}

impl OpenRequest<'_> {
    /// Ready when the tool has its answer, or waits no more: dropping it then cancels what it has set going.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.answer.as_mut().is_none_or(|answer| answer.poll_closed(cx).is_ready()) {
            return Poll::Ready(());
        }
        let Poll::Ready(answer) = self.work.as_mut().poll(cx) else { return Poll::Pending };
        if let Some(waiting) = self.answer.take() {
            // Nobody may be waiting any more.
            let _ = waiting.send(answer);
        }
        Poll::Ready(())
    }
}
