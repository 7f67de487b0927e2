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
        assert_eq!(lookup.user(&stream, remote, local).unwrap(), own(), "{at} by {to}");
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
    assert!(matches!(lookup.user(&stream, remote, local), Err(PeerUnknown::Closed)));
    let mut sent = [0; 3];
    stream.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"GET", "its request is there all the same");
}
