"""What the web tools do with a real server on a real socket."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from omni import ToolError
from omni.answer_size import DATA_TOKENS, tokens

PAGE = """<!doctype html><html><head><title>A page</title></head><body><nav>menu</nav>
<h1>Hello</h1><p>Some <a href="/next">text</a>, and <a href="http://other.example/x">more</a>.</p></body></html>"""


class Site(BaseHTTPRequestHandler):
    """A small site with every kind of page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        path = self.path.split("?")[0]
        pages = {
            "/": (200, "text/html; charset=utf-8", PAGE.encode()),
            "/data": (200, "application/json", b'{"b":[1,2],"a":"\xc3\xa9"}'),
            "/plain": (200, "text/plain", b"just\ntext"),
            "/latin": (200, "text/html; charset=iso-8859-1", b"<p>caf\xe9 \x93q\x94</p>"),
            "/meta": (200, "text/html", b'<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>'),
            "/untold": (200, "", b"<p>na\xc3\xafve</p>"),
            "/image": (200, "image/png", b"\x89PNG\0\0"),
            "/empty": (200, "text/html", b"<script>build()</script>"),
            "/missing": (404, "text/html", b"<p>Gone fishing</p>"),
            "/busy": (503, "text/plain", b"come back later"),
            "/chinese": (200, "text/html; charset=utf-8", f"<title>{'題' * 5000}</title><p>{'漢字' * 50_000}".encode()),
            "/minified": (200, "text/javascript", b"a={b:1};" * 100_000),
            "/links": (
                200,
                "text/html",
                b"".join(b"<a href='/%d?%s'>%s</a>" % (n, b"q" * 900, b"text " * 300) for n in range(2000)),
            ),
            "/large": (200, "text/plain", b"x" * (11 * 1024 * 1024)),
        }
        if path == "/gzip":
            return self.answer(200, "text/plain", gzip.compress(b"packed"), {"Content-Encoding": "gzip"})
        if path == "/deflate":
            bare = zlib.compressobj(wbits=-15)
            body = bare.compress(b"bare") + bare.flush()
            return self.answer(200, "text/plain", body, {"Content-Encoding": "deflate"})
        if path == "/bomb":
            return self.answer(200, "text/plain", gzip.compress(bytes(300 << 20), 1), {"Content-Encoding": "gzip"})
        if path == "/brotli":
            return self.answer(200, "text/plain", b"?", {"Content-Encoding": "br"})
        if path == "/headers":
            long = {"Content-Security-Policy": "default-src 'self'; " * 200, "Set-Cookie": "a" * 4000}
            return self.answer(200, "text/plain", b"", long)
        if path == "/chunked":
            return self.chunks([b"one ", b"two"])
        if path == "/loop":
            return self.answer(302, "text/html", b"", {"Location": "/loop?" + self.path})
        if path == "/move":
            return self.answer(301, "text/html", b"", {"Location": "next/../data"})
        if path == "/away":
            return self.answer(302, "text/html", b"", {"Location": self.server.away})
        if path == "/trickle":
            return self.trickle()
        if path == "/garbage":
            self.wfile.write(b"\0\0\0 this is not HTTP\r\n\r\n")
            self.close_connection = True
            return None
        return self.answer(*pages.get(path, (404, "text/plain", b"")))

    do_HEAD = do_GET  # noqa: N815 - the name that `http.server` calls

    def answer(self, status, media_type, body, headers=None):
        self.send_response(status)
        if media_type:
            self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

    def chunks(self, parts):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in [*parts, b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))

    def trickle(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        try:
            while not self.server.over.wait(0.01):
                self.wfile.write(b".")
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Start servers on loopback; all end with the test."""
    servers = []

    def start(address="127.0.0.1", port=0, tls=None):
        server = ThreadingHTTPServer((address, port), Site)
        server.daemon_threads = True
        server.requests, server.over, server.away = [], threading.Event(), ""
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(serve):
    return serve()


@pytest.fixture
def base(site):
    return f"http://127.0.0.1:{site.server_port}"


@pytest.fixture
def allowed(call_with):
    return call_with(settings={"allow_private": True})


def test_a_page_is_fetched_as_text(allowed, skill, base):
    assert skill.fetch(allowed, f"{base}/").text == f"{base}/\ntitle: A page\n\n# Hello\n\nSome text, and more."
    assert f"[text]({base}/next)" in skill.fetch(allowed, f"{base}/", links=True).text
    assert "<nav>" in skill.fetch(allowed, f"{base}/", form="source").text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("data", '{\n  "b": [\n    1,\n    2\n  ],\n  "a": "é"\n}'),
        ("plain", "just\ntext"),
        ("latin", "café “q”"),
        ("meta", "Привет"),
        ("untold", "naïve"),
        ("gzip", "packed"),
        ("deflate", "bare"),
        ("chunked", "one two"),
    ],
)
def test_types_encodings_and_charsets_are_understood(allowed, skill, base, path, text):
    assert skill.fetch(allowed, f"{base}/{path}").text == f"{base}/{path}\n\n{text}"


def test_a_long_page_comes_in_pieces(allowed, skill, base):
    first = skill.fetch(allowed, f"{base}/large", limit=100).text
    assert "[characters 0-100 of 10,485,760; go on with start=100]" in first
    assert "[the page is larger than 10 MB; the rest was not fetched]" in first
    assert "[characters 200-300 of" in skill.fetch(allowed, f"{base}/large", start=200, limit=100).text
    with pytest.raises(ToolError, match="has 9 characters"):
        skill.fetch(allowed, f"{base}/plain", start=50)


@pytest.mark.parametrize("path", ["chinese", "minified", "large"])
def test_no_page_drowns_the_conversation(allowed, skill, base, path):
    text, start = "", 0
    for _ in range(3):
        piece = skill.fetch(allowed, f"{base}/{path}", start=start).text
        assert tokens(piece) < 17_000
        start = int(piece.split("go on with start=")[1].split("]")[0])
        text += piece
    assert len(text) > start
    # Who asks for more gets it.
    assert len(skill.fetch(allowed, f"{base}/{path}", limit=60_000).text) > 60_000


def test_links_and_headers_are_bounded(allowed, skill, base):
    found = skill.links(allowed, f"{base}/links", limit=2000)
    assert (found.total, found.truncated) == (2000, True)
    assert tokens(str(found)) < DATA_TOKENS * 1.2
    headers = skill.headers(allowed, f"{base}/headers").answers[-1].headers
    assert headers["set-cookie"] == "a" * 500 + "… [3,500 more characters]"
    assert len(headers["content-security-policy"]) < 540


def test_a_small_answer_that_unpacks_to_much_is_cut(allowed, skill, base):
    assert "larger than 10 MB" in skill.fetch(allowed, f"{base}/bomb", limit=100).text


def test_redirects_are_followed_and_end(allowed, skill, site, base):
    assert skill.fetch(allowed, f"{base}/move").text.startswith(f"{base}/data\n")
    with pytest.raises(ToolError, match="more than 8 times"):
        skill.fetch(allowed, f"{base}/loop")
    site.away = "file:///etc/passwd"
    with pytest.raises(ToolError, match="not an http or https"):
        skill.fetch(allowed, f"{base}/away")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing", "answered 404 .*no such page.*\nIt said: Gone fishing"),
        ("busy", "answered 503 .*try again later.*\nIt said: come back later"),
        ("image", r"is image/png \(6 bytes\)"),
        ("brotli", "the encoding `br`"),
        ("garbage", "no proper HTTP answer"),
    ],
)
def test_failures_say_what_happened_and_what_to_do(allowed, skill, base, path, said):
    with pytest.raises(ToolError, match=said):
        skill.fetch(allowed, f"{base}/{path}")


def test_a_page_without_text_says_so(allowed, skill, base):
    assert "may be built by scripts" in skill.fetch(allowed, f"{base}/empty").text


def test_a_server_that_trickles_is_left(allowed, skill, helper, base, monkeypatch):
    monkeypatch.setattr(helper("_http"), "SECONDS_MAX", 0.3)
    with pytest.raises(ToolError, match="took longer than"):
        skill.fetch(allowed, f"{base}/trickle")


def test_a_port_where_nobody_listens_is_explained(allowed, skill):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ToolError, match="cannot connect to `127.0.0.1`"):
            skill.fetch(allowed, f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_links_are_listed_and_filtered(allowed, skill, base):
    found = skill.links(allowed, f"{base}/")
    assert (found.title, found.total) == ("A page", 2)
    assert [(link.text, link.url) for link in found.links] == [
        ("text", f"{base}/next"),
        ("more", "http://other.example/x"),
    ]
    assert [link.text for link in skill.links(allowed, f"{base}/", same_host=True).links] == ["text"]
    assert [link.text for link in skill.links(allowed, f"{base}/", contains="OTHER").links] == ["more"]
    assert skill.links(allowed, f"{base}/", limit=1).truncated
    with pytest.raises(ToolError, match="not a page with links"):
        skill.links(allowed, f"{base}/data")


def test_headers_show_the_way_to_a_page(allowed, skill, site, base):
    answers = skill.headers(allowed, f"{base}/move").answers
    assert [(answer.url, answer.status) for answer in answers] == [
        (f"{base}/move", 301),
        (f"{base}/data", 200),
    ]
    assert answers[1].headers["content-type"] == "application/json"
    assert {command for command, _, _ in site.requests} == {"HEAD"}
    assert [a.status for a in skill.headers(allowed, f"{base}/missing").answers] == [404]
    assert len(skill.headers(allowed, f"{base}/move", follow=False).answers) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0", "[::ffff:127.0.0.1]", "127.1"])
def test_this_machine_is_refused_however_it_is_spelt(ctx, skill, site, host):
    for call in (skill.fetch, skill.links, skill.headers):
        with pytest.raises(ToolError, match="private network|cannot be resolved"):
            call(ctx, f"http://{host}:{site.server_port}/")
    assert site.requests == []


def test_only_the_setting_true_allows_private_addresses(call_with, skill, base):
    for value in (False, "no", None, 0):
        with pytest.raises(ToolError, match="allow_private = true"):
            skill.fetch(call_with(settings={"allow_private": value}), f"{base}/")


@pytest.fixture
def pretend_public(helper, monkeypatch):
    """Let 127.0.0.1 stand for a public address, and the rest of loopback for private ones."""
    address = helper("_address")
    real = address.is_public
    monkeypatch.setattr(address, "is_public", lambda given: given == "127.0.0.1" or real(given))


def test_a_redirect_to_a_private_address_is_refused(ctx, skill, site, serve, base, pretend_public):
    inner = serve("127.0.0.2")
    site.away = f"http://127.0.0.2:{inner.server_port}/"
    with pytest.raises(ToolError, match="`127.0.0.2` is 127.0.0.2, an address of this machine"):
        skill.fetch(ctx, f"{base}/away")
    assert inner.requests == []


def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind(
    ctx, skill, site, serve, monkeypatch, pretend_public
):
    inner = serve("127.0.0.2", site.server_port)
    answers = ["127.0.0.1", "127.0.0.2", "127.0.0.2"]
    real = socket.getaddrinfo

    def rebinding(host, port, *arguments, **options):
        return real(answers.pop(0) if host == "rebind.example" else host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert "Hello" in skill.fetch(ctx, f"http://rebind.example:{site.server_port}/").text
    assert len(answers) == 2
    assert inner.requests == []
    assert site.requests[0][2]["Host"] == f"rebind.example:{site.server_port}"


def test_of_several_addresses_only_public_ones_are_used(ctx, skill, site, serve, monkeypatch, pretend_public):
    inner = serve("127.0.0.2", site.server_port)
    real = socket.getaddrinfo

    def both(host, port, *arguments, **options):
        if host != "mixed.example":
            return real(host, port, *arguments, **options)
        return [
            *real("127.0.0.2", port, *arguments, **options),
            *real("127.0.0.1", port, *arguments, **options),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert "Hello" in skill.fetch(ctx, f"http://mixed.example:{site.server_port}/").text
    assert inner.requests == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="`openssl` makes the certificate")
def test_a_certificate_is_checked(call_with, skill, serve, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = serve(tls=tls)
    url = f"https://127.0.0.1:{server.server_port}/plain"
    with pytest.raises(ToolError, match="certificate of `127.0.0.1` is not valid"):
        skill.fetch(call_with(settings={"allow_private": True}), url)
    trusting = call_with(settings={"allow_private": True, "ca_file": str(certificate)})
    assert skill.fetch(trusting, url).text.endswith("just\ntext")


def test_a_deadline_of_the_call_is_kept(call_with, skill, base):
    with pytest.raises(ToolError, match="took longer"):
        skill.fetch(call_with(settings={"allow_private": True}, deadline_seconds=0.5), f"{base}/")
