//! Calls that wait for their client's answers while no request of it is open: how many are kept, and for how long.
//!
//! A call that asks in the modern era ends its client's request, and goes on with the next one that brings the answers.
//! In between it belongs to [`ParkedCalls`], which drives it: its time limit runs, and it may end by itself. A call that
//! is there no more when its client comes back is run again from its beginning, where its tool says that it may
//! (`replay.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use omni_call::{Answer, AskRefusal};
use omni_protocol::{ClientCapabilities, ErrorCode, Frame, Id, RequestSubject, RpcError, error_frame};
use omni_store::{Reply, Store};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::client_link::{ClientLink, ParkedQuestions};
use super::digest::arguments_digest;
use super::recipient::Recipient;
use super::refusal::{in_words, refused};
use super::request_state::{StateBinding, StateContents, StateId, StateKey, new_id};
use super::used_states::UsedStates;
use crate::admission::{AccountKey, PeerAccount, Permit, Quantity};
use crate::call_future::{CallEnd, CallFuture};
use crate::config::AskingLimits;
use crate::outbox::Outbox;
use crate::principal::Principal;
use crate::seal_key::KeySource;
use crate::server::Server;
use crate::tasks::TaskSeed;

/// The parked calls of one connection that carries everything of its client, or of one HTTP endpoint.
///
/// **Dropping it, or [`end`](Self::end), cancels them all.**
pub(crate) struct ParkedCalls {
    limits: AskingLimits,
    source: KeySource,
    key: OnceLock<StateKey>,
    clock: WallClock,
    table: Arc<Mutex<ParkedTable>>,
    /// Where the states are noted that must not be used again after a restart.
    store: Option<Store>,
}

#[derive(Default)]
struct ParkedTable {
    calls: HashMap<StateId, ParkedEntry>,
    /// How many calls each peer has parked.
    of_peers: HashMap<AccountKey, usize>,
    /// How many have been parked so far.
    parked: u64,
    used: UsedStates,
    /// Nothing is parked any more.
    ended: bool,
}

struct ParkedEntry {
    /// `None` once the call was taken out.
    call: Arc<Mutex<Option<ParkedCall>>>,
    parking: Arc<ParkHandle>,
    driver: AbortHandle,
    /// The later one has the larger number.
    order: u64,
}

struct ParkedCall {
    future: CallFuture,
    /// How it has ended, if it has. That happens only by a panic: a call that is over waits for a request to answer.
    ended: Option<CallEnd>,
    parking: Arc<ParkHandle>,
    /// Its arguments and what it asks stay in memory.
    _held: Permit,
}

/// For whom a call is parked, and what it was asked for. Only the same request of the same principal goes on with it.
pub(super) struct RequestIdentity {
    principal: String,
    account: PeerAccount,
    method: &'static str,
    name: String,
    arguments: Option<Bytes>,
}

impl RequestIdentity {
    pub(super) fn new(principal: &Principal, account: &PeerAccount, subject: RequestSubject<'_>) -> Self {
        RequestIdentity {
            principal: principal.seal_text().into_owned(),
            account: account.clone(),
            method: subject.method,
            name: subject.name.to_owned(),
            arguments: subject.arguments.cloned(),
        }
    }

    fn binding(&self) -> StateBinding<'_> {
        StateBinding { principal: &self.principal, method: self.method, name: &self.name }
    }
}

/// What a call has that may be parked: where, for whom, and the link to its client.
pub(crate) struct ParkHandle {
    /// Weak, since it holds the links of what is parked.
    parked: Weak<ParkedCalls>,
    identity: RequestIdentity,
    pub(super) link: Arc<ClientLink>,
    /// What the call becomes where it becomes a task; `None` where its client takes none.
    task: Option<TaskSeed>,
}

impl ParkHandle {
    pub(super) fn new(
        parked: &Arc<ParkedCalls>,
        identity: RequestIdentity,
        link: Arc<ClientLink>,
        task: Option<TaskSeed>,
    ) -> Self {
        ParkHandle { parked: Arc::downgrade(parked), identity, link, task }
    }

    pub(crate) fn link(&self) -> &Arc<ClientLink> {
        &self.link
    }

    pub(crate) fn task_seed(&self) -> Option<&TaskSeed> {
        self.task.as_ref()
    }

    /// Parks the call when it has asked something that its client does not know of, and returns the answer to the
    /// client's request. `call` has been taken away then, and must not be polled again.
    pub(crate) fn park(self: &Arc<Self>, call: &mut CallFuture) -> Option<Frame> {
        self.link.end_request(|questions| match self.parked.upgrade() {
            Some(parked) => parked.park(self.clone(), questions, call),
            None => Err(gone("the client has gone")),
        })
    }
}

/// A state that a request brings, with the client's answers by their keys.
pub(super) struct BroughtState<'a> {
    pub(super) text: &'a str,
    pub(super) responses: &'a [(String, Bytes)],
    pub(super) principal: &'a Principal,
    pub(super) subject: RequestSubject<'a>,
}

/// What becomes of a request that brings a state.
pub(super) enum Resumption {
    /// It goes on with its call.
    Call(Resumed),
    /// Its call is there no more, and this is what is known of it.
    Gone(StateContents),
}

/// A call that was parked, and goes on with another request.
pub(super) struct Resumed {
    /// The request's id, and what is sent before its answer.
    pub(super) address: (Id, Option<Arc<Outbox>>),
    pub(super) parking: Arc<ParkHandle>,
    pub(super) future: CallFuture,
    /// How it has ended meanwhile, if it has.
    pub(super) ended: Option<CallEnd>,
}

impl ParkedCalls {
    pub(crate) fn new(server: &Server) -> Arc<Self> {
        Arc::new(ParkedCalls {
            limits: server.config.asking,
            source: server.config.seal_key.clone(),
            key: OnceLock::new(),
            clock: WallClock::new(),
            table: Arc::default(),
            store: server.config.store.clone(),
        })
    }

    fn table(&self) -> MutexGuard<'_, ParkedTable> {
        lock(&self.table)
    }

    fn key(&self) -> &StateKey {
        self.key.get_or_init(|| StateKey::new(self.source.key()))
    }

    /// Takes `call` away and keeps it; returns the text that it is found by. Where there are as many as may be, the oldest
    /// is dropped for it. When nothing is kept any more, the error is what its questions are answered with.
    fn park(
        &self,
        parking: Arc<ParkHandle>,
        questions: ParkedQuestions,
        call: &mut CallFuture,
    ) -> Result<String, Answer> {
        let identity = &parking.identity;
        let id = new_id();
        let expiry = Instant::now() + self.limits.expires_after;
        let ParkedQuestions { questions, answers, bytes } = questions;
        let contents = StateContents {
            id,
            expiry_ms: self.clock.ms_at(expiry),
            arguments: arguments_digest(identity.arguments.as_ref()),
            questions,
            answers,
        };
        let mut table = self.table();
        if table.ended {
            return Err(gone("the client has gone, or the server is shutting down"));
        }
        let text = self.key().seal(&contents, identity.binding());
        let bytes = bytes + identity.arguments.as_ref().map_or(0, Bytes::len);
        let held = identity.account.charge(Quantity::RequestBytes, bytes);
        let future = std::mem::replace(call, Box::pin(std::future::pending()));
        let call = Arc::new(Mutex::new(Some(ParkedCall {
            future,
            ended: None,
            parking: parking.clone(),
            _held: held,
        })));
        let driver = tokio::spawn(drive(call.clone(), Arc::downgrade(&self.table), id, expiry));
        let driver = driver.abort_handle();
        table.parked += 1;
        let order = table.parked;
        let peer = identity.account.key().clone();
        table.calls.insert(id, ParkedEntry { call, parking, driver, order });
        let of_peer = table.of_peers.entry(peer.clone()).or_default();
        *of_peer += 1;
        let dropped = if *of_peer > self.limits.per_principal {
            table.remove_oldest(Some(&peer))
        } else if table.calls.len() > self.limits.total {
            table.remove_oldest(None)
        } else {
            None
        };
        drop(table);
        if let Some(dropped) = dropped {
            let RequestIdentity { method, name, .. } = &dropped.parking.identity;
            tracing::info!(
                method,
                name,
                "the oldest call that waits for its client's answer was dropped for a newer one"
            );
            drop(dropped.take());
        }
        Ok(text)
    }

    /// What a repeated request goes on with. Of two that bring the same state, one gets it. `declared` is what its client may be
    /// asked, and whether it takes tasks.
    pub(super) fn resume(
        &self,
        brought: &BroughtState<'_>,
        recipient: Recipient,
        declared: (ClientCapabilities, bool),
    ) -> Result<Resumption, RpcError> {
        let BroughtState { text, responses, principal, subject } = brought;
        let principal = principal.seal_text();
        let binding = StateBinding { principal: &principal, method: subject.method, name: subject.name };
        let contents = self.key().open(text, binding).ok_or_else(not_ours)?;
        if contents.arguments != arguments_digest(subject.arguments) {
            return Err(invalid(
                "`params.requestState` was given out for a request with other `params.arguments`",
            ));
        }
        let now = self.clock.now_ms();
        if contents.expiry_ms <= now {
            let after = in_words(self.limits.expires_after);
            return Err(invalid(&format!(
                "`params.requestState` has expired: its call was given up after {after}; send the request without it"
            )));
        }
        let entry = {
            let mut table = self.table();
            if table.used.has(&contents.id, contents.expiry_ms) {
                return Err(used());
            }
            let entry = table.remove(&contents.id);
            if entry.is_some() {
                table.used.add(contents.id, contents.expiry_ms, now);
            }
            entry
        };
        match entry.and_then(ParkedEntry::take) {
            Some(ParkedCall { future, ended, parking, _held }) => {
                // Only a call that may be run again could be gone on with once more, by another process.
                let address = recipient.address();
                let future = match parking.link.is_repeatable() {
                    true => self.once(&contents, address.0.clone(), future),
                    false => future,
                };
                parking.link.attach(recipient, declared, responses);
                Ok(Resumption::Call(Resumed { address, parking, future, ended }))
            }
            None => Ok(Resumption::Gone(contents)),
        }
    }

    /// `future`, as soon as it is noted where other processes see it that the call's state is used. Where that cannot be
    /// noted the call goes on: what another process could do with its state is what its tool may be made to do.
    fn once(&self, contents: &StateContents, request: Id, future: CallFuture) -> CallFuture {
        let Some(noted) = self.note(contents.id, contents.expiry_ms) else { return future };
        Box::pin(async move {
            match noted.await {
                Ok(true) => {}
                Ok(false) => return Ok(Some(error_frame(Some(&request), &used()))),
                Err(error) => tracing::warn!(%error, "a state may be used again after a restart: {error}"),
            }
            future.await
        })
    }

    /// Takes note that a state is used whose call is there no more. The result says when other processes know of it.
    ///
    /// # Errors
    /// It was used before.
    pub(super) fn use_up(&self, id: StateId, expiry_ms: u64) -> Result<Option<Reply<bool>>, RpcError> {
        let mut table = self.table();
        if table.used.has(&id, expiry_ms) {
            return Err(used());
        }
        table.used.add(id, expiry_ms, self.clock.now_ms());
        Ok(self.note(id, expiry_ms))
    }

    fn note(&self, id: StateId, expiry_ms: u64) -> Option<Reply<bool>> {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        let store = self.store.as_ref()?;
        Some(store.use_once(&id, at(expiry_ms), at(self.clock.now_ms())))
    }

    /// No client comes back any more: what is parked is cancelled, and nothing is parked from now on.
    pub(crate) fn end(&self) {
        let calls = {
            let mut table = self.table();
            table.ended = true;
            table.of_peers.clear();
            std::mem::take(&mut table.calls)
        };
        for entry in calls.into_values() {
            drop(entry.take());
        }
    }
}

impl Drop for ParkedCalls {
    fn drop(&mut self) {
        self.end();
    }
}

impl ParkedTable {
    fn remove(&mut self, id: &StateId) -> Option<ParkedEntry> {
        let entry = self.calls.remove(id)?;
        let key = entry.parking.identity.account.key();
        if let Some(of_peer) = self.of_peers.get_mut(key) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.of_peers.remove(key);
            }
        }
        Some(entry)
    }

    /// Removes the call that has been parked for longest, of all or of one peer.
    fn remove_oldest(&mut self, of: Option<&AccountKey>) -> Option<ParkedEntry> {
        let calls = self.calls.iter();
        let of_them =
            calls.filter(|(_, entry)| of.is_none_or(|peer| entry.parking.identity.account.key() == peer));
        let oldest = of_them.min_by_key(|(_, entry)| entry.order).map(|(id, _)| *id)?;
        self.remove(&oldest)
    }
}

impl ParkedEntry {
    /// Takes the call from its driver.
    fn take(self) -> Option<ParkedCall> {
        self.driver.abort();
        lock(&self.call).take()
    }
}

/// Drives a parked call until it is taken out, has lost its process or has expired.
async fn drive(
    call: Arc<Mutex<Option<ParkedCall>>>,
    table: Weak<Mutex<ParkedTable>>,
    id: StateId,
    expiry: Instant,
) {
    let driven = std::future::poll_fn(|cx| match &mut *lock(&call) {
        Some(call) => call.poll(cx),
        None => Poll::Ready(Driven::Taken),
    });
    let why = match tokio::time::timeout_at(expiry, driven).await {
        Ok(Driven::Taken) => return,
        Ok(Driven::Lost) => "a call has lost its process while it waited for its client's answer",
        Err(_) => "a call was given up: its client has not answered in time",
    };
    let removed = table.upgrade().and_then(|table| lock(&table).remove(&id));
    if let Some(ParkedEntry { parking, .. }) = removed {
        let RequestIdentity { method, name, .. } = &parking.identity;
        tracing::info!(method, name, "{why}");
    }
    let removed = lock(&call).take();
    drop(removed);
}

/// Why a parked call is driven no more.
enum Driven {
    Taken,
    Lost,
}

impl ParkedCall {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Driven> {
        if self.ended.is_none()
            && let Poll::Ready(end) = self.future.as_mut().poll(cx)
        {
            self.ended = Some(end);
        }
        match self.parking.link.is_lost() {
            true => Poll::Ready(Driven::Lost),
            false => Poll::Pending,
        }
    }
}

/// The wall clock, which goes with the timers of this process and is set once, when it is made.
struct WallClock {
    started: Instant,
    started_ms: u64,
}

impl WallClock {
    fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallClock { started: Instant::now(), started_ms: ms(since_1970) }
    }

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64 {
        self.ms_at(Instant::now())
    }

    fn ms_at(&self, instant: Instant) -> u64 {
        self.started_ms.saturating_add(ms(instant.saturating_duration_since(self.started)))
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone(why: &str) -> Answer {
    refused(AskRefusal::Gone, why)
}

fn invalid(message: &str) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

pub(super) fn used() -> RpcError {
    invalid("`params.requestState` has been used; each is good for one request")
}

/// The refusal of a state that was not given out for that request.
fn not_ours() -> RpcError {
    invalid(
        "`params.requestState` is not one that this server gave out for this request, or the server has another key \
         since; send the request without it",
    )
}
