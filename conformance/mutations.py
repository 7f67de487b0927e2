"""Is every broken frame answered, in JSON, and does nothing run that a strict reader would not have run?

    python3 conformance/mutations.py --binary target/debug/omni [--frames 10000] [--seeds 1,2,3]

Good frames are broken in ways that real and hostile clients break them, and sent over stdio and HTTP to the built
binary. Python's own JSON reader, made strict, says what each frame is. A merge needs a few hundred frames for a seed
and transport; a release needs 10,000.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from harness import CONFORMANCE, SetupError, http_server, stdio_command

SKILLS = CONFORMANCE / "mutations" / "skills"
PATIENCE_SECONDS = 20.0
DEPTH_MAX = 64
BATCH_MAX = 100
#: White space of JSON, and what a line of nothing else may hold besides.
BLANK = b" \t\n\r\x0c"
BOM = b"\xef\xbb\xbf"
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
#: What each seed's session speaks; the first of these has batches.
REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"]

#: Bits that break JSON, or nearly do.
BITS = [
    b"007",
    b"-",
    b"+1",
    b"1.",
    b".5",
    b"0x1",
    b"1e400",
    b"1e99999999999",
    b"NaN",
    b"-Infinity",
    b"null",
    b"true",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[[[[",
    b"]]]]",
    b'"',
    b"\\",
    b",",
    b":",
    b",,",
    b"{}",
    b"[]",
    b"//",
    b"/**/",
    b"'",
    b"\\ud800",
    b"\\udc00",
    b"\\u12",
    b"\\x41",
    b"\\u0000",
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\r",
    b"\t",
    b"\n",
    b"\x0c",
    b"\xa0",
    BOM,
    b'"id":7,',
    b',"id":7',
    b'"id":007,',
    b'"method":"ping",',
    b',"method":"ping"',
    b'"name":"m.hit",',
    b',"token":"other"',
    b'"i\\u0064":9,',
    b'"result":{},',
    b'"error":{},',
    b'"_meta":{},',
    b'"requestState":5,',
    b'"jsonrpc":"1.0",',
    b'"params":[],',
    b"[" * 70,
    b'{"a":' * 70,
    b"9" * 400,
    b'"' + b"x" * 300 + b'",',
]


class NotStrictError(Exception):
    """A frame is no JSON, or not of the kind that may be acted on."""


# -- the strict reader --------------------------------------------------------------------------------------


def strict(text: bytes) -> Any:
    """Read JSON, of which numbers stay as they are written. Refuses what RFC 8259 does, and keys that stand twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise NotStrictError("a key stands twice")
        return members

    def never(constant: str) -> None:
        raise NotStrictError(f"`{constant}` is no number")

    try:
        value = json.loads(
            text.decode("utf-8", "strict").removeprefix("\ufeff"),
            object_pairs_hook=once,
            parse_constant=never,
            parse_int=Whole,
            parse_float=Fraction,
        )
    except (ValueError, RecursionError) as error:
        raise NotStrictError(str(error)) from error
    check_strings(value)
    return value


class Whole(str):
    """An integer, as it is written."""

    __slots__ = ()


class Fraction(str):
    """Any other number, as it is written."""

    __slots__ = ()


def check_strings(value: Any) -> None:
    """Refuse half surrogate pairs."""
    if isinstance(value, dict):
        for key, member in value.items():
            check_strings(key)
            check_strings(member)
    elif isinstance(value, list):
        for item in value:
            check_strings(item)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NotStrictError("half a surrogate pair") from error


def depth(value: Any) -> int:
    """Return how deep arrays and objects are nested."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def kind_of(message: Any) -> str:
    """Say what a message is: `request`, `notification`, `response` or `invalid`."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or depth(message) > DEPTH_MAX:
        return "invalid"
    has_id = "id" in message
    good_id = isinstance(message.get("id"), str) and not isinstance(message["id"], Fraction)
    if "method" not in message:
        result, error = "result" in message, "error" in message
        return "response" if (result and not error and good_id) or (error and not result) else "invalid"
    method, params = message["method"], message.get("params")
    if not isinstance(method, str) or isinstance(method, Whole | Fraction):
        return "invalid"
    if not (params is None or isinstance(params, dict)) or (has_id and not good_id):
        return "invalid"
    return "request" if has_id else "notification"


class Verdict:
    """What a strict reader makes of one frame."""

    def __init__(self, frame: bytes, *, batches: bool) -> None:
        self.requests: list[dict[str, Any]] = []
        #: Ids that an answer may carry.
        self.ids: set[str] = set()
        #: Answers that must come, no more and no fewer.
        self.answers = 1
        try:
            value = strict(frame)
        except NotStrictError as why:
            self.kind = f"no JSON: {why}"[:60]
            return
        if isinstance(value, list) and not batches:
            self.kind = "invalid"
            return
        if isinstance(value, list) and not 1 <= len(value) <= BATCH_MAX:
            self.kind = "invalid"
            return
        messages = value if isinstance(value, list) else [value]
        kinds = [kind_of(message) for message in messages]
        self.kind = "batch" if isinstance(value, list) else kinds[0]
        self.ids = {
            repr(message["id"]) for message in messages if isinstance(message, dict) and "id" in message
        }
        taken = [m for m, kind in zip(messages, kinds) if kind == "request"]
        # An id that stands twice in a batch is refused the second time.
        seen: set[str] = set()
        for message in taken:
            if repr(message["id"]) not in seen:
                self.requests.append(message)
            seen.add(repr(message["id"]))
        self.answers = 1 if any(kind in ("request", "invalid") for kind in kinds) else 0

    def may_run(self) -> list[tuple[str, Any]]:
        """Return the arguments with which the tool may have run."""
        calls = [
            r for r in self.requests if r["method"] == "tools/call" and isinstance(r.get("params"), dict)
        ]
        named = [r["params"] for r in calls if r["params"].get("name") in ("m.hit", "m__hit", "m_hit")]
        arguments = [params.get("arguments") for params in named]
        return [(a.get("token"), plain(a.get("value"))) for a in arguments if isinstance(a, dict)]


def plain(value: Any) -> Any:
    """Turn numbers as they are written into what a tool gets."""
    if isinstance(value, Whole):
        return int(value) if len(value) < 4000 else str(value)
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


# -- frames -------------------------------------------------------------------------------------------------


#: What may stand where something else should.
VALUES = [
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "m.hit",
    "2.0",
    [],
    ["m.hit"],
    {},
    {"token": "other"},
    {"a": {"a": {}}},
]


def frame(rng: random.Random, number: int, *, batches: bool) -> tuple[bytes, dict[str, str]]:
    """Return a frame, and the headers that go with it over HTTP: its text is broken, or its members are wrong."""
    message, headers = good_message(rng, number, batches=batches)
    in_text = rng.random() < 0.6
    if not in_text:
        for _ in range(rng.choice([1, 1, 2])):
            bend(rng, message)
    text = json.dumps(message, ensure_ascii=rng.random() < 0.5).encode("utf-8")
    return (broken(rng, text) if in_text else text), headers


def bend(rng: random.Random, value: Any) -> None:
    """Leave out, rename, add or replace one member, somewhere."""
    while True:
        inner = [member for member in (value.values() if isinstance(value, dict) else value) if member]
        inner = [member for member in inner if isinstance(member, dict | list)]
        if not inner or rng.random() < 0.4:
            break
        value = rng.choice(inner)
    if isinstance(value, list):
        value.insert(rng.randrange(len(value) + 1), deepcopy(rng.choice(VALUES)))
        return
    key = rng.choice(list(value) or ["id"])
    way = rng.randrange(4)
    if way == 0:
        value.pop(key, None)
    elif way == 1:
        value[rng.choice([key.upper(), key + " ", "", "result", "error", "requestState"])] = value.pop(
            key, None
        )
    elif way == 2:
        value[rng.choice(["id", "method", "params", "name", "_meta", "result"])] = deepcopy(
            rng.choice(VALUES)
        )
    else:
        value[key] = deepcopy(rng.choice(VALUES))


def good_message(rng: random.Random, number: int, *, batches: bool) -> tuple[Any, dict[str, str]]:
    """Return a message that is served, and the headers that go with it over HTTP."""
    token = f"t{number}"
    id_ = rng.choice([number, f"n{number}", f"é\\u0061{number}", -number])
    value = deepcopy(
        rng.choice(
            [None, 1, -0.5, 1e300, 2**60, "x", "ünï \u2028 \U0001f600", [1, [2, {"a": [3]}]], {"k": {"k": 1}}]
        )
    )
    meta = dict(MODERN)
    call: dict[str, Any] = {"name": "m.hit", "arguments": {"token": token, "value": value}}
    kind = rng.randrange(10)
    method, params = "tools/call", call
    headers: dict[str, str] = {}
    if kind == 0:
        method, params = "ping", {}
    elif kind == 1:
        method, params = "tools/list", {"cursor": None} if rng.random() < 0.5 else {}
    elif kind in (2, 3):
        params = {**call, "_meta": {**meta, "progressToken": number}}
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "m.hit"}
    elif kind == 4:
        method, params = "tools/list", {"_meta": meta}
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
    message: Any = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
    if kind == 5:
        message = {"jsonrpc": "2.0", "method": "notifications/whatever", "params": {}}
    elif kind == 6 and batches:
        message = [message, {"jsonrpc": "2.0", "id": f"b{number}", "method": "ping"}]
    return message, headers


def broken(rng: random.Random, text: bytes) -> bytes:
    """Break a text in one to three places."""
    out = bytearray(text)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(out) + 1)
        other = min(len(out), at + rng.choice([1, 1, 2, 5, 20, 80]))
        way = rng.randrange(9)
        if way == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            out[at:at] = rng.choice(BITS)
        elif way == 2:
            out[at:other] = rng.choice(BITS)
        elif way == 3:
            del out[at:other]
        elif way == 4:
            out[at:at] = out[at:other]
        elif way == 5:
            del out[at:]
        elif way == 6:
            # Right behind a bracket or a comma, where another member could stand.
            places = [n + 1 for n, byte in enumerate(out) if byte in b"{[,"]
            place = rng.choice(places or [0])
            out[place:place] = rng.choice(BITS)
        elif way == 7:
            # A value in place of another.
            places = [n + 1 for n, byte in enumerate(out) if byte in b":"]
            place = rng.choice(places or [0])
            end = min((e for e in (out.find(s, place) for s in (b",", b"}")) if e > 0), default=len(out))
            out[place:end] = rng.choice(BITS)
        elif way == 8:
            out[at:at] = bytes([rng.randrange(256)])
    return bytes(out)


# -- servers ------------------------------------------------------------------------------------------------


class SilentError(Exception):
    """No answer came in time."""


class Stdio:
    """A client on standard input and output, one frame at a time."""

    def __init__(self, binary: Path, root: Path, revision: str) -> None:
        self.child = subprocess.Popen(
            stdio_command(binary, SKILLS, root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.buffer = b""
        self.number = 0
        initialize = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "m", "version": "1"},
        }
        self.write(
            json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}).encode()
        )
        self.line()

    def write(self, line: bytes) -> None:
        self.child.stdin.write(line + b"\n")
        self.child.stdin.flush()

    def line(self) -> bytes:
        until = time.monotonic() + PATIENCE_SECONDS
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0.0, until - time.monotonic()))
            more = self.child.stdout.read1(1 << 16) if ready else b""
            if not more:
                raise SilentError("the server has ended" if ready else "nothing came")
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def ask(self, frame: bytes, _headers: dict[str, str], wanted: int) -> list[bytes]:
        """Send a frame; return what is said until `wanted` answers and that to a later ping have come."""
        self.number += 1
        sentinel = f"sentinel {self.number}"
        self.write(frame)
        self.write(json.dumps({"jsonrpc": "2.0", "id": sentinel, "method": "ping"}).encode())
        said: list[bytes] = []
        answers, over = 0, False
        while answers < wanted or not over:
            line = self.line()
            if line.find(sentinel.encode()) >= 0 and b'"result"' in line:
                over = True
                continue
            said.append(line)
            # Notifications (of a log, of progress) are no answers.
            answers += b'"method":"notifications/' not in line[:60]
        return said

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait(30)


class Http:
    """A client in a session, on one connection."""

    def __init__(self, url: str, revision: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
        self.session = ""
        initialize = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "m", "version": "1"},
        }
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}).encode()
        reply, _ = self.post(body, {})
        self.session = reply.getheader("mcp-session-id") or ""

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **headers,
        }
        if self.session:
            sent["Mcp-Session-Id"] = self.session
        try:
            self.connection.request("POST", "/mcp", body, sent)
            reply = self.connection.getresponse()
            return reply, reply.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise SilentError(repr(error)) from error

    def ask(self, frame: bytes, headers: dict[str, str], _wanted: int) -> list[bytes]:
        reply, body = self.post(frame, headers)
        if reply.getheader("content-type") == "text/event-stream":
            lines = [line[6:] for line in body.splitlines() if line.startswith(b"data: {")]
            return [line for line in lines if b'"method":"notifications/' not in line[:60]]
        if reply.status == 202 and not body:
            return []
        return [body]

    def close(self) -> None:
        self.connection.close()


class Sse:
    """A client over HTTP+SSE: what it posts is answered on one stream."""

    def __init__(self, url: str, revision: str) -> None:
        self.address = urlsplit(url).netloc
        self.posting = http.client.HTTPConnection(self.address, timeout=PATIENCE_SECONDS)
        self.listening = http.client.HTTPConnection(self.address, timeout=PATIENCE_SECONDS)
        self.listening.request("GET", "/sse", headers={"Accept": "text/event-stream"})
        self.stream = self.listening.getresponse()
        # A reference that is relative to the address of the stream.
        self.endpoint = urljoin("/sse", self.event().decode())
        self.number = 0
        initialize = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "m", "version": "1"},
        }
        self.post(
            json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}).encode()
        )
        self.event()

    def event(self) -> bytes:
        """Return what the next event says."""
        try:
            while line := self.stream.readline():
                if line.startswith(b"data: "):
                    return line[6:].rstrip(b"\r\n")
        except OSError as error:
            raise SilentError(repr(error)) from error
        raise SilentError("the stream has ended")

    def post(self, body: bytes) -> bytes:
        """Post a message; return what the reply says."""
        try:
            self.posting.request("POST", self.endpoint, body, {"Content-Type": "application/json"})
            return self.posting.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self.posting.close()
            raise SilentError(repr(error)) from error

    def ask(self, frame: bytes, _headers: dict[str, str], wanted: int) -> list[bytes]:
        """Post a frame; return what is said until `wanted` answers and that to a later ping have come."""
        self.number += 1
        sentinel = f"sentinel {self.number}"
        refusal = self.post(frame)
        # What has no id that could be read is refused by the reply to the post alone.
        said = [refusal] if refusal and b'"id":' not in refusal else []
        self.post(json.dumps({"jsonrpc": "2.0", "id": sentinel, "method": "ping"}).encode())
        over = False
        while len(said) < wanted or not over:
            event = self.event()
            if event.find(sentinel.encode()) >= 0 and b'"result"' in event:
                over = True
            elif b'"method":"notifications/' not in event[:60]:
                said.append(event)
        return said

    def close(self) -> None:
        self.posting.close()
        self.listening.close()


@contextmanager
def served(transport: str, binary: Path, root: Path, revision: str) -> Iterator[Stdio | Http | Sse]:
    """Serve the skill over a transport while the block runs; yields a client in a session of `revision`."""
    if transport == "stdio":
        client = Stdio(binary, root, revision)
        try:
            yield client
        finally:
            client.close()
        return
    with http_server(binary, SKILLS, root / "log", root) as url:
        client = Sse(url, revision) if transport == "sse" else Http(url, revision)
        yield client
        client.close()


# -- the comparison -----------------------------------------------------------------------------------------


class Found:
    """What was wrong, by kind, each with a few of its frames."""

    KINDS = (
        "silent",
        "not JSON",
        "run that should not",
        "answered too often",
        "wrong id",
        "refused though good",
    )

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.shown: dict[str, list[str]] = {}
        self.kinds: Counter[str] = Counter()
        self.ran = 0

    def fault(self, kind: str, text: bytes, what: object) -> None:
        self.faults[kind] += 1
        shown = self.shown.setdefault(kind, [])
        if len(shown) < 5:
            shown.append(f"{text[:300]!r}: {what!r:.300}")


def compare(found: Found, text: bytes, verdict: Verdict, said: list[bytes], ran: list[Any]) -> None:
    """Hold what was said, and what ran, to the verdict."""
    found.kinds[verdict.kind.split(":")[0]] += 1
    found.ran += len(ran)
    answers: list[Any] = []
    for line in said:
        try:
            answers.append(strict(line))
        except NotStrictError as why:
            found.fault("not JSON", text, (line, str(why)))
    if len(said) < verdict.answers:
        found.fault("silent", text, said)
    if len(said) > verdict.answers:
        found.fault("answered too often", text, said)
    allowed = [(token, value) for token, value in verdict.may_run()]
    for one in ran:
        if tuple(one) in allowed:
            allowed.remove(tuple(one))
        else:
            found.fault("run that should not", text, one)
    each = [one for answer in answers for one in (answer if isinstance(answer, list) else [answer])]
    if verdict.kind in ("request", "batch"):
        for one in each:
            if "id" in one and repr(one["id"]) not in verdict.ids:
                found.fault("wrong id", text, one)
        if verdict.kind == "request" and each:
            code = each[0].get("error", {}).get("code")
            if code in ("-32700", "-32600"):
                found.fault("refused though good", text, each[0])
            if "id" not in each[0]:
                found.fault("wrong id", text, each[0])


def run(transport: str, binary: Path, seed: int, frames: int, revision: str) -> Found:
    """Send `frames` broken frames and compare what comes of each."""
    found = Found()
    rng = random.Random(seed)  # noqa: S311 - the same frames every time are wanted
    batches = revision == REVISIONS[0]
    root = Path(tempfile.mkdtemp(prefix="omni-mutations-"))
    try:
        (root / "ran.jsonl").touch()
        with served(transport, binary, root, revision) as client, (root / "ran.jsonl").open() as notes:
            for number in range(1, frames + 1):
                text, headers = frame(rng, number, batches=batches)
                # Over stdio a line break makes two frames.
                pieces = text.split(b"\n") if transport == "stdio" else [text]
                for piece in pieces:
                    if transport == "stdio" and not piece.strip(BLANK):
                        continue
                    verdict = Verdict(piece, batches=batches)
                    try:
                        said = client.ask(piece, headers, verdict.answers)
                    except SilentError as why:
                        found.fault("silent", piece, why)
                        continue
                    ran = [json.loads(line) for line in notes.readlines()]
                    if headers and verdict.kind == "request" and transport == "http":
                        # The header says what may run, too.
                        verdict.requests = [
                            r for r in verdict.requests if r["method"] == headers["Mcp-Method"]
                        ]
                        said_error = [line for line in said if b'"code":-32020' in line]
                        if said_error:
                            verdict.kind = "mirrored"
                    compare(found, piece, verdict, said, ran)
            # A server that has seen all of that still serves.
            if not isinstance(client, Stdio):
                client.ask(b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {}, 1)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=300, help="broken frames for each seed and transport")
    parser.add_argument("--seeds", default="1,2,3", help="numbers, separated by commas")
    asked = parser.parse_args()
    passed = failed = 0
    for transport in ("stdio", "http", "sse"):
        for seed in map(int, asked.seeds.split(",")):
            revision = REVISIONS[seed % len(REVISIONS)]
            begun = time.monotonic()
            try:
                found = run(transport, asked.binary.resolve(), seed, asked.frames, revision)
            except (SetupError, SilentError) as error:
                print(f"error: {error}", file=sys.stderr)
                failed += 1
                continue
            kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common())
            print(
                f"{transport}, seed {seed}, {revision}: {asked.frames} frames in {time.monotonic() - begun:.1f} s; "
                f"{kinds}; the tool ran {found.ran} times",
                flush=True,
            )
            for kind in Found.KINDS:
                count = found.faults[kind]
                passed += not count
                failed += bool(count)
                if count:
                    print(f"  {kind}: {count}")
                    for example in found.shown[kind]:
                        print(f"    {example}")
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
