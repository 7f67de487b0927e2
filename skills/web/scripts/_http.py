"""How is one page fetched, within limits of time, size, redirects and reach?"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import zlib
from dataclasses import dataclass
from time import monotonic
from typing import Optional
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from omni import Context, ToolError

from ._address import Endpoint, endpoints

REDIRECTS_MAX = 8
BYTES_MAX = 10 * 1024 * 1024
# A page may take so long in all; no single wait may take longer than the second.
SECONDS_MAX = 40.0
WAIT_SECONDS_MAX = 15.0
URL_CHARS_MAX = 8000

_AGENT = "Mozilla/5.0 (compatible; omni-web/1.0)"
_ACCEPT = "text/html,application/xhtml+xml,text/plain,text/markdown,application/json;q=0.9,*/*;q=0.5"


@dataclass
class Hop:
    """One answer on the way to a page."""

    url: str
    status: int
    reason: str
    headers: dict[str, str]


@dataclass
class Response:
    """The last answer, and the ones that led to it."""

    hops: list[Hop]
    body: bytes
    # Whether the body was longer than it may be.
    cut: bool

    @property
    def url(self) -> str:
        """Where the page is, after redirects."""
        return self.hops[-1].url

    @property
    def status(self) -> int:
        """The last status code."""
        return self.hops[-1].status

    @property
    def media_type(self) -> str:
        """The type without its parameters, in lower case."""
        return self.hops[-1].headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def charset(self) -> Optional[str]:
        """The encoding that the headers name."""
        found = re.search(r"charset=[\"']?([\w.:-]+)", self.hops[-1].headers.get("content-type", ""), re.IGNORECASE)
        return found.group(1) if found else None


class Fetcher:
    """Fetches pages for one call.

    Args:
        ctx: The call. Its settings `allow_private`, `ca_file` and `user_agent` are followed.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        settings = ctx.settings
        self._allow_private = settings.get("allow_private") is True
        self._agent = str(settings.get("user_agent") or _AGENT)
        ca_file = settings.get("ca_file")
        try:
            self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ctx.root / ca_file))
        except OSError as error:
            raise ToolError(f"the setting `ca_file` of `[skills.web]` cannot be read: {error}") from None
        self._tls.set_alpn_protocols(["http/1.1"])
        remaining = ctx.remaining
        # A second is kept for what is done with the page.
        seconds = SECONDS_MAX if remaining is None else min(SECONDS_MAX, remaining - 1)
        self._deadline = monotonic() + seconds

    def fetch(self, url: str, method: str = "GET", *, follow: bool = True) -> Response:
        """Fetch a page, following redirects. Every address on the way is judged anew.

        Args:
            url: An http or https address.
            method: `GET` or `HEAD`.
            follow: Follow redirects.

        Raises:
            ToolError: The address is no page's or is private, the server cannot be reached, its
                certificate is not valid, it took too long, or redirects go on and on.
        """
        hops: list[Hop] = []
        while True:
            url = checked_url(url)
            hop, body, cut = self._one(url, method)
            hops.append(hop)
            target = hop.headers.get("location")
            if not follow or target is None or hop.status not in (301, 302, 303, 307, 308):
                return Response(hops, body, cut)
            if len(hops) > REDIRECTS_MAX:
                raise ToolError(f"`{hops[0].url}` redirects more than {REDIRECTS_MAX} times, at last to `{url}`")
            url = urljoin(url, target)

    def _one(self, url: str, method: str) -> tuple[Hop, bytes, bool]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        connection = self._connect(host, port, parts.scheme == "https")
        try:
            connection.request(
                method,
                urlunsplit(("", "", parts.path or "/", parts.query, "")),
                headers={
                    "User-Agent": self._agent,
                    "Accept": _ACCEPT,
                    "Accept-Encoding": "gzip, deflate",
                    "Accept-Language": "en, *;q=0.5",
                    "Connection": "close",
                },
            )
            answer = connection.getresponse()
            headers = _headers(answer)
            hop = Hop(url, answer.status, answer.reason, headers)
            body, cut = (b"", False) if method == "HEAD" else self._body(answer, headers)
            return hop, body, cut
        except (socket.timeout, TimeoutError):
            raise ToolError(f"`{host}` did not answer in time; try again, or look for the page elsewhere") from None
        except ssl.SSLError as error:
            raise ToolError(f"the connection to `{host}` broke off: {error.reason}") from None
        except (http.client.HTTPException, OSError, zlib.error) as error:
            raise ToolError(f"`{host}` gave no proper HTTP answer: {type(error).__name__}: {error}") from None
        finally:
            connection.close()

    def _connect(self, host: str, port: int, tls: bool) -> http.client.HTTPConnection:
        self._wait_seconds()
        problem = ""
        for endpoint in endpoints(host, port, allow_private=self._allow_private):
            try:
                connection = http.client.HTTPConnection(host, port)
                # The `Host` header names the port only when it is not the scheme's own.
                connection.default_port = 443 if tls else 80
                connection.sock = self._socket(endpoint, host, tls)
                # Without a way to connect again, `http.client` cannot open a second, unjudged connection.
                connection.auto_open = 0
                return connection
            except ssl.SSLCertVerificationError as error:
                raise ToolError(
                    f"the certificate of `{host}` is not valid: {error.verify_message}. The page was not fetched"
                ) from None
            except OSError as error:
                problem = "it took too long" if isinstance(error, (socket.timeout, TimeoutError)) else str(error)
        raise ToolError(f"cannot connect to `{host}` on port {port}: {problem}")

    def _socket(self, endpoint: Endpoint, host: str, tls: bool) -> socket.socket:
        plain = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            plain.settimeout(self._wait_seconds())
            plain.connect((endpoint.address, endpoint.port))
            return self._tls.wrap_socket(plain, server_hostname=host) if tls else plain
        except BaseException:
            plain.close()
            raise

    def _body(self, answer: http.client.HTTPResponse, headers: dict[str, str]) -> tuple[bytes, bool]:
        decode = _Decoder(headers.get("content-encoding", ""))
        body = bytearray()
        while len(body) <= BYTES_MAX:
            self._wait_seconds()
            # One read of the socket, so that a trickle cannot hold us beyond the deadline.
            block = answer.read1(65536)
            if not block:
                break
            body += decode(block, BYTES_MAX + 1 - len(body))
            self._ctx.progress(len(body), message=f"{len(body):,} bytes")
        return bytes(body[:BYTES_MAX]), len(body) > BYTES_MAX

    def _wait_seconds(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise ToolError(f"the page took longer than {SECONDS_MAX:g} s; try again later, or another source")
        return min(left, WAIT_SECONDS_MAX)


class _Decoder:
    """Undoes gzip or deflate, never giving more than it is asked for: a small answer may unpack to terabytes."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise ToolError(f"the server sent the page in the encoding `{name}`, which was not asked for")
        self._name = name
        self._state = zlib.decompressobj(47) if name not in ("", "identity") else None

    def __call__(self, block: bytes, most: int) -> bytes:
        if self._state is None:
            return block
        try:
            return self._state.decompress(block, max(most, 1))
        except zlib.error:
            if self._name != "deflate":
                raise
            # Some servers mean the bare format by `deflate`.
            self._name, self._state = "", zlib.decompressobj(-15)
            return self._state.decompress(block, max(most, 1))


def checked_url(url: str) -> str:
    """Return an address in the form that is sent: without fragment, its odd characters escaped.

    Raises:
        ToolError: It is not http or https, has no host, or carries a user name.
    """
    text = url.strip()
    if len(text) > URL_CHARS_MAX or re.search(r"[\x00-\x1f\x7f]", text):
        raise ToolError("the address holds control characters or is too long; give a plain http or https address")
    if "://" not in text and re.match(r"[\w-]+(\.[\w-]+)+(/|$|\?)", text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise ToolError(f"`{url}` is no address of a page: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise ToolError(f"`{url}` is not an http or https address; files of the project are read with `files_read`")
    if not host:
        raise ToolError(f"`{url}` names no host")
    if parts.username is not None or parts.password is not None:
        raise ToolError("an address with a user name or password in it is not fetched; leave that part out")
    try:
        ascii_host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        raise ToolError(f"`{host}` is no host name") from None
    shown = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    netloc = shown if port is None else f"{shown}:{port}"
    safe = "%/:=&?~#+!$,;'@()*[]"
    return urlunsplit((parts.scheme, netloc, quote(parts.path, safe=safe), quote(parts.query, safe=safe), ""))


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        # Bytes that are no ASCII arrive as Latin-1; they stay what they are.
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
