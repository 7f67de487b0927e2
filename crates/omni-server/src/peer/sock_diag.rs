//! One question to the kernel: which socket has exactly this pair of addresses (sock_diag(7), without a dump).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Bytes of `nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `nlmsghdr` and `inet_diag_req_v2`.
const REQUEST: usize = HEADER + 56;
/// Bytes of `nlmsghdr` and `inet_diag_msg`; attributes may follow, which we ask for none of.
const REPLY: usize = HEADER + 72;

const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;

/// A kept netlink socket. The kernel answers while the request is being sent, so nothing here waits.
#[derive(Debug)]
pub(super) struct SockDiag {
    socket: Mutex<Numbered>,
}

#[derive(Debug)]
struct Numbered {
    socket: OwnedFd,
    last: u32,
}

/// What the kernel says of a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Neither end has closed, as far as this end knows.
    pub(super) established: bool,
    pub(super) uid: u32,
    /// 0 when no process holds the socket any more; then `uid` is 0 too, whoever had it.
    pub(super) inode: u32,
}

impl SockDiag {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        Ok(SockDiag { socket: Mutex::new(Numbered { socket, last: 0 }) })
    }

    /// The TCP socket of this network namespace whose own address is `own` and which is connected to `other`.
    /// `None` when there is none.
    pub(super) fn find(&self, own: SocketAddr, other: SocketAddr) -> io::Result<Option<Socket>> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last = kept.last.wrapping_add(1);
        rustix::net::sendto(
            &kept.socket,
            &request(kept.last, own, other),
            SendFlags::DONTWAIT,
            &SocketAddrNetlink::new(0, 0),
        )?;
        loop {
            let mut buffer = [0; 4096];
            let (length, _, from) =
                rustix::net::recvfrom(&kept.socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
            // Anybody with the right to may send to a netlink socket: only the kernel, which is 0, is believed.
            let kernel = from
                .and_then(|from| SocketAddrNetlink::try_from(from).ok())
                .is_some_and(|from| from.pid() == 0);
            // An answer that an earlier question did not wait for is passed over.
            if kernel && let Some(answer) = read(&buffer[..length.min(buffer.len())], kept.last, own, other) {
                return answer;
            }
        }
    }
}

fn request(number: u32, own: SocketAddr, other: SocketAddr) -> [u8; REQUEST] {
    let mut out = [0; REQUEST];
    out[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    out[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out[8..12].copy_from_slice(&number.to_ne_bytes());
    out[16] = if own.is_ipv4() { AF_INET } else { AF_INET6 };
    out[17] = IPPROTO_TCP;
    // Every state, or a closed socket would be no answer instead of one that says so.
    out[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    out[24..26].copy_from_slice(&own.port().to_be_bytes());
    out[26..28].copy_from_slice(&other.port().to_be_bytes());
    write_address(&mut out[28..44], own.ip());
    write_address(&mut out[44..60], other.ip());
    // No cookie: whichever socket has the pair.
    out[64..72].fill(0xff);
    out
}

fn write_address(out: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => out[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => out.copy_from_slice(&address.octets()),
    }
}

/// Reads one datagram; `None` when it answers another question.
fn read(reply: &[u8], number: u32, own: SocketAddr, other: SocketAddr) -> Option<io::Result<Option<Socket>>> {
    if u32_at(reply, 8)? != number {
        return None;
    }
    let kind = u16::from_ne_bytes([reply[4], reply[5]]);
    if kind == NLMSG_ERROR {
        let code = u32_at(reply, HEADER)?.cast_signed().wrapping_neg();
        let error = io::Error::from_raw_os_error(code);
        return Some(if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) });
    }
    if kind != SOCK_DIAG_BY_FAMILY || reply.len() < REPLY {
        return Some(Err(io::Error::other("the answer about a socket is of another kind")));
    }
    let message = &reply[HEADER..REPLY];
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let address = |at: usize| read_address(message[0], &message[at..at + 16]);
    let pair = (address(8), port(4), address(24), port(6));
    if pair != (own.ip(), own.port(), other.ip(), other.port()) {
        // Where nobody has the pair, the kernel answers with a listener that would take a connection from it.
        return Some(Ok(None));
    }
    Some(Ok(Some(Socket {
        established: message[1] == TCP_ESTABLISHED,
        uid: u32_at(message, 64)?,
        inode: u32_at(message, 68)?,
    })))
}

/// The address of a socket of this family. One of IPv6 that is connected by IPv4 has mapped addresses.
fn read_address(family: u8, bytes: &[u8]) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(bytes);
    if family == AF_INET {
        return Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into();
    }
    IpAddr::from(Ipv6Addr::from(octets)).to_canonical()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
}

/// The number that stands for all users outside of our user namespace; `None` in the one that has them all.
pub(super) fn outsider() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    let all = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let overflow = || std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok();
    (!all).then(|| overflow().unwrap_or(65534))
}
