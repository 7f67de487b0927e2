"""Which addresses are public."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "198.18.0.1", "192.0.0.8", "224.0.0.1", "240.0.0.1", "255.255.255.255", "203.0.113.9",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(helper, address):
    assert not helper("_address").is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "172.32.0.1",
        "100.63.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are(helper, address):
    assert helper("_address").is_public(address)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("example.org/a b?q=ü#frag", "https://example.org/a%20b?q=%C3%BC"),
        ("HTTP://Example.ORG:80/%20x", "http://example.org:80/%20x"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("http://[2606:4700::1111]:8080", "http://[2606:4700::1111]:8080"),
    ],
)
def test_addresses_are_sent_in_plain_form(helper, given, sent):
    assert helper("_http").checked_url(given) == sent


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("file:///etc/passwd", "not an http or https"),
        ("ftp://example.org/", "not an http or https"),
        ("gopher://127.0.0.1/", "not an http or https"),
        ("/etc/passwd", "not an http or https"),
        ("http://", "names no host"),
        ("http://user:secret@example.org/", "user name or password"),
        ("http://example.org:99999/", "no address of a page"),
        ("http://[::1", "no address of a page"),
        ("http://exa\r\nmple.org/", "control characters"),
        ("https://" + "a" * 9000, "too long"),
    ],
)
def test_what_is_no_address_of_a_page_is_refused(helper, given, said):
    from omni import ToolError

    with pytest.raises(ToolError, match=said):
        helper("_http").checked_url(given)
