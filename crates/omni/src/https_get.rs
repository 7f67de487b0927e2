//! Small documents from the web: the keys of an issuer, and where they are.
//!
//! One GET on a connection of its own. Nothing leads it to another address: a redirection is an error that names none.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// From the first packet to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer's head may be this long.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// An address whose answers can be believed: of `https`, or of `http` on this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpsUrl {
    text: String,
    host: String,
    port: u16,
    secure: bool,
    /// With the query.
    target: String,
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl HttpsUrl {
    /// # Errors
    /// It is no absolute URL, has a user or a fragment in it, or is of `http` and another machine's.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let Ok(uri) = text.parse::<Uri>() else { bail!("it is no URL") };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            bail!("it is no URL with a scheme and a host: `https://example.com/…`")
        };
        if authority.as_str().contains('@') || text.contains('#') {
            bail!("a user, a password or a fragment have no place in it");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let secure = match scheme {
            "https" => true,
            "http" if is_loopback(&host) => false,
            "http" => bail!(
                "over `http` anybody on the way can change what it says; only `https` is taken, or this machine"
            ),
            _ => bail!("only `https` is taken"),
        };
        if host.is_empty() {
            bail!("it has no host");
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(HttpsUrl { text: text.to_owned(), host, port, secure, target })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The name of its host, without the brackets of IPv6.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port as they were written.
    pub(crate) fn origin(&self) -> &str {
        let authority = self.text.find("://").map_or(0, |at| at + 3);
        let end = self.text[authority..].find(['/', '?']).map_or(self.text.len(), |at| authority + at);
        &self.text[..end]
    }

    /// Its path, without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default().trim_end_matches('/')
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The body of the document at `url`, which may have `bytes_max` bytes. Takes ten seconds at most; dropping the future
/// closes the connection.
///
/// # Errors
/// It cannot be had: the sentence names the address and the reason.
pub(crate) async fn get(url: &HttpsUrl, bytes_max: usize) -> Result<Vec<u8>, String> {
    let read = timeout(PATIENCE, async {
        let stream =
            TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|error| error.to_string())?;
        match url.secure {
            true => exchange(url, secured(url, stream).await?, bytes_max).await,
            false => exchange(url, stream, bytes_max).await,
        }
    });
    match read.await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(why)) => Err(format!("{}: {why}", url.text)),
        Err(_) => Err(format!("{}: no answer within {} s", url.text, PATIENCE.as_secs())),
    }
}

async fn exchange(
    url: &HttpsUrl,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let host = &url.origin()[url.origin().find("://").map_or(0, |at| at + 3)..];
    let request = Request::get(&url.target)
        .header(header::HOST, host)
        .header(header::ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json;q=0.9"))
        .header(header::USER_AGENT, HeaderValue::from_static(concat!("omni/", env!("CARGO_PKG_VERSION"))))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let mut builder = http1::Builder::new();
    builder.max_header_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                return Err(format!(
                    "answered {status}; the address that it leads to must be written instead"
                ));
            }
            status => return Err(format!("answered {status}")),
        }
        match Limited::new(answer.into_body(), bytes_max).collect().await {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) => Err(format!("the answer breaks off, or has more than {bytes_max} bytes: {error}")),
        }
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            // All of the answer has come.
            Ok(()) => answer.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(feature = "https")]
async fn secured(
    url: &HttpsUrl,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    use std::sync::Arc;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    // Read for each connection: they are made every ten minutes, and an authority that was added counts at once.
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.map_err(|error| error.to_string())?.certs);
    if usable == 0 {
        return Err("this machine has no certificates of authorities (they come as `ca-certificates`, or as the file \
                    that `SSL_CERT_FILE` names)"
            .to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(url.host.clone()).map_err(|error| error.to_string())?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())
}

#[cfg(not(feature = "https"))]
async fn secured(_url: &HttpsUrl, _stream: TcpStream) -> Result<TcpStream, String> {
    Err("this omni was built without `https`: build it with that feature, or have the keys in a file"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_whose_answers_can_be_believed() {
        for good in [
            "https://issuer.example",
            "https://issuer.example:8443/a/jwks?x=1",
            "http://localhost:9000/jwks",
            "http://127.0.0.1:9000",
            "http://[::1]:9000/",
        ] {
            assert_eq!(HttpsUrl::read(good).unwrap().text(), good);
        }
        for wrong in [
            "",
            "issuer.example",
            "/etc/passwd",
            "http://issuer.example/jwks",
            "http://localhost.evil.example/jwks",
            "http://127.0.0.1.evil.example/jwks",
            "file:///etc/passwd",
            "https://user:secret@issuer.example/",
            "https://issuer.example/#x",
            "https:///jwks",
        ] {
            assert!(HttpsUrl::read(wrong).is_err(), "{wrong}");
        }
        let url = HttpsUrl::read("https://issuer.example:8443/tenant/?x=1").unwrap();
        assert_eq!(
            (url.origin(), url.path(), url.host()),
            ("https://issuer.example:8443", "/tenant", "issuer.example")
        );
        assert_eq!((url.port, url.target.as_str()), (8443, "/tenant/?x=1"));
    }
}
