//! Calls that wait for their client's answers while no request of it is open: how many are kept, and for how long.
//!
//! A call that asks in the modern era ends its client's request, and goes on with the next one that brings the answers.
//! In between it belongs to [`ParkedCalls`], which drives it: its time limit runs, and it may end by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use omni_call::{Answer, AskRefusal};
use omni_protocol::{ClientCapabilities, ErrorCode, Frame, Id, InputResponses, RequestSubject, RpcError};
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::client_link::ClientLink;
use super::recipient::Recipient;
use super::refusal::{ANSWER_WAIT, refused};
use super::request_state::{Nonce, StateBinding, StateKey};
use crate::admission::{AccountKey, PeerAccount, Permit, Quantity};
use crate::call_future::{CallEnd, CallFuture};
use crate::outbox::Outbox;
use crate::principal::Principal;

/// Calls that may be parked at once. Each holds what it had before, a worker above all.
const PARKED_MAX: usize = 256;

/// … of one peer.
const PARKED_OF_PEER_MAX: usize = 64;

/// Arguments up to this many bytes may be written in another way when a request is repeated; larger ones, which it would
/// take long to read, are repeated as they were.
const COMPARED_BYTES_MAX: usize = 64 << 10;

/// The parked calls of one connection that carries everything of its client, or of one HTTP endpoint.
///
/// **Dropping it, or [`end`](Self::end), cancels them all.**
pub(crate) struct ParkedCalls {
    key: StateKey,
    /// Expiries are counted from here.
    epoch: Instant,
    table: Arc<Mutex<ParkedTable>>,
}

#[derive(Default)]
struct ParkedTable {
    calls: HashMap<Nonce, ParkedEntry>,
    /// How many calls each peer has parked.
    of_peers: HashMap<AccountKey, usize>,
    /// Nothing is parked any more.
    ended: bool,
}

struct ParkedEntry {
    /// `None` once the call was taken out.
    call: Arc<Mutex<Option<ParkedCall>>>,
    parking: Arc<ParkHandle>,
    driver: AbortHandle,
}

struct ParkedCall {
    future: CallFuture,
    /// How it has ended, if it has. That happens only by a panic: a call that is over waits for a request to answer.
    ended: Option<CallEnd>,
    parking: Arc<ParkHandle>,
    /// Its arguments stay in memory.
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

    fn has_arguments(&self, other: Option<&Bytes>) -> bool {
        let none = Bytes::from_static(b"{}");
        let (mine, other) = (self.arguments.as_ref().unwrap_or(&none), other.unwrap_or(&none));
        let read = |text: &Bytes| serde_json::from_slice::<Value>(text).ok();
        mine == other
            || mine.len().max(other.len()) <= COMPARED_BYTES_MAX
                && read(mine).is_some_and(|mine| Some(mine) == read(other))
    }
}

/// What a call has that may be parked: where, for whom, and the link to its client.
pub(crate) struct ParkHandle {
    /// Weak, since it holds the links of what is parked.
    parked: Weak<ParkedCalls>,
    identity: RequestIdentity,
    pub(super) link: Arc<ClientLink>,
}

impl ParkHandle {
    pub(super) fn new(parked: &Arc<ParkedCalls>, identity: RequestIdentity, link: Arc<ClientLink>) -> Self {
        ParkHandle { parked: Arc::downgrade(parked), identity, link }
    }

    /// Parks the call when it has asked something that its client does not know of, and returns the answer to the
    /// client's request. `call` has been taken away then, and must not be polled again.
    pub(crate) fn park(self: &Arc<Self>, call: &mut CallFuture) -> Option<Frame> {
        self.link.end_request(|| match self.parked.upgrade() {
            Some(parked) => parked.park(self.clone(), call),
            None => Err(refused(AskRefusal::Gone, "the client has gone")),
        })
    }
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
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(ParkedCalls { key: StateKey::random(), epoch: Instant::now(), table: Arc::default() })
    }

    fn table(&self) -> MutexGuard<'_, ParkedTable> {
        lock(&self.table)
    }

    /// Takes `call` away and keeps it; returns the text that it is found by. When there is no room for it, the error is
    /// what its questions are answered with.
    fn park(&self, parking: Arc<ParkHandle>, call: &mut CallFuture) -> Result<String, Answer> {
        let identity = &parking.identity;
        let mut table = self.table();
        if table.ended {
            return Err(refused(AskRefusal::Gone, "the client has gone, or the server is shutting down"));
        }
        let peer = identity.account.key();
        let of_peer = table.of_peers.get(peer).copied().unwrap_or_default();
        if table.calls.len() >= PARKED_MAX || of_peer >= PARKED_OF_PEER_MAX {
            let why = format!(
                "the server keeps as many calls waiting for answers as it can ({PARKED_MAX}, and \
                 {PARKED_OF_PEER_MAX} of one client)"
            );
            tracing::warn!(method = identity.method, name = identity.name, "{why}");
            return Err(refused(AskRefusal::Failed, &why));
        }
        let expiry = Instant::now() + ANSWER_WAIT;
        let (nonce, text) = self.key.issue(expiry - self.epoch, identity.binding());
        let bytes = identity.arguments.as_ref().map_or(0, Bytes::len);
        let held = identity.account.charge(Quantity::RequestBytes, bytes);
        let future = std::mem::replace(call, Box::pin(std::future::pending()));
        let call = Arc::new(Mutex::new(Some(ParkedCall {
            future,
            ended: None,
            parking: parking.clone(),
            _held: held,
        })));
        let driver = tokio::spawn(drive(call.clone(), Arc::downgrade(&self.table), nonce, expiry));
        *table.of_peers.entry(peer.clone()).or_default() += 1;
        table.calls.insert(nonce, ParkedEntry { call, parking, driver: driver.abort_handle() });
        Ok(text)
    }

    /// The call that a repeated request belongs to, which from now on is that request's. Of two that bring the same
    /// state, one gets it.
    pub(super) fn resume(
        &self,
        retry: &InputResponses,
        recipient: Recipient,
        capabilities: ClientCapabilities,
        principal: &Principal,
        subject: RequestSubject<'_>,
    ) -> Result<Resumed, RpcError> {
        let principal = principal.seal_text();
        let binding = StateBinding { principal: &principal, method: subject.method, name: subject.name };
        let (nonce, expiry) = self.key.open(&retry.state, binding).ok_or_else(not_ours)?;
        let entry = {
            let mut table = self.table();
            match table.calls.get(&nonce) {
                Some(entry) if !entry.parking.identity.has_arguments(subject.arguments) => {
                    return Err(invalid(
                        "`params.requestState` was given out for a request with other `params.arguments`",
                    ));
                }
                Some(_) => table.remove(&nonce),
                None => None,
            }
        };
        let call = entry.and_then(|entry| entry.take());
        let Some(ParkedCall { future, ended, parking, _held }) = call else {
            let expired = self.epoch + expiry <= Instant::now();
            let minutes = ANSWER_WAIT.as_secs() / 60;
            return Err(invalid(&match expired {
                true => format!(
                    "`params.requestState` has expired: its call was given up after {minutes} minutes; send the \
                     request without it"
                ),
                false => {
                    "`params.requestState` has been used, or its call was ended; each is good for one request"
                        .to_owned()
                }
            }));
        };
        let address = recipient.address();
        parking.link.attach(recipient, capabilities, &retry.responses);
        Ok(Resumed { address, parking, future, ended })
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
    fn remove(&mut self, nonce: &Nonce) -> Option<ParkedEntry> {
        let entry = self.calls.remove(nonce)?;
        let key = entry.parking.identity.account.key();
        if let Some(of_peer) = self.of_peers.get_mut(key) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.of_peers.remove(key);
            }
        }
        Some(entry)
    }
}

impl ParkedEntry {
    /// Takes the call from its driver.
    fn take(self) -> Option<ParkedCall> {
        self.driver.abort();
        lock(&self.call).take()
    }
}

/// Drives a parked call until it is taken out or has expired.
async fn drive(
    call: Arc<Mutex<Option<ParkedCall>>>,
    table: Weak<Mutex<ParkedTable>>,
    nonce: Nonce,
    expiry: Instant,
) {
    let taken = std::future::poll_fn(|cx| match &mut *lock(&call) {
        Some(call) => call.poll(cx),
        None => Poll::Ready(()),
    });
    if tokio::time::timeout_at(expiry, taken).await.is_ok() {
        return;
    }
    let expired = table.upgrade().and_then(|table| lock(&table).remove(&nonce));
    if let Some(ParkedEntry { parking, .. }) = expired {
        let (method, name) = (parking.identity.method, &parking.identity.name);
        tracing::info!(method, name, "a call was given up: its client has not answered in time");
    }
    let expired = lock(&call).take();
    drop(expired);
}

impl ParkedCall {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended.is_none()
            && let Poll::Ready(end) = self.future.as_mut().poll(cx)
        {
            self.ended = Some(end);
        }
        Poll::Pending
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(message: &str) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

/// The refusal of a state that was not given out for that request.
pub(super) fn not_ours() -> RpcError {
    invalid(
        "`params.requestState` is not one that this server gave out for this request, or the server has been started \
         anew since; send the request without it",
    )
}
