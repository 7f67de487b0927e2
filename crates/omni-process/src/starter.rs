//! Which thread forks: one that lives as long as the server.
//!
//! The kernel sends a child's death signal when the *thread* that forked it ends, so a thread of a pool
//! would take its workers along. A fork also stops its thread for about a millisecond, which the thread
//! that serves every client does not have.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

struct Order {
    command: Command,
    /// Who counts the child, from before it exists until somebody else does.
    mark: Box<dyn Send>,
    reply: oneshot::Sender<(io::Result<Child>, Box<dyn Send>)>,
}

/// Starts `command` from the permanent thread. `mark` comes back with the child. When the returned future
/// is dropped, the child is killed and reaped before `mark` is dropped.
pub(crate) async fn start(command: Command, mark: Box<dyn Send>) -> io::Result<(Child, Box<dyn Send>)> {
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = oneshot::channel();
    orders()?.send(Order { command, mark, reply }).map_err(|_| gone())?;
    let (child, mark) = answer.await.map_err(|_| gone())?;
    Ok((child?, mark))
}

fn orders() -> io::Result<&'static Sender<Order>> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    if let Some(orders) = ORDERS.get() {
        return Ok(orders);
    }
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("omni-starter".into()).spawn(move || serve(&receiver))?;
    // If two threads raced here, the loser's thread ends with its sender, before it has forked anything.
    Ok(ORDERS.get_or_init(|| sender))
}

fn serve(orders: &Receiver<Order>) {
    while let Ok(Order { mut command, mark, reply }) = orders.recv() {
        let child = command.spawn();
        if let Err((Ok(mut unwanted), _mark)) = reply.send((child, mark)) {
            let _ = unwanted.kill();
            let _ = unwanted.wait();
        }
    }
}
