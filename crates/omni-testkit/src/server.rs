//! A server over a folder of skills, and clients of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use omni_call::Executor;
use omni_catalog::{Catalog, Source, ToolRules};
use omni_server::{
    Access, AccessDecision, Addresses, AllowedHosts, HttpEndpoint, Peer, Server, ServerConfig, serve_stdio,
};
use tokio::io::DuplexStream;
use tokio::sync::watch;

use crate::{HttpClient, SkillFolder, SseClient, StdioClient};

/// Bytes that lie between client and server until either reads them: as much as a pipe of Linux holds.
const PIPE_BYTES: usize = 64 << 10;

/// Where an HTTP client seems to come from and to have connected to.
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// A server that answers in this process.
pub struct TestServer {
    pub server: Arc<Server>,
    endpoint: Arc<HttpEndpoint>,
    stop: watch::Sender<bool>,
}

/// What a [`TestServer`] is made of.
pub struct TestServerBuilder {
    catalog: Arc<Catalog>,
    executor: Arc<dyn Executor>,
    config: ServerConfig,
    access: Access,
    is_read: bool,
}

impl TestServer {
    /// A server of these skills whose calls `executor` runs. Several may serve one folder: it is read once.
    pub fn builder(folder: &SkillFolder, executor: Arc<dyn Executor>) -> TestServerBuilder {
        let (config, access) = (ServerConfig::new("1"), Access::everybody());
        TestServerBuilder { catalog: folder.catalog(), executor, config, access, is_read: true }
    }

    /// A server that has just been started, and knows of the folder what a cache says: the first
    /// [`refresh`](Self::refresh) looks at it.
    pub fn builder_at_start(folder: &SkillFolder, executor: Arc<dyn Executor>) -> TestServerBuilder {
        let (config, access) = (ServerConfig::new("1"), Access::everybody());
        let catalog = folder.catalog_at_start();
        TestServerBuilder { catalog, executor, config, access, is_read: false }
    }

    /// A server of these skills with nothing else to say.
    pub fn new(folder: &SkillFolder, executor: Arc<dyn Executor>) -> Self {
        Self::builder(folder, executor).start()
    }

    /// A client on stdio.
    pub fn stdio(&self) -> StdioClient {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (input, output) = tokio::io::split(theirs);
        let served = tokio::spawn(serve_stdio(self.server.clone(), input, output, self.stop.subscribe()));
        StdioClient::new(ours, served)
    }

    /// A connection over HTTP of our own user.
    pub async fn http(&self) -> HttpClient {
        self.http_as(None).await
    }

    /// A connection over HTTP of that user.
    pub async fn http_as(&self, uid: Option<u32>) -> HttpClient {
        HttpClient::connect(self.http_stream(uid, PIPE_BYTES)).await
    }

    /// A session over HTTP+SSE of our own user.
    pub async fn sse(&self) -> SseClient {
        self.sse_as(None).await
    }

    /// A session over HTTP+SSE of that user.
    pub async fn sse_as(&self, uid: Option<u32>) -> SseClient {
        SseClient::open(self.http_as(uid).await, self.http_as(uid).await).await
    }

    /// The client's end of a connection over HTTP of that user, for bytes as they are. So many of them lie between the
    /// two ends until they are read.
    pub fn http_stream(&self, uid: Option<u32>, bytes: usize) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(bytes);
        let (endpoint, stop) = (self.endpoint.clone(), self.stop.subscribe());
        let addresses = Addresses::Tcp { remote: REMOTE, local: LOCAL };
        let peer = Peer { addresses, uid };
        tokio::spawn(async move {
            endpoint.serve_stream(theirs, AccessDecision { peer, refused: None }, stop).await
        });
        ours
    }

    /// Reads the folder again, after a test has changed it.
    pub async fn refresh(&self) {
        self.server.refresh_catalog().await;
    }

    /// Tells the server to stop, as a signal would.
    pub fn stop(&self) {
        self.endpoint.end_streams();
        self.stop.send_replace(true);
    }
}

impl TestServerBuilder {
    /// Without the folder: a server of what [`sources`](Self::sources) adds, if anything.
    pub fn without_folder(mut self) -> Self {
        self.catalog = Arc::new(Catalog::new(Vec::new(), ToolRules::clone(&self.catalog.rules())).unwrap());
        self
    }

    /// These too, after the folder.
    pub fn sources(mut self, sources: Vec<Arc<dyn Source>>) -> Self {
        let all = self.catalog.sources().iter().cloned().chain(sources).collect();
        self.catalog = Arc::new(Catalog::new(all, ToolRules::clone(&self.catalog.rules())).unwrap());
        self
    }

    /// Changes the server's settings.
    pub fn config(mut self, change: impl FnOnce(&mut ServerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Which callers over HTTP are let in; everybody without it.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The server, ready to answer.
    pub fn start(self) -> TestServer {
        let server = Server::new(self.catalog, self.executor, self.config);
        if self.is_read {
            server.catalog_refreshed();
        }
        let names = AllowedHosts::new(&[], &[]).unwrap();
        let endpoint = HttpEndpoint::new(server.clone(), self.access, names);
        TestServer { server, endpoint: Arc::new(endpoint), stop: watch::Sender::new(false) }
    }
}
