use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::*;

fn lookup() -> PeerLookup {
    PeerLookup::open(Ipv4Addr::LOCALHOST.into()).expect("this kernel tells whose a connection is")
}

/// A listener at `at`, and where to connect to.
fn listener(at: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr, SocketAddr) {
    let (stream, remote) = listener.accept().unwrap();
    let local = stream.local_addr().unwrap();
    (stream, remote, local)
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn a_connection_is_known_by_its_user_over_both_protocols_and_mapped() {
    let lookup = lookup();
    let cases = [
        ("127.0.0.1:0", "127.0.0.1"),
        ("[::1]:0", "::1"),
        ("[::ffff:127.0.0.1]:0", "127.0.0.1"),
        ("[::ffff:127.0.0.1]:0", "::ffff:127.0.0.1"),
        // A socket that takes both protocols sees those of IPv4 under mapped addresses.
        ("[::]:0", "127.0.0.1"),
        ("[::]:0", "::ffff:127.0.0.1"),
        ("[::]:0", "::1"),
    ];
    for (at, to) in cases {
        let (listener, address) = listener(at);
        let client = TcpStream::connect((to.parse::<IpAddr>().unwrap(), address.port())).unwrap();
        let (stream, remote, local) = accept(&listener);
        assert_eq!(lookup.user_over_tcp(&stream, remote, local).unwrap(), own(), "{at} by {to}");
        drop(client);
    }
}

#[test]
fn a_peer_that_has_sent_and_closed_is_nobody_and_never_root() {
    let lookup = lookup();
    let (listener, address) = listener("127.0.0.1:0");
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(client);
    let (mut stream, remote, local) = accept(&listener);
    assert!(matches!(lookup.user_over_tcp(&stream, remote, local), Err(PeerUnknown::Closed)));
    let mut sent = [0; 3];
    stream.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"GET", "its request is there all the same");
}

/// A client's socket that is bound to `port` before it connects, so that another one can have the same pair.
fn connect_from(port: u16, to: SocketAddr) -> TcpStream {
    use rustix::net::{self, AddressFamily, SocketType};
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    net::sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    net::connect(&socket, &to).unwrap();
    TcpStream::from(socket)
}

#[test]
fn a_port_that_somebody_else_has_taken_over_is_not_the_senders() {
    let lookup = lookup();
    let (listener, address) = listener("127.0.0.1:0");
    let mut first = connect_from(0, address);
    let port = first.local_addr().unwrap().port();
    first.write_all(b"first").unwrap();
    rustix::net::sockopt::set_socket_linger(&first, Some(std::time::Duration::ZERO)).unwrap();
    drop(first);
    let mut second = connect_from(port, address);
    second.write_all(b"second").unwrap();
    let (stream, remote, local) = accept(&listener);
    let (other, other_remote, _) = accept(&listener);
    assert_eq!(remote, other_remote, "one pair of addresses, one after the other");
    assert!(
        matches!(lookup.user_over_tcp(&stream, remote, local), Err(PeerUnknown::Closed)),
        "that was reset"
    );
    assert_eq!(lookup.user_over_tcp(&other, remote, local).unwrap(), own());
}

#[test]
fn a_pair_that_nobody_has_is_not_its_listeners() {
    let lookup = lookup();
    let (listener, address) = listener("127.0.0.1:0");
    let client = TcpStream::connect(address).unwrap();
    let (stream, _, local) = accept(&listener);
    // Another process listens at the very address that the connection is said to come from.
    let (_, elsewhere) = self::listener("127.0.0.1:0");
    assert!(matches!(lookup.user_over_tcp(&stream, elsewhere, local), Err(PeerUnknown::Closed)));
    let far = SocketAddr::from(([192, 0, 2, 1], 80));
    assert!(matches!(lookup.user_over_tcp(&stream, far, local), Err(PeerUnknown::NotLocal)));
    drop(client);
}

#[test]
fn a_client_that_closes_after_it_was_looked_at_is_what_it_was() {
    let lookup = lookup();
    let (listener, address) = listener("127.0.0.1:0");
    let client = TcpStream::connect(address).unwrap();
    let (stream, remote, local) = accept(&listener);
    assert_eq!(lookup.user_over_tcp(&stream, remote, local).unwrap(), own());
    drop(client);
    (&stream).read_exact(&mut [0]).unwrap_err();
    assert!(matches!(lookup.user_over_tcp(&stream, remote, local), Err(PeerUnknown::Closed)));
}

#[tokio::test]
async fn whoever_connects_to_a_unix_socket_is_known_also_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let lookup = PeerLookup::of_unix_sockets();
    let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let stream = ClientStream::Unix(listener.accept().await.unwrap().0);
    assert_eq!(lookup.user(&stream, Addresses::Unix).unwrap(), own());
    drop(client);
    assert_eq!(lookup.user(&stream, Addresses::Unix).unwrap(), own());
    // A connection over TCP is nobody's, since nothing was opened to ask for that.
    let (listener, address) = self::listener("127.0.0.1:0");
    let _client = TcpStream::connect(address).unwrap();
    let (stream, remote, local) = accept(&listener);
    assert!(matches!(lookup.user_over_tcp(&stream, remote, local), Err(PeerUnknown::NotLocal)));
}

#[test]
fn peers_are_told_apart_by_the_most_that_is_known() {
    let peer = |uid, remote: &str| Peer {
        addresses: Addresses::Tcp { remote: remote.parse().unwrap(), local: "127.0.0.1:1".parse().unwrap() },
        uid,
    };
    let keys = [
        peer(Some(1), "127.0.0.1:5").key(),
        peer(None, "[2001:db8::1:2]:5").key(),
        peer(None, "[::ffff:192.0.2.1]:5").key(),
        peer(None, "[::1]:5").key(),
    ];
    let addresses = ["2001:db8::", "192.0.2.1", "::1"].map(|ip| PeerKey::Address(ip.parse().unwrap()));
    let [network, mapped, loopback] = addresses;
    assert_eq!(keys, [PeerKey::User(1), network, mapped, loopback]);
}
