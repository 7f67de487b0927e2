//! Standard input and output of the protocol, out of the way of everybody else.
//!
//! A library that an embedded tool uses may print to descriptor 1 or read from 0, and so may what it starts. So the
//! protocol gets copies, which nothing inherits; the numbers themselves lead to standard error and to nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::FileType;
use rustix::stdio::{dup2_stdin, dup2_stdout};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Takes standard input, read without a helper thread where the kernel allows it: pipes and sockets.
pub(crate) fn input() -> Result<Box<dyn AsyncRead + Unpin + Send>> {
    let fd = copy(io::stdin().as_fd()).context("there is no standard input")?;
    File::open("/dev/null")
        .and_then(|nothing| Ok(dup2_stdin(nothing)?))
        .context("/dev/null cannot be had")?;
    let spare = copy(fd.as_fd())?;
    Ok(match kind(&fd) {
        FileType::Fifo => pipe::Receiver::from_owned_fd(fd)
            .map_or_else(|_| Box::new(file(spare)) as _, |pipe| Box::new(pipe) as _),
        FileType::Socket => {
            socket(fd).map_or_else(|_| Box::new(file(spare)) as _, |socket| Box::new(socket) as _)
        }
        _ => Box::new(file(fd)),
    })
}

/// Takes standard output, the same way.
pub(crate) fn output() -> Result<Box<dyn AsyncWrite + Unpin + Send>> {
    let fd = take_output()?;
    let spare = copy(fd.as_fd())?;
    Ok(match kind(&fd) {
        FileType::Fifo => pipe::Sender::from_owned_fd(fd)
            .map_or_else(|_| Box::new(file(spare)) as _, |pipe| Box::new(pipe) as _),
        FileType::Socket => {
            socket(fd).map_or_else(|_| Box::new(file(spare)) as _, |socket| Box::new(socket) as _)
        }
        _ => Box::new(file(fd)),
    })
}

/// Takes what standard output leads to; from then on descriptor 1 is standard error.
pub(crate) fn take_output() -> Result<OwnedFd> {
    let fd = copy(io::stdout().as_fd()).context("there is no standard output")?;
    dup2_stdout(io::stderr().as_fd()).context("standard output cannot be moved")?;
    Ok(fd)
}

fn copy(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

/// Read and written by a helper thread.
fn file(fd: OwnedFd) -> tokio::fs::File {
    tokio::fs::File::from_std(File::from(fd))
}

fn kind(fd: &OwnedFd) -> FileType {
    rustix::fs::fstat(fd).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

/// Some clients give a socket pair where others give pipes.
fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(fd);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
