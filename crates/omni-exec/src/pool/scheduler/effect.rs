//! What the scheduler is told and what it answers: facts of a call and of a worker go in, effects to carry out come
//! out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omni_call::Code;

use super::slots::SlotHandle;
use crate::start_failure::StartFailure;

/// Names a call, from when it is put in the queue until its caller has taken what it got, or has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pool) struct CallHandle(pub(in crate::pool) SlotHandle);

/// Names a worker, from the decision to start it until its process is gone and it has been dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pool) struct WorkerHandle(pub(in crate::pool) SlotHandle);

/// How large a pool may be, and how long its queue.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct PoolBounds {
    /// So many workers are kept, however long they are idle.
    pub(in crate::pool) workers_min: usize,
    /// Workers at most that may serve any call. Beside them there may be as many that keep a state.
    pub(in crate::pool) workers_max: usize,
    /// Calls in the queue at most, for one tool and altogether.
    pub(in crate::pool) queue_per_tool_max: usize,
    pub(in crate::pool) queue_max: usize,
    /// How long a worker above `workers_min` may be idle.
    pub(in crate::pool) idle_ttl: Duration,
    /// Short calls gain nothing from more workers than cores.
    pub(in crate::pool) cores: usize,
}

/// What decides where a call goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct CallFacts<K> {
    /// Equal for calls of the same tool.
    pub(in crate::pool) tool: usize,
    /// Whose state it needs; `None` when any worker will do.
    pub(in crate::pool) key: Option<K>,
    /// What it was resolved against.
    pub(in crate::pool) code: Code,
    /// It may be sent to a worker behind another call, and others behind it, because it asks its client nothing
    /// (decision 0038).
    pub(in crate::pool) pipelines: bool,
    /// It is so small that the socket takes it at once, so that it may be sent behind another call.
    pub(in crate::pool) small: bool,
    /// It was in the queue before, and the worker that it got did not begin it. So it goes before those that came
    /// later.
    pub(in crate::pool) again: bool,
    /// Another call has made it and waits for it. So it goes before all that clients have made.
    pub(in crate::pool) below: bool,
    pub(in crate::pool) accepted: Instant,
    /// When its time runs out in the queue.
    pub(in crate::pool) expires: Option<Instant>,
}

/// What a call gets at once that wants a worker.
#[derive(Clone, Debug)]
pub(in crate::pool) enum Admission {
    /// An idle worker, to be sent the call now, unless it is found
    /// [unfit](super::Scheduler::worker_unfit).
    Run(WorkerHandle),
    Waits(CallHandle),
    Refused(RefusalReason),
}

/// Why a call gets no worker.
#[derive(Clone, Debug)]
pub(in crate::pool) enum RefusalReason {
    /// The queue is full, or as many states are kept as may be and all are in use.
    Busy,
    /// Its time ran out in the queue.
    Expired,
    CannotStart(Arc<StartFailure>),
    /// What it was resolved against is outdated.
    Stale,
    Shutdown,
}

/// In what condition a worker comes back from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum WorkerCondition {
    /// It may serve another one; `worn` when it has served its time, `stale` when it has not run its call, since it has
    /// other files of the skill than that means.
    Fit { worn: bool, stale: bool },
    /// It must serve no other call. Its process may still run.
    Unfit,
    /// Its process has ended. `begun` is the number of the last call that it has begun.
    Dead { begun: u64 },
}

/// What a worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum StartPurpose {
    /// There are too few workers.
    TooFew,
    /// To replace one that is worn.
    Successor,
    /// To replace those of an earlier generation, since the skills have changed.
    Renewal,
    /// To keep a state.
    Stateful,
}

/// How a running call is ended whose caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum AbandonedCallEnd {
    /// Interrupt it now.
    Interrupt,
    /// Other calls were pipelined behind it, which the signal that interrupts must not reach. They have been revoked:
    /// wait until it is certain that none of them begins, then [ask again](super::Scheduler::revocation_settled).
    AfterRevocation,
    /// The worker has begun a later call, so this one has ended there. Wait for its last frame, which is on its way.
    AwaitLastFrame,
}

/// Something to be done. Effects are to be carried out in the order in which they come.
#[derive(Clone, Debug)]
pub(in crate::pool) enum Effect {
    /// Start a worker. One that is not `stateful` needs a permit among the workers of all pools;
    /// [`worker_permit_decided`](super::Scheduler::worker_permit_decided) is to be told whether it got one.
    Start {
        worker: WorkerHandle,
        stateful: bool,
    },
    /// Write a call to an idle worker, behind what was written to it before. `number` is the call's number at the
    /// worker.
    Send {
        worker: WorkerHandle,
        call: CallHandle,
        number: u64,
    },
    /// A call that was sent is the worker's current one now: flush, give the worker to the call, wake its caller.
    Begin {
        worker: WorkerHandle,
        call: CallHandle,
        number: u64,
    },
    /// A call whose caller has left is the worker's current one now: end it.
    EndAbandoned {
        worker: WorkerHandle,
        number: u64,
    },
    /// Note on the worker's status page that it must not begin a call of this number or a lower one.
    Revoke {
        worker: WorkerHandle,
        up_to: u64,
    },
    /// Read on the status page which call the worker has begun last, and tell
    /// [`page_read`](super::Scheduler::page_read).
    ReadPage {
        worker: WorkerHandle,
    },
    /// Have an idle worker exit. What skills registered with `atexit` runs first.
    AskToExit {
        worker: WorkerHandle,
    },
    /// Kill an idle worker.
    Kill {
        worker: WorkerHandle,
    },
    /// Kill a worker to which calls were pipelined, and tell
    /// [`worker_returned`](super::Scheduler::worker_returned) when it is dead.
    KillAndReap {
        worker: WorkerHandle,
    },
    Refuse {
        call: CallHandle,
        why: RefusalReason,
    },
    /// Ask the other pools for a worker's permit, since none was free. `workers` is how many this pool has.
    RequestWorkerPermit {
        workers: usize,
    },
    /// Call [`tick`](super::Scheduler::tick) soon.
    Tick,
    /// Wake those who wait for a renewal, so that they look at [`is_renewed`](super::Scheduler::is_renewed).
    Renewed,
}
