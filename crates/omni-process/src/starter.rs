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

struct StartRequest {
    command: Command,
    /// Who counts the child, from before it exists until somebody else does.
    guard: Box<dyn Send>,
    reply: oneshot::Sender<(io::Result<Child>, Box<dyn Send>)>,
}

/// Starts `command` from the permanent thread. `guard` comes back with the child. When the returned future
/// is dropped, the child is killed and reaped before `guard` is dropped.
pub(crate) async fn start(command: Command, guard: Box<dyn Send>) -> io::Result<(Child, Box<dyn Send>)> {
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = oneshot::channel();
    requests()?.send(StartRequest { command, guard, reply }).map_err(|_| gone())?;
    let (child, guard) = answer.await.map_err(|_| gone())?;
    Ok((child?, guard))
}

fn requests() -> io::Result<&'static Sender<StartRequest>> {
    static REQUESTS: OnceLock<Sender<StartRequest>> = OnceLock::new();
    if let Some(requests) = REQUESTS.get() {
        return Ok(requests);
    }
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("omni-starter".into()).spawn(move || serve(&receiver))?;
    // If two threads raced here, the loser's thread ends with its sender, before it has forked anything.
    Ok(REQUESTS.get_or_init(|| sender))
}

fn serve(requests: &Receiver<StartRequest>) {
    while let Ok(StartRequest { mut command, guard, reply }) = requests.recv() {
        let child = command.spawn();
        if let Err((Ok(mut unwanted), _guard)) = reply.send((child, guard)) {
            let _ = unwanted.kill();
            let _ = unwanted.wait();
        }
    }
}
