//! One connection to a runner, and how it is opened. Whoever holds it drives it: no task does.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::address::{RunnerAddress, RunnerEndpoint};

/// An answer's head may be this long.
const HEAD_BYTES_MAX: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The protocol's side of a connection: moves bytes while it is polled.
type HttpDriver = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// Dropping it closes the connection, which cancels whatever call it carries.
pub(crate) struct RunnerConnection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<HttpDriver>,
    /// The answer that is being read.
    answer: Option<Incoming>,
    pub(crate) idle_since: Instant,
}

/// Why a request got no answer, or not all of it.
#[derive(Debug)]
pub(crate) enum ConnectionError {
    /// The connection ended, and nothing of an answer had come.
    Unanswered(String),
    /// The connection ended, or what came was no HTTP.
    Midway(String),
}

impl ConnectionError {
    pub(crate) fn reason(self) -> String {
        match self {
            ConnectionError::Unanswered(reason) | ConnectionError::Midway(reason) => reason,
        }
    }
}

impl RunnerConnection {
    /// Opens a connection.
    pub(crate) async fn open(address: &RunnerAddress) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match &address.0 {
            RunnerEndpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
            RunnerEndpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        let mut builder = Builder::new();
        builder.max_header_size(HEAD_BYTES_MAX);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(RunnerConnection { sender, driver: Some(driver), answer: None, idle_since: Instant::now() })
    }

    /// Whether a kept connection can carry another request: what is left of the last answer has come by now, and
    /// the runner has not closed it.
    pub(crate) async fn is_free(&mut self) -> bool {
        poll_fn(|cx| {
            Poll::Ready(
                self.poll_rest(cx) && {
                    self.poll_connection(cx);
                    matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(()))) && self.driver.is_some()
                },
            )
        })
        .await
    }

    /// Reads what remains of the last answer. False when that has not come, or is more than its end.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.poll_connection(cx);
            let Some(answer) = &mut self.answer else { return true };
            match pin!(answer.frame()).poll(cx) {
                Poll::Ready(None) => self.answer = None,
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_none_or(Bytes::is_empty) => {}
                Poll::Ready(Some(_)) | Poll::Pending => return false,
            }
        }
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<()>, ConnectionError> {
        let mut answer = Box::pin(self.sender.send_request(request));
        let answer = poll_fn(|cx| {
            self.poll_connection(cx);
            answer.as_mut().poll(cx)
        });
        match answer.await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.answer = Some(body);
                Ok(Response::from_parts(head, ()))
            }
            Err(error) if error.is_parse() => {
                Err(ConnectionError::Midway(format!("what came was no HTTP: {error}")))
            }
            Err(error) => Err(ConnectionError::Unanswered(why(&error))),
        }
    }

    /// The next piece of the answer; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        loop {
            let frame = poll_fn(|cx| {
                self.poll_connection(cx);
                match &mut self.answer {
                    None => Poll::Ready(None),
                    Some(answer) => pin!(answer.frame()).poll(cx),
                }
            });
            match frame.await {
                None => {
                    self.answer = None;
                    return Ok(None);
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(ConnectionError::Midway(why(&error))),
            }
        }
    }

    /// All of the answer, up to `bytes_max`.
    pub(crate) async fn rest(&mut self, bytes_max: usize) -> Result<Bytes, ConnectionError> {
        let mut whole = Vec::new();
        while let Some(data) = self.next().await? {
            if whole.len() + data.len() > bytes_max {
                return Err(ConnectionError::Midway(format!("its answer is longer than {bytes_max} bytes")));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }
}

/// What hyper says, with the cause, which is what a reader wants to know.
fn why(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
