use std::sync::Arc;

use super::account::QUANTITIES;
use super::queue::Overloaded;
use super::*;
use crate::config::Limits;
use crate::peer::PeerKey;

const MIB: usize = 1 << 20;

fn admission(limits: Limits) -> Arc<Admission> {
    Admission::new(&limits, usize::MAX)
}

fn user(admission: &Arc<Admission>, uid: u32) -> PeerAccount {
    admission.account(Some(PeerKey::User(uid)))
}

fn calls(max: usize, waiting: usize) -> Arc<Admission> {
    admission(Limits { calls_max: max, calls_waiting_max: waiting, ..Limits::default() })
}

#[test]
fn a_lone_peer_may_have_everything_that_is_open_to_any() {
    let limits = Limits::default();
    let admission = admission(limits);
    let account = user(&admission, 1);
    let permits: Vec<_> = (0..limits.calls_max).map(|_| account.call_permit().unwrap()).collect();
    assert!(permits.iter().all(|permit| matches!(permit, PendingPermit::Now(_))));
    let waiting: Vec<_> = (0..limits.calls_waiting_max).map(|_| account.call_permit().unwrap()).collect();
    assert!(waiting.iter().all(|permit| matches!(permit, PendingPermit::Later { .. })));
    assert_eq!(account.call_permit().err(), Some(Overloaded));
}

#[test]
fn a_newcomer_is_served_at_once_while_another_has_everything() {
    let admission = calls(160, 160);
    let (greedy, modest) = (user(&admission, 1), user(&admission, 2));
    let _all: Vec<_> = std::iter::from_fn(|| greedy.call_permit().ok()).collect();
    let permits: Vec<_> = (0..10).map(|_| modest.call_permit().unwrap()).collect();
    assert!(permits.iter().all(|permit| matches!(permit, PendingPermit::Now(_))));
    assert!(
        matches!(modest.call_permit(), Ok(PendingPermit::Later { .. })),
        "also the reserve has an end, but the line has room"
    );
}

#[tokio::test]
async fn peers_take_turns_and_not_requests() {
    let admission = calls(1, 1000);
    let (greedy, modest) = (user(&admission, 1), user(&admission, 2));
    let Ok(PendingPermit::Now(running)) = greedy.call_permit() else { panic!("the first call waits") };
    let mut many: Vec<_> = (0..500).map(|_| greedy.call_permit().unwrap()).collect();
    let one = modest.call_permit().unwrap();
    drop(running);
    let first = many.remove(0).wait().await.unwrap();
    drop(first);
    let permit = one.wait().await.unwrap();
    assert_eq!(permit.amount, 1, "one call of the other peer went before it, not five hundred");
}

#[tokio::test]
async fn a_call_that_waits_for_its_client_leaves_its_permit_to_another_and_takes_it_again() {
    let admission = calls(1, 64);
    let account = user(&admission, 1);
    let used = || admission.state().used[Quantity::Calls as usize];
    let asks = CallPermit::new(account.call_permit().unwrap().wait().await.unwrap());
    let other = account.call_permit().unwrap();
    assert!(matches!(other, PendingPermit::Later { .. }));
    let (answered, answer) = tokio::sync::oneshot::channel();
    let answer = asks.awaiting(Box::pin(async { answer.await.unwrap() }));
    let waiting = tokio::spawn(answer);
    let other = other.wait().await.expect("the other call has the permit");
    answered.send(omni_call::Answer::Result("{}".into())).unwrap();
    waiting.await.unwrap();
    assert_eq!(used(), 2, "both run, one above the bound");
    let third = account.call_permit().unwrap();
    drop(other);
    assert!(matches!(third, PendingPermit::Later { .. }), "one runs, as many as may");
    drop(asks);
    drop(third.wait().await.unwrap());
    assert_eq!(admission.state().used, [0; QUANTITIES]);
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_holds_nothing_afterwards() {
    let admission = calls(1, 64);
    let account = user(&admission, 1);
    let asks = CallPermit::new(account.call_permit().unwrap().wait().await.unwrap());
    let mut answer = asks.awaiting(Box::pin(std::future::pending()));
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    assert_eq!(admission.state().used[Quantity::Calls as usize], 0);
    drop((answer, asks));
    assert_eq!(admission.state().used, [0; QUANTITIES]);
    assert_eq!(admission.state().holders, [0; QUANTITIES]);
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing_behind() {
    let admission = calls(1, 64);
    let account = user(&admission, 1);
    let Ok(PendingPermit::Now(running)) = account.call_permit() else { panic!("the first call waits") };
    for _ in 0..10_000 {
        drop(account.call_permit().unwrap());
    }
    assert!(admission.state().slots[0].calls.len() <= 128);
    let last = account.call_permit().unwrap();
    drop(running);
    drop(last.wait().await.unwrap());
    assert_eq!(admission.state().used, [0; QUANTITIES]);
    assert_eq!(admission.state().holders, [0; QUANTITIES]);
}

#[tokio::test]
async fn what_was_granted_to_somebody_who_is_gone_is_granted_again() {
    let admission = calls(1, 64);
    let account = user(&admission, 1);
    let Ok(PendingPermit::Now(running)) = account.call_permit() else { panic!("the first call waits") };
    let (gone, next) = (account.call_permit().unwrap(), account.call_permit().unwrap());
    drop(running);
    drop(gone);
    drop(next.wait().await.unwrap());
    assert_eq!(admission.state().used, [0; QUANTITIES]);
}

#[tokio::test]
async fn a_peer_that_does_not_read_gets_no_more_calls_begun_and_others_do() {
    let admission = admission(Limits::default());
    let (mute, other) = (user(&admission, 1), user(&admission, 2));
    let unread = mute.charge(Quantity::AnswerBytes, 25 * MIB);
    assert!(mute.reads_too_slowly());
    let waits = mute.call_permit().unwrap();
    assert!(matches!(waits, PendingPermit::Later { .. }));
    assert!(matches!(other.call_permit(), Ok(PendingPermit::Now(_))));
    drop(unread);
    drop(waits.wait().await.unwrap());
}

#[tokio::test]
async fn bodies_that_are_all_half_read_do_not_wait_for_each_other() {
    let admission = admission(Limits { memory_bytes_max: 16 * MIB, ..Limits::default() });
    let account = user(&admission, 1);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut body = account.body();
        tasks.spawn(async move {
            for _ in 0..64 {
                body.grow(64 << 10).await;
                tokio::task::yield_now().await;
            }
            drop(body.whole());
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(admission.state().used, [0; QUANTITIES]);
}

#[tokio::test]
async fn bodies_never_hold_more_than_the_bound_and_another_peer_has_its_part() {
    let limits = Limits::default();
    let admission = admission(limits);
    let (greedy, modest) = (user(&admission, 1), user(&admission, 2));
    let mut held = Vec::new();
    for _ in 0..1000 {
        let mut body = greedy.body();
        let grown = tokio::time::timeout(std::time::Duration::ZERO, body.grow(MIB)).await;
        if grown.is_ok() {
            held.push(body);
        }
    }
    assert!(held.len() * MIB <= limits.request_bytes_max() - limits.body_bytes_max, "{} MiB", held.len());
    let mut body = modest.body();
    assert!(body.grow_now(4 * MIB));
    assert!(admission.state().used[Quantity::RequestBytes as usize] <= limits.request_bytes_max());
}

#[test]
fn the_oldest_silent_connection_of_the_heaviest_makes_room() {
    let admission = admission(Limits { connections_max: 32, ..Limits::default() });
    let (many, few) = (user(&admission, 1), user(&admission, 2));
    let connections: Vec<_> = (0..31).map(|_| Arc::new(admission.connect(&many).unwrap())).collect();
    let evicted = || -> Vec<usize> { (0..31).filter(|n| connections[*n].is_evicted()).collect() };
    let working = connections[0].mark_busy();
    connections[1].touch();
    let newcomer = admission.connect(&few).unwrap();
    assert!(evicted().is_empty(), "the reserve is for newcomers");
    let _second = admission.connect(&few).unwrap();
    assert_eq!(evicted(), [2], "the oldest that is not at work and was not used since");
    let own = Arc::new(admission.connect(&many).unwrap());
    assert_eq!(evicted(), [2, 3]);
    drop(newcomer);
    drop(working);
    let _working: Vec<_> = connections.iter().chain([&own]).map(Connection::mark_busy).collect();
    assert!(admission.connect(&many).is_none(), "nobody who is at work is sent away");
}

#[test]
fn an_account_ends_with_its_last_user() {
    let admission = admission(Limits::default());
    for uid in 0..1000 {
        drop(user(&admission, uid));
    }
    let state = admission.state();
    assert!(state.slots_by_key.is_empty() && state.slots.len() == 1);
}

#[tokio::test]
async fn a_peer_with_a_bound_of_its_own_waits_at_it_and_holds_up_nobody_behind_it() {
    let admission = calls(1000, 1000);
    let limited: Vec<_> = (0..100).map(|uid| user(&admission, uid)).collect();
    limited.iter().for_each(|account| account.set_calls_max(Some(1)));
    let mut running: Vec<_> = limited.iter().map(|account| account.call_permit().unwrap()).collect();
    assert!(running.iter().all(|permit| matches!(permit, PendingPermit::Now(_))));
    let mut waiting: Vec<_> = limited.iter().map(|account| account.call_permit().unwrap()).collect();
    assert!(waiting.iter().all(|permit| matches!(permit, PendingPermit::Later { .. })));
    let other = user(&admission, 1000).call_permit().unwrap();
    assert!(matches!(other, PendingPermit::Now(_)), "others have what they may");
    // More peers wait before the last one than are looked at where the bound of all is reached.
    drop(running.pop());
    waiting.pop().unwrap().wait().await.unwrap();
    // Without the bound the next call begins as soon as anything is given back.
    limited[0].set_calls_max(None);
    drop(other);
    waiting.remove(0).wait().await.unwrap();
}
