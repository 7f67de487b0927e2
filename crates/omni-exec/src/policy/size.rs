//! The layer that refuses a call which is larger than a frame may be, before anything is reserved for it.

use omni_call::{BoxFuture, Call, CallPort, CallRequest, Executor, Outcome, Target};

use crate::outcome::{invalid_arguments, unstarted};

/// Refuses calls whose frame would be larger than a frame to a worker or a runner may be. Calls of the server's own
/// functions, and of files, have no frame, and are not refused.
pub struct SizeLimit<E> {
    executor: E,
    frame_bytes_max: usize,
}

impl<E> SizeLimit<E> {
    /// Around `executor`, whose frames may be so many bytes long.
    pub fn new(executor: E, frame_bytes_max: usize) -> Self {
        SizeLimit { executor, frame_bytes_max }
    }

    fn refuse(&self, call: &Call) -> Option<Outcome> {
        /// More than a call's frame takes besides its target and arguments.
        const REST: usize = 4 << 10;
        let length = call.arguments().len() + length_besides(&call.request);
        let rest = call.spec.worker_target().len() + call.session.len() + REST;
        let room = self.frame_bytes_max.saturating_sub(rest);
        if length <= room || matches!(call.spec.target, Target::Native { .. } | Target::File(_)) {
            return None;
        }
        let why = format!("its arguments are {length} bytes long; a worker takes {room} at most");
        Some(unstarted(call, invalid_arguments(call, &why)))
    }
}

/// What the frame of a call that is no tool's has besides its arguments, at most.
fn length_besides(request: &CallRequest) -> usize {
    // So many bytes a character takes at most in JSON.
    const ESCAPED: usize = 6;
    match request {
        CallRequest::Resource { uri, .. } => uri.len() * ESCAPED,
        CallRequest::Completion(completing) => {
            completing.value.len() * ESCAPED + completing.context.as_ref().map_or(0, bytes::Bytes::len)
        }
        CallRequest::Tool { .. } | CallRequest::Prompt { .. } => 0,
    }
}

impl<E: Executor> Executor for SizeLimit<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        match self.refuse(&call) {
            Some(refused) => Box::pin(std::future::ready(refused)),
            None => self.executor.run(call, port),
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}
