"""Does a secret that goes through the server come out where it should not? A scenario of `reliability.py`.

Each secret is planted in one place: a token, a header, an argument, an answer, a file. Afterwards all that the server has written is
searched for all of them, in several spellings: its log at the level `trace`, the replies to others, the command lines and environments
of its processes, and the files of its state, cache and temporary folders. What a tool answers its own client is its author's.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness import CONFORMANCE, SetupError, free_port, stop
from http_client import PATIENCE_SECONDS, HttpClient, HttpSession, SseSession, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reliability import Report

SKILLS = CONFORMANCE / "planted" / "skills"
FORM = {"elicitation": {"form": {}}}
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {"form": {}}}
NEWEST_WITH_SESSIONS = "2025-11-25"
#: What is refused is named to whoever has sent it.
TOLD_BACK = "what others were told"
#: A form of the log for each.
EXECUTORS = {"pool": "text", "fork": "json", "spawn": "text"}
#: A shorter piece of a random text may stand somewhere by chance.
SPELLED_BYTES_MIN = 12


class Planted:
    """The secrets by where they were planted, and where each may be found."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.may_be: dict[str, set[str]] = {}

    def plant(self, where: str, *may_be: str) -> str:
        """Make a secret; `may_be` names what it is allowed to be found in."""
        return self.found(where, secrets.token_hex(16), *may_be)

    def found(self, where: str, value: str, *may_be: str) -> str:
        """Take note of a secret that the server has made."""
        self.values[where] = value
        self.may_be[where] = set(may_be)
        return value

    def in_text(self, text: bytes, place: str) -> list[str]:
        """Return the secrets that stand in a text and must not."""
        return [
            where
            for where, value in self.values.items()
            if place not in self.may_be[where] and any(spelled in text for spelled in _spellings(value))
        ]


def _spellings(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    yield quote(value, safe="").encode()
    yield raw.hex().encode()
    # Wherever the secret begins in what was encoded.
    for skip in range(3):
        spelled = base64.b64encode(b"\0" * skip + raw)[4:-4]
        if len(spelled) >= SPELLED_BYTES_MIN:
            yield spelled
    with suppress(ValueError):
        if len(binary := bytes.fromhex(value)) >= SPELLED_BYTES_MIN:
            yield binary


class Served:
    """`omni mcp` over HTTP, its whole log, and all processes below it."""

    def __init__(self, binary: Path, root: Path, executor: str, planted: Planted) -> None:
        self.root = root
        for name in ("home", "state", "cache", "tmp"):
            (root / name).mkdir()
        self.token = planted.plant("a client's token", "the file of tokens")
        self.other = planted.plant("another client's token", "the file of tokens")
        folder = root / planted.plant("the path of the file of tokens", "the log", "the command line of omni")
        folder.mkdir()
        (folder / "tokens").write_text(f"{self.token}\n{self.other}\n")
        (folder / "tokens").chmod(0o600)
        config = root / "omni.toml"
        password = planted.plant("a skill's setting", "omni.toml")
        config.write_text(
            f'[skills.leaky]\npassword = "{password}"\n[http]\ntoken_file = "{folder}/tokens"\n'
        )
        config.chmod(0o600)
        self.port = free_port()
        self.environment = {
            **os.environ,
            "HOME": str(root / "home"),
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "TMPDIR": str(root / "tmp"),
            "OMNI_LOG": "trace",
            "OMNI_LOG_FORMAT": EXECUTORS[executor],
            "AWS_SECRET_ACCESS_KEY": planted.plant("a variable of the server", "the environment of omni"),
            "PASSED_ON": planted.plant(
                "a variable that is passed on", "the environment of omni", "the environment of a child"
            ),
        }
        self._common = ["--skills", SKILLS, "--root", root, "--config", config]
        self.binary = binary
        command = [binary, "mcp", "--transport", "http", "--port", str(self.port), *self._common]
        command += [
            "--executor",
            executor,
            "--env",
            "PASSED_ON",
            "--errors",
            "masked",
            "--log-output",
            "false",
        ]
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=root,
        )
        self.log: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait()

    def _read(self) -> None:
        for line in self.child.stdout or ():
            self.log.append(line)

    def _wait(self) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not any(b" at http://" in line for line in list(self.log)):
            if self.child.poll() is not None or time.monotonic() > give_up:
                message = f"the server does not listen: {b''.join(self.log[-20:])!r}"
                raise SetupError(message)
            time.sleep(0.02)

    def say(self, *command: str) -> bytes:
        """Run another command of omni beside the server, in its places; return all that it has printed."""
        run = [self.binary, *command, *self._common]
        environment = {**self.environment, "OMNI_LOG": "debug"}
        ran = subprocess.run(run, capture_output=True, check=False, cwd=self.root, env=environment)
        return ran.stdout + ran.stderr

    def processes(self) -> Iterator[tuple[str, bytes]]:
        """Yield what others can read of the server's processes, with the name of the place."""
        for pid in [self.child.pid, *_below(self.child.pid)]:
            who = "omni" if pid == self.child.pid else "a child"
            for name, place in (("cmdline", "command line"), ("environ", "environment"), ("comm", "name")):
                with suppress(OSError):
                    yield f"the {place} of {who}", Path(f"/proc/{pid}/{name}").read_bytes()

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield what the server has written to disk, with the name of the place."""
        for folder in ("home", "state", "cache", "tmp"):
            for path in (self.root / folder).rglob("*"):
                yield f"a file of {folder}", path

    def stop(self) -> bool:
        """End the server; return whether it ended by itself."""
        ended = stop(self.child, 15)
        self._reader.join(PATIENCE_SECONDS)
        return ended


def _below(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _below(child)


def planted(binary: Path, root: Path, report: Report, _times: int) -> None:
    """Secrets that go through the server are in nothing that it writes but to whom they belong. (R13)"""

    def one(executor: str) -> None:
        folder = root / executor
        folder.mkdir()
        asyncio.run(_planted(binary, folder, report, executor))

    with ThreadPoolExecutor(len(EXECUTORS)) as pool:
        list(pool.map(one, EXECUTORS))


async def _planted(binary: Path, root: Path, report: Report, executor: str) -> None:
    hidden = Planted()
    server = await asyncio.to_thread(Served, binary, root, executor, hidden)
    strangers: list[bytes] = []
    try:
        mine = HttpClient(server.port, server.token)
        other = HttpClient(server.port, server.other, strangers.append)
        await _through_calls(mine, hidden)
        await _through_sessions(mine, hidden)
        await _through_streams(mine, hidden)
        await _as_stranger(server.port, hidden, strangers)
        for method in ("tools/list", "resources/list", "prompts/list", "server/discover"):
            await other.modern_answer(method)
        waiting = root / "waiting"
        secret = hidden.plant("an argument of a call that runs")
        call = asyncio.create_task(
            mine.modern_answer("tools/call", _call("waits", secret, path=str(waiting)))
        )
        await until(waiting.exists)
        seen = list(await asyncio.to_thread(lambda: list(server.processes())))
        told = await asyncio.to_thread(lambda: b"".join([server.say("doctor"), server.say("list")]))
        call.cancel()
        await asyncio.sleep(0)
        written = await asyncio.to_thread(lambda: list(server.files()))
        modes = [f"{path}: {path.lstat().st_mode & 0o777:o}" for _, path in written if _open_to_others(path)]
        contents = [(place, path.read_bytes()) for place, path in written if path.is_file()]
        for client in (mine, other):
            client.close()
    finally:
        ended = await asyncio.to_thread(server.stop)
    log = b"".join(server.log)
    places = [("the log", log), (TOLD_BACK, b"".join(strangers)), ("what doctor and list say", told)]
    found = [
        (place, where) for place, text in [*places, *seen, *contents] for where in hidden.in_text(text, place)
    ]
    lines = [line for line in server.log if hidden.in_text(line, "the log")]
    report.check(f"{executor}: the server ended", ended)
    report.check(
        f"{executor}: {len(hidden.values)} secrets are in none of {len(places) + len(seen) + len(contents)} places"
        f" ({len(server.log)} lines of log, {len(contents)} files)",
        not found,
        (sorted(set(found)), lines[:5]),
    )
    report.check(f"{executor}: what is kept is its user's alone", not modes, modes[:5])


def _open_to_others(path: Path) -> bool:
    return not path.is_symlink() and path.is_file() and path.lstat().st_mode & 0o077 != 0


def _call(tool: str, secret: str, **more: Any) -> dict[str, Any]:
    return {"name": f"leaky.{tool}", "arguments": {"secret": secret, **more}}


async def _through_calls(client: HttpClient, hidden: Planted) -> None:
    """Plant secrets in all that a client without a session can send, and in what it is given."""

    async def call(
        tool: str, where: str, *may_be: str, able: dict | None = None, **more: Any
    ) -> dict[str, Any]:
        secret = hidden.plant(where, *may_be)
        return await client.modern_answer("tools/call", _call(tool, secret, **more), capabilities=able)

    kept = ("a file of state",)
    await call("takes", "an argument")
    await call("takes", "an argument of the wrong kind beside it", count="many")
    await call("gives", "a result")
    await call("fails", "an exception")
    await call("keeps", "a value that a tool keeps")
    await call("says", "progress and a message of the log")
    await call("calls", "an argument of a tool below another")
    large = await call("large", "a result that is kept", *kept)
    uri = next(block["uri"] for block in large["result"]["content"] if block["type"] == "resource_link")
    hidden.found("the name of a kept result", uri.rpartition("/")[2])
    await client.modern_answer("resources/read", {"uri": uri})
    await client.modern_answer("resources/read", {"uri": f"{uri}?offset=0&length=16"})

    asked = await call("asks", "a question", able=FORM)
    result = asked["result"]
    answer = {"action": "accept", "content": {"value": hidden.plant("an answer")}}
    again = _call("asks", hidden.values["a question"])
    again["requestState"] = hidden.found("a request state", result["requestState"])
    again["inputResponses"] = dict.fromkeys(result["inputRequests"], answer)
    await client.modern_answer("tools/call", again, capabilities=FORM)
    again["requestState"] = hidden.plant("a forged request state")
    await client.modern_answer("tools/call", again, capabilities=FORM)

    task = await call("works", "an argument and a result of a task", *kept, able=TASKS)
    hidden.found("the id of a task", task["result"]["taskId"], *kept)
    for method in ("tasks/get", "tasks/cancel"):
        await client.modern_answer(method, {"taskId": task["result"]["taskId"]}, capabilities=TASKS)
    await client.modern_answer("tasks/get", {"taskId": hidden.plant("the id of no task")}, capabilities=TASKS)

    item = hidden.plant("a variable of a URI")
    await client.modern_answer("resources/read", {"uri": f"leaky://items/{item}"})
    await client.modern_answer("resources/read", {"uri": f"nothing://{hidden.plant('a URI of nothing')}"})
    await client.modern_answer(
        "tools/call", {"name": hidden.plant("the name of no tool", "the log"), "arguments": {}}
    )
    page = {"name": "leaky.page", "arguments": {"secret": hidden.plant("an argument of a prompt")}}
    await client.modern_answer("prompts/get", page)
    typed = {"name": "secret", "value": hidden.plant("what is typed to be completed")}
    completed = {"ref": {"type": "ref/prompt", "name": "leaky.page"}, "argument": typed}
    await client.modern_answer("completion/complete", completed)
    await client.modern_answer("tools/call", {"name": "leaky.setting", "arguments": {}})
    token = hidden.plant("a progress token")
    await client.modern_answer("tools/call", _call("says", "x"), meta={"progressToken": token})
    await client.modern_answer("ping", number=hidden.plant("the id of a request"))
    broken = (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"%s"' % hidden.plant("broken JSON").encode()
    )
    await (await client.send("POST", body=broken)).body()
    cursor = {"cursor": hidden.plant("a cursor")}
    await client.modern_answer("tools/list", cursor)


async def _through_sessions(client: HttpClient, hidden: Planted) -> None:
    """Plant secrets in what only clients with sessions send."""
    session = await client.open_session(NEWEST_WITH_SESSIONS, FORM)
    hidden.found("the id of a session", session.name)
    await session.answer("logging/setLevel", {"level": "debug"})
    stream = await session.listen(**{"Last-Event-ID": hidden.plant("the id of an event")})
    stream.close()
    await session.answer("tools/call", _call("takes", hidden.plant("an argument in a session")))
    await session.answer("tools/call", _call("fails", hidden.plant("an exception in a session")))
    subscribed = {"uri": f"leaky://items/{hidden.plant('a URI that is subscribed to')}"}
    await session.answer("resources/subscribe", subscribed)
    answer = {"jsonrpc": "2.0", "id": 7, "result": {"action": hidden.plant("an answer to no question")}}
    await (await session.send(answer)).body()
    forged = HttpSession(client, hidden.plant("the id of no session"), NEWEST_WITH_SESSIONS)
    await forged.answer("ping")
    await session.end()
    await session.answer("ping")


async def _through_streams(client: HttpClient, hidden: Planted) -> None:
    """Plant secrets in what goes over HTTP+SSE."""
    session = await SseSession.open(client, NEWEST_WITH_SESSIONS, FORM)
    hidden.found("the address that messages are posted to", session.endpoint.rpartition("=")[2])
    await session.answer("tools/call", _call("gives", hidden.plant("an argument and a result over HTTP+SSE")))
    forged = session.endpoint.rpartition("=")[0] + "=" + hidden.plant("the name of no stream")
    await (await client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, path=forged)).body()
    session.close()


async def _as_stranger(port: int, hidden: Planted, strangers: list[bytes]) -> None:
    """Plant secrets in what somebody sends who has no token, or a wrong one, and keep what is told."""
    ways: dict[str, dict[str, str]] = {
        "no token": {},
        "a wrong token": {"Authorization": f"Bearer {hidden.plant('a wrong token')}"},
        "a password": {"Authorization": f"Basic {hidden.plant('a password')}"},
        "a cookie": {"Cookie": f"session={hidden.plant('a cookie')}"},
        "a key": {"X-Api-Key": hidden.plant("a key in a header of its own")},
        "a host": {"Host": f"{hidden.plant('a host', TOLD_BACK)}.example"},
        "an origin": {"Origin": f"https://{hidden.plant('an origin', TOLD_BACK)}.example"},
    }
    nobody = HttpClient(port, None, strangers.append)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    query = hidden.plant("a token in the query")
    for headers in ways.values():
        for path in ("/mcp", f"/mcp?access_token={query}", "/health", "/sse", "/messages", "/nothing"):
            for method in ("POST", "GET", "DELETE", "OPTIONS"):
                reply = await nobody.send(method, path, headers, body if method == "POST" else None)
                await reply.body()
    path = f"/{hidden.plant('a path')}"
    await (await nobody.send("GET", path)).body()


SCENARIOS = {"planted": planted}
