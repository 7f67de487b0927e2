//! The sockets that clients connect to over HTTP: TCP, and Unix.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A socket that connections come from. Dropping it closes it; the file of a Unix socket stays.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Where a connection comes from and leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    Tcp {
        /// The address the connection comes from.
        remote: SocketAddr,
        /// The address of ours that it was made to.
        local: SocketAddr,
    },
    /// A Unix socket: its clients have no address, and web pages do not reach it.
    Unix,
}

impl fmt::Display for Addresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addresses::Tcp { remote, .. } => write!(formatter, "{remote}"),
            Addresses::Unix => formatter.write_str("a Unix socket"),
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// The next connection. Dropping the future loses none.
    pub(crate) async fn accept(&self) -> io::Result<(ClientStream, Addresses)> {
        match self {
            Listener::Tcp(listener) => loop {
                let (stream, remote) = listener.accept().await?;
                match stream.local_addr() {
                    Ok(local) => return Ok((prompt(stream), Addresses::Tcp { remote, local })),
                    Err(error) => tracing::debug!(%error, %remote, "a connection ended before it was served"),
                }
            },
            Listener::Unix(listener) => Ok((ClientStream::Unix(listener.accept().await?.0), Addresses::Unix)),
        }
    }
}

/// Without this the second small write of an exchange waits 40 ms for the client's acknowledgement.
fn prompt(stream: TcpStream) -> ClientStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    ClientStream::Tcp(stream)
}

impl ClientStream {
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            ClientStream::Tcp(stream) => stream.readable().await,
            ClientStream::Unix(stream) => stream.readable().await,
        }
    }

    /// Does `read` on the socket. `WouldBlock` means that there is nothing yet, and [`readable`](Self::readable) waits.
    pub(crate) fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            ClientStream::Tcp(stream) => stream.try_io(Interest::READABLE, read),
            ClientStream::Unix(stream) => stream.try_io(Interest::READABLE, read),
        }
    }
}

impl AsFd for ClientStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ClientStream::Tcp(stream) => stream.as_fd(),
            ClientStream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientStream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            ClientStream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientStream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            ClientStream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientStream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            ClientStream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ClientStream::Tcp(stream) => stream.is_write_vectored(),
            ClientStream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientStream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            ClientStream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientStream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            ClientStream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
