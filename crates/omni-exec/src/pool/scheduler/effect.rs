//! What goes into the scheduler and what comes out of it: facts of a call and of a worker, effects to be carried out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slots::SlotHandle;
use crate::start_failure::StartFailure;

/// A call, from when it is put in the queue until its caller has taken what it got, or has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pool) struct CallHandle(pub(in crate::pool) SlotHandle);

/// A worker, from the decision to start it until its process is gone and nobody holds it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pool) struct WorkerHandle(pub(in crate::pool) SlotHandle);

/// How large a pool may be, and how long its queue.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct PoolBounds {
    /// Idle workers kept whatever happens.
    pub(in crate::pool) workers_min: usize,
    /// Workers at most; and beside them as many at most that keep a state.
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
    /// It may be sent behind another call and others behind it: it asks its client nothing (0038).
    pub(in crate::pool) pipelines: bool,
    /// The socket takes it at once, so that it may be sent behind another call.
    pub(in crate::pool) small: bool,
    /// It was in the queue before, and its worker has not begun it: it has its turn already.
    pub(in crate::pool) again: bool,
    pub(in crate::pool) accepted: Instant,
    /// When its time runs out in the queue.
    pub(in crate::pool) expires: Option<Instant>,
}

/// What a call finds that wants a worker.
#[derive(Clone, Debug)]
pub(in crate::pool) enum Admission {
    /// This idle worker is its own. To be sent the call now, unless it is found
    /// [unfit](super::Scheduler::unfit).
    Run(WorkerHandle),
    Waits(CallHandle),
    Refused(RefusalReason),
}

/// Why a call gets no worker.
#[derive(Clone, Debug)]
pub(in crate::pool) enum RefusalReason {
    /// The line is full, or as many states are kept as may be and all are in use.
    Busy,
    /// Its time ran out in the queue.
    Expired,
    CannotStart(Arc<StartFailure>),
    Shutdown,
}

/// In what condition a worker comes back from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum WorkerCondition {
    /// It may serve another one; `worn` when it has served its time.
    Fit { worn: bool },
    /// It must serve no other, and its process may still run.
    Unfit,
    /// Its process has ended. The last call that it has begun, by number.
    Dead { begun: u64 },
}

/// What a worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum StartPurpose {
    /// There are too few.
    TooFew,
    /// Another one has served its time.
    Successor,
    /// The skills have changed.
    Renewal,
    /// A state is to be kept.
    Stateful,
}

/// How the call of a caller who has left is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum AbandonedCallEnd {
    /// It can be told to end at once.
    Interrupt,
    /// Others were sent behind it, which the signal must not reach. They have been revoked: wait until it is certain
    /// that none begins, then [ask again](super::Scheduler::revocation_settled).
    AfterRevocation,
    /// The worker has begun a later one, so this one has ended there: its last frame is on its way.
    AwaitLastFrame,
}

/// What is to be done. Effects are carried out in the order in which they come.
#[derive(Clone, Debug)]
pub(in crate::pool) enum Effect {
    /// Start a worker. What has no key needs a place among those of all pools:
    /// [`place`](super::Scheduler::place) is told whether there was one.
    Start {
        worker: WorkerHandle,
        stateful: bool,
    },
    /// Write a call to a free worker, behind what was written to it before. It is that worker's call of this number.
    Send {
        worker: WorkerHandle,
        call: CallHandle,
        number: u64,
    },
    /// The call, which was sent, is the one at hand: flush, give it the worker, wake its caller.
    Begin {
        worker: WorkerHandle,
        call: CallHandle,
        number: u64,
    },
    /// A call whose caller has left is the one at hand: end it.
    EndAbandoned {
        worker: WorkerHandle,
        number: u64,
    },
    /// Note on the worker's status page that it must begin no call up to this number.
    Revoke {
        worker: WorkerHandle,
        up_to: u64,
    },
    /// Read on the status page which call the worker has begun last, and say so by
    /// [`begun`](super::Scheduler::begun).
    ReadPage {
        worker: WorkerHandle,
    },
    /// Let a free worker go: what skills registered for the end runs first.
    AskToExit {
        worker: WorkerHandle,
    },
    /// Kill a free worker.
    Kill {
        worker: WorkerHandle,
    },
    /// Kill a worker that was sent calls ahead, and say by [`ended`](super::Scheduler::ended) when it is dead.
    KillAndReap {
        worker: WorkerHandle,
    },
    Refuse {
        call: CallHandle,
        why: RefusalReason,
    },
    /// Ask the other pools for a place: there was none for a pool that has so many workers.
    RequestWorkerPermit {
        workers: usize,
    },
    /// Call [`tick`](super::Scheduler::tick) soon.
    Tick,
    /// Tell those who wait for a renewal to [look](super::Scheduler::is_renewed).
    Renewed,
}
