"""Does a client that speaks OAuth get in, and nobody with another token?

An authorization server (the package `oidc-provider`) issues access tokens, and `omni mcp` takes those of it alone. The
official SDKs log in by themselves, from nothing but the server's URL: Python 2.x, TypeScript 1.x and 2.x. Then requests
by hand: what is told to whom, tokens for others, scopes, profiles, two subjects with one session id, keys that are
changed, and an issuer that is away. One line for each.

    python3 conformance/oauth.py --binary target/debug/omni
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import (
    CONFORMANCE,
    ISSUER_PACKAGES,
    TARGET,
    WORKSPACE,
    SetupError,
    free_port,
    http_server,
    node_with,
    npm_install,
    python_with_client,
    running,
)

OAUTH = CONFORMANCE / "oauth"
# Longer than the server waits between two looks at the keys of its issuer.
KEYS_SECONDS_MAX = 60
CLIENT_SECONDS_MAX = 120
SETTINGS = """
[http.jwt]
issuer = "{issuer}"
scopes = ["tools"]
profiles = [{{ profile = "admins", scope = "admin" }}]

[profiles.admins]

[profiles.default]
filter = ["files"]
"""
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "by hand", "version": "1"},
}


class WrongError(Exception):
    """Something was not as it should be."""


def provider_package() -> Path:
    """Install the authorization server; return the folder that it is installed in."""
    folder = TARGET / "npm-oauth"
    npm_install(folder, ISSUER_PACKAGES)
    return folder / "node_modules"


class Answer:
    """What came of a request."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.challenge = headers.get("WWW-Authenticate", "")
        self.session = headers.get("Mcp-Session-Id", "")
        self.body = body

    def json(self) -> dict:
        return json.loads(self.body)


def ask(url: str, body: object = None, token: str | None = None, **more: str) -> Answer:
    """Send a request; a body is JSON, or a form where it is a text."""
    headers = {"Accept": "application/json, text/event-stream", **more}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if isinstance(body, str):
        data = body.encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - an address of this machine
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return Answer(reply.status, reply.headers, reply.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def rpc(method: str, params: dict | None = None) -> dict:
    """Return a request of MCP."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}


def opened(url: str, token: str) -> int:
    """Return the status of an opening with a token."""
    return ask(url, rpc("initialize", INITIALIZE), token).status


class Issuer:
    """The authorization server, which can be stopped and begun anew on the same port."""

    def __init__(self, node: str, package: Path, folder: Path) -> None:
        self.command = [node, str(OAUTH / "provider.mjs"), str(package), str(folder)]
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clients: dict[str, dict] = {}

    def running(self) -> contextlib.AbstractContextManager[None]:
        """Serve while the block runs; nobody is registered at its beginning."""
        self.clients = {}
        return running([*self.command, str(self.port)], self.port, TARGET / "oauth-provider.log")

    def change_keys(self) -> None:
        """Sign with another key from the next start on."""
        (self.folder / "signing.json").unlink()

    def token(self, name: str, scope: str, resource: str) -> str:
        """Return a token of a client that acts for itself."""
        if name not in self.clients:
            about = {
                "client_name": name,
                "redirect_uris": [],
                "response_types": [],
                "grant_types": ["client_credentials"],
                "token_endpoint_auth_method": "client_secret_post",
            }
            self.clients[name] = ask(f"{self.url}/reg", about).json()
        client = self.clients[name]
        form = {
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "scope": scope,
            "resource": resource,
        }
        answer = ask(f"{self.url}/token", urllib.parse.urlencode(form))
        if answer.status != 200:
            message = f"the issuer gives no token: {answer.status} {answer.body[:300]!r}"
            raise SetupError(message)
        return answer.json()["access_token"]


def want(seen: object, wanted: object, what: str) -> None:
    if seen != wanted:
        message = f"{what}: {seen!r} instead of {wanted!r}"
        raise WrongError(message)


def within(seconds: float, what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            message = f"{what}: not within {seconds} s"
            raise WrongError(message)
        time.sleep(0.2)


def login_of(command: list[str], url: str, name: str, **more: str) -> Callable[[], str]:
    """Return what runs a client that logs in as `name`."""

    def run() -> str:
        job = json.dumps({"url": url, "name": name, **more})
        done = subprocess.run(
            [*command, job], capture_output=True, text=True, timeout=CLIENT_SECONDS_MAX, check=False
        )
        if done.returncode != 0:
            raise WrongError(done.stderr.strip()[-800:])
        seen = json.loads(done.stdout)
        if '"words":3' not in seen["said"].replace(" ", ""):
            message = f"the call said {seen['said'][:200]!r}"
            raise WrongError(message)
        want([name for name in seen["tools"] if name.startswith("files_")], [], "tools of another profile")
        return f"{len(seen['tools'])} tools, 1 call"

    return run


def challenged(url: str) -> str:
    """Look at what a client without a token is told."""
    refused = ask(url, rpc("tools/list"))
    want(refused.status, 401, "without a token")
    origin = url.removesuffix("/mcp")
    metadata = f"{origin}/.well-known/oauth-protected-resource/mcp"
    want(
        refused.challenge,
        f'Bearer realm="omni", scope="tools", resource_metadata="{metadata}"',
        "the challenge",
    )
    documents = [
        ask(address).json() for address in (metadata, f"{origin}/.well-known/oauth-protected-resource")
    ]
    want(documents[0], documents[1], "both addresses")
    want(documents[0]["resource"], url, "the resource")
    want(documents[0]["scopes_supported"], ["tools"], "its scopes")
    want(ask(f"{origin}/.well-known/oauth-authorization-server").status, 404, "what omni is not")
    wrong = ask(url, rpc("tools/list"), "not.a.token")
    want((wrong.status, 'error="invalid_token"' in wrong.challenge), (401, True), "a token that is none")
    return "401, two documents"


def scoped(issuer: Issuer, url: str) -> str:
    """Look at tokens for others and without scopes, and at profiles."""
    lacking = ask(url, rpc("tools/list"), issuer.token("ada", "admin", url))
    want(lacking.status, 403, "without the scope")
    want('error="insufficient_scope", scope="tools"' in lacking.challenge, True, lacking.challenge)
    others = ask(url, rpc("tools/list"), issuer.token("ada", "tools", "https://other.example/mcp"))
    want(others.status, 401, "a token for another server")
    seen = []
    for scope in ("tools", "tools admin"):
        token = issuer.token("ada", scope, url)
        session = ask(url, rpc("initialize", INITIALIZE), token).session
        listed = ask(url, rpc("tools/list"), token, **{"Mcp-Session-Id": session}).json()
        seen.append(any(tool["name"].startswith("files_") for tool in listed["result"]["tools"]))
    want(seen, [False, True], "the tools of the profile `admins`")
    return "403, 401, two profiles"


def forged(issuer: Issuer, url: str) -> str:
    """Change a good token in the ways that attackers do."""
    head, payload, signature = issuer.token("ada", "tools", url).split(".")

    def decoded(part: str) -> dict:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def encoded(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = decoded(payload)
    tries = {
        "no algorithm": f"{encoded({'alg': 'none'})}.{payload}.",
        "a shared secret": f"{encoded({**decoded(head), 'alg': 'HS256'})}.{payload}.{signature}",
        "a key of its own": f"{encoded({**decoded(head), 'jku': f'{issuer.url}/evil'})}.{payload}.{signature}",
        "a path as key": f"{encoded({**decoded(head), 'kid': '../../etc/passwd'})}.{payload}.{signature}",
        "another subject": f"{head}.{encoded({**claims, 'sub': 'root'})}.{signature}",
        "a longer life": f"{head}.{encoded({**claims, 'exp': claims['exp'] + 86400})}.{signature}",
        "20 KB": f"{head}.{payload}{'A' * 20_000}.{signature}",
    }
    for what, token in tries.items():
        want(ask(url, rpc("tools/list"), token).status, 401, what)
    return f"{len(tries)} refused"


def apart(issuer: Issuer, url: str) -> str:
    """Look whether a session is its subject's alone."""
    ada, bob = (issuer.token(name, "tools", url) for name in ("ada", "bob"))
    session = {"Mcp-Session-Id": ask(url, rpc("initialize", INITIALIZE), ada).session}
    want(ask(url, rpc("tools/list"), ada, **session).status, 200, "ada in her session")
    want(ask(url, rpc("tools/list"), bob, **session).status, 404, "bob in ada's session")
    again = issuer.token("ada", "tools", url)
    want(ask(url, rpc("tools/list"), again, **session).status, 200, "ada with a new token")
    return "404 for the other subject"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    binary = parser.parse_args().binary.resolve()
    TARGET.mkdir(parents=True, exist_ok=True)
    passed, failed = 0, 0
    try:
        for line, look in looks(binary):
            try:
                said = look()
            except (WrongError, subprocess.TimeoutExpired, KeyError, ValueError) as wrong:
                failed += 1
                print(f"failed  {line:32}  {wrong}", flush=True)
            else:
                passed += 1
                print(f"passed  {line:32}  {said}", flush=True)
    except SetupError as error:
        print(f"error: {error}")
        return 2
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def looks(binary: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what is looked at, in a world that goes on between two of them."""
    node, client_2 = node_with("@modelcontextprotocol/client")
    packages = client_2.parent.parent
    python = python_with_client()
    with tempfile.TemporaryDirectory(prefix="omni-oauth-") as folder:
        keys, root = Path(folder, "keys"), Path(folder, "root")
        keys.mkdir()
        root.mkdir()
        issuer = Issuer(node, provider_package(), keys)
        settings = Path(folder, "omni.toml")
        settings.write_text(SETTINGS.format(issuer=issuer.url))
        with contextlib.ExitStack() as issuing:
            issuing.enter_context(issuer.running())
            log, options = TARGET / "oauth-server.log", ("--config", str(settings))
            with http_server(binary, WORKSPACE / "skills", log, root, options) as url:
                yield "without a token", lambda: challenged(url)
                yield "login: Python SDK 2.x", login_of([python, str(OAUTH / "python_client.py")], url, "ada")
                for line in ("1", "2"):
                    command = [node, str(OAUTH / "typescript_client.mjs"), str(packages)]
                    yield f"login: TypeScript SDK {line}.x", login_of(command, url, "ada", line=line)
                yield "scopes, audience, profiles", lambda: scoped(issuer, url)
                yield "forged tokens", lambda: forged(issuer, url)
                yield "sessions of two subjects", lambda: apart(issuer, url)
                old = issuer.token("ada", "tools", url)
                issuing.close()
                yield "the issuer away", lambda: away(url, old)
                issuer.change_keys()
                issuing.enter_context(issuer.running())
                yield "another key of the issuer", lambda: rotated(issuer, url, old)


def away(url: str, old: str) -> str:
    """Look whether tokens are taken whose issuer does not answer."""
    want(opened(url, old), 200, "a token of an issuer that is away")
    return "its tokens are taken"


def rotated(issuer: Issuer, url: str, old: str) -> str:
    """Look whether a token by a new key is taken soon, and one by a key that is gone no more."""
    new = issuer.token("ada", "tools", url)
    within(KEYS_SECONDS_MAX, "a token by a new key", lambda: opened(url, new) == 200)
    want(opened(url, old), 401, "a token by a key that is gone")
    return "the new one is taken, the old one refused"


if __name__ == "__main__":
    raise SystemExit(main())
