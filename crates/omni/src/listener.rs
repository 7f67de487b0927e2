//! The sockets that servers listen on, those of `omni mcp` and of `omni runner` alike: ports, and Unix sockets.

mod occupant;
mod unix_socket;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs as _};

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpListener;

use occupant::Occupant;
pub(crate) use unix_socket::{SocketFile, SocketReach, bound, unix};

/// Listens on a port; 0 takes a free one. `written` says how the host was given. Needs a tokio runtime.
///
/// # Errors
///
/// The host is none, this machine does not have it, or something listens there: then the sentence says what, if that can be
/// known.
pub(crate) fn tcp(host: &str, port: u16, written: &str) -> Result<TcpListener> {
    let refused = || format!("{written}: omni cannot listen there, port {port}");
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().with_context(refused)?.collect();
    match bound_to_one(&addresses) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let by = Occupant::of_port(&addresses).map_or_else(String::new, |found| format!(" by {found}"));
            bail!(
                "port {port} on {host} is in use{by}; take another one with `--port {}`, or stop the program that has it",
                port.wrapping_add(1).max(1024)
            )
        }
        Err(error) => Err(error).with_context(refused),
    }
}

/// The first of the addresses that can be listened on, as a name may have several.
fn bound_to_one(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match bound_tcp(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The standard library lets a port be taken again at once after its server has ended, as tokio does.
fn bound_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
