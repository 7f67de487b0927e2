//! Who is at the other end of a connection.

mod sock_diag;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use crate::peer::sock_diag::SockDiag;
use crate::principal::Principal;
use crate::transport::listener::{Addresses, ClientStream};

/// The other end of one connection, asked for once, when it is accepted. It is the same for every request that comes
/// over it, while the principal may differ: a proxy may send requests of many on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection comes from and leads to.
    pub addresses: Addresses,
    /// The user who made the socket at the other end. Known on loopback where the kernel tells, and on a Unix socket.
    /// It is the maker's, not the writer's: a relay (`ssh -L`, a proxy, a published container port) shows the user
    /// that the relay runs as, and a socket handed on to another process shows the one who made it.
    pub uid: Option<u32>,
}

/// What counts as one peer where peers share something: the most that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerKey {
    /// Whom credentials stand for.
    Principal(Principal),
    User(u32),
    /// Of IPv6 the network of 64 bits, since whoever has one address there has all of them.
    Address(IpAddr),
    /// Whoever connects to a Unix socket and is not known. Nothing of theirs is served.
    Unknown,
}

impl Peer {
    /// The user, else the address.
    pub(crate) fn key(&self) -> PeerKey {
        match (self.uid, self.addresses) {
            (Some(uid), _) => PeerKey::User(uid),
            (None, Addresses::Tcp { remote, .. }) => PeerKey::Address(network(remote.ip().to_canonical())),
            (None, Addresses::Unix) => PeerKey::Unknown,
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from(u128::from(address) & (!0 << 64)).into()
        }
        address => address,
    }
}

/// Asks the kernel whose a connection is. One request to it takes about a microsecond, however many sockets there
/// are.
#[derive(Debug)]
pub struct PeerLookup {
    /// Where connections over TCP are asked for.
    kernel: Option<SockDiag>,
    /// In a user namespace, the number under which all users outside of it appear.
    outsider: Option<u32>,
}

/// Why the user at the other end is not known.
#[derive(Debug, thiserror::Error)]
pub enum PeerUnknown {
    #[error("it does not come over loopback")]
    NotLocal,
    /// It sent and closed, exited or reset before it could be looked at. By now its port may be anybody's.
    #[error("its other end is closed already")]
    Closed,
    /// Every user who is not mapped into our user namespace looks alike.
    #[error("it belongs to a user outside of this user namespace")]
    OutsideNamespace,
    #[error("the kernel does not answer: {0}")]
    Kernel(#[from] std::io::Error),
}

impl PeerLookup {
    /// Opens the way to the kernel and tries it on a connection of our own at `address`.
    ///
    /// # Errors
    /// The kernel does not tell, as in gVisor, in WSL 1 or under a filter of system calls: then nobody's user can be
    /// had by this, for as long as this process lives.
    pub fn open(address: IpAddr) -> Result<Self, PeerUnknown> {
        let lookup = PeerLookup { kernel: Some(SockDiag::open()?), ..PeerLookup::of_unix_sockets() };
        lookup.try_out(address)?;
        Ok(lookup)
    }

    /// For Unix sockets, of which the kernel always tells. No connection over TCP is known by it.
    pub fn of_unix_sockets() -> Self {
        PeerLookup { kernel: None, outsider: sock_diag::outsider() }
    }

    /// The user at the other end of a connection that was just accepted. Over a Unix socket it is the user as whom the
    /// other end has connected, also when it is gone.
    pub(crate) fn user(&self, stream: &ClientStream, addresses: Addresses) -> Result<u32, PeerUnknown> {
        match (stream, addresses) {
            (ClientStream::Unix(stream), _) => self.known(stream.peer_cred()?.uid()),
            (ClientStream::Tcp(stream), Addresses::Tcp { remote, local }) => {
                self.user_over_tcp(stream, remote, local)
            }
            (ClientStream::Tcp(_), Addresses::Unix) => Err(PeerUnknown::NotLocal),
        }
    }

    /// The user at the other end of `stream`, an accepted connection from `remote` to `local`.
    ///
    /// The addresses must be those that accepting gave: after a reset the socket has none, and others can have the
    /// pair.
    fn user_over_tcp(
        &self,
        stream: impl AsFd,
        remote: SocketAddr,
        local: SocketAddr,
    ) -> Result<u32, PeerUnknown> {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let Some(kernel) = self.kernel.as_ref().filter(|_| remote.ip().is_loopback()) else {
            return Err(PeerUnknown::NotLocal);
        };
        // A socket that was closed shows user 0 and inode 0, and must not be taken for root's. Where there is no such
        // pair the kernel shows a listener, whose addresses are others.
        let found = kernel.find(remote, local)?;
        let theirs = found.filter(|socket| socket.established && socket.inode != 0);
        // In that order: our end was still connected after the other was looked up, so that was the socket which our
        // end is connected to. A socket of somebody who took over a freed port would have cost ours its connection.
        let inode = rustix::fs::fstat(&stream).map_err(std::io::Error::from)?.st_ino;
        let ours = kernel.find(local, remote)?;
        let open =
            ours.is_some_and(|socket| socket.established && u64::from(socket.inode) == inode & 0xffff_ffff);
        match theirs {
            Some(theirs) if open => self.known(theirs.uid),
            _ => Err(PeerUnknown::Closed),
        }
    }

    /// The user, unless that number stands for everybody outside of our user namespace.
    fn known(&self, uid: u32) -> Result<u32, PeerUnknown> {
        if self.outsider == Some(uid) { Err(PeerUnknown::OutsideNamespace) } else { Ok(uid) }
    }

    /// The number under which every user outside of our user namespace appears; `None` in the one that has them all.
    pub fn outsider(&self) -> Option<u32> {
        self.outsider
    }

    fn try_out(&self, address: IpAddr) -> Result<(), PeerUnknown> {
        let listener = std::net::TcpListener::bind((address, 0))?;
        let connected = std::net::TcpStream::connect(listener.local_addr()?)?;
        let own_end = connected.local_addr()?;
        // Somebody else may have been quicker to connect.
        let (accepted, remote) = loop {
            let (accepted, remote) = listener.accept()?;
            if remote == own_end {
                break (accepted, remote);
            }
        };
        let uid = self.user_over_tcp(&accepted, remote, accepted.local_addr()?)?;
        let own = rustix::process::geteuid().as_raw();
        if uid != own {
            let why = format!("it says that a socket of user {own} is of user {uid}");
            return Err(PeerUnknown::Kernel(std::io::Error::other(why)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
