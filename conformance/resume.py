"""Do real clients get the whole of a call whose connection breaks again and again?

Serves `conformance/skills` with the binary, which closes each stream after a second, behind a relay that besides cuts the first
stream of a call in the middle of an event. Each client makes one call that reports its progress for some seconds: it has to hear
each step once and in order, and the answer.

    python3 conformance/resume.py --binary target/debug/omni
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness import CONFORMANCE, SetupError, http_server, node_with, python_with_client
from real_clients import Client, program

STEPS = 20
SETTINGS = "[streams]\nclosed_after = 1\n"
# Into the second event of a reply's stream: more than its head and its first event, less than all.
CUT_AFTER_BYTES = 700


@dataclass
class Relay:
    """
    Passes connections on to a server, and cuts the first stream of a call.

    Attributes:
        resumed: How many requests were for the rest of a stream.
        cut: Whether it has cut one.
    """

    server: tuple[str, int]
    resumed: int = 0
    cut: bool = False
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self.pass_back, args=(server, client), daemon=True).start()

    def pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Pass what the client says on."""
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self.resumed += data.lower().count(b"\r\nlast-event-id:")
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def pass_back(self, server: socket.socket, client: socket.socket) -> None:
        """Pass what the server says back, as far as it may come."""
        said = b""
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                said += data
                if not self.cut and b"notifications/progress" in said and len(said) > CUT_AFTER_BYTES:
                    self.cut = True
                    client.sendall(data[: len(data) // 2])
                    # A reset, as of a network that is gone.
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    break
                client.sendall(data)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.close()


@contextlib.contextmanager
def relay(url: str) -> Iterator[tuple[Relay, str]]:
    """Relay to `url` while the block runs; yields the relay and where it is."""
    address = urlsplit(url)
    relay = Relay((address.hostname, address.port))
    threading.Thread(target=relay.serve, daemon=True).start()
    with relay.listener:
        yield relay, f"http://127.0.0.1:{relay.listener.getsockname()[1]}{address.path}"


def clients() -> dict[str, Client]:
    """Return the clients that resume, by their names."""
    python = str(CONFORMANCE / "clients" / "resuming.py")
    typescript = str(CONFORMANCE / "clients" / "resuming.mjs")
    found = {
        "Python SDK 1.x": program([python_with_client("venv-1"), python]),
        "Python SDK 2.x": program([python_with_client(), python]),
    }
    for package, name in (("sdk", "TypeScript SDK 1.x"), ("client", "TypeScript SDK 2.x")):
        node, installed = node_with(f"@modelcontextprotocol/{package}")
        found[name] = program([node, typescript, str(installed.parent.parent), package])
    return found


def faults(seen: dict, between: Relay) -> list[str]:
    """Say what is wrong with what a client saw."""
    found = []
    if seen["progress"] != list(range(1, STEPS + 1)):
        found.append(f"it heard {seen['progress']}")
    if seen["text"] != f"Made {STEPS} steps.":
        found.append(f"its answer was {seen['text']!r}")
    if not between.cut or between.resumed < 2:
        found.append(f"nothing was shown: cut {between.cut}, resumed {between.resumed} times")
    return found


def main() -> int:
    """Run all clients and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    binary = parser.parse_args().binary.resolve()
    failed = 0
    try:
        for name, look in clients().items():
            with contextlib.ExitStack() as world:
                root = Path(world.enter_context(tempfile.TemporaryDirectory()))
                settings = root / "omni.toml"
                settings.write_text(SETTINGS)
                options = ("--config", str(settings))
                log = root / "server.log"
                url = world.enter_context(http_server(binary, CONFORMANCE / "skills", log, root, options))
                between, url = world.enter_context(relay(url))
                job = {"url": url, "tool": "test_steps", "arguments": {"steps": STEPS}, "home": str(root)}
                seen = look(job)
                wrong = faults(seen, between)
                failed += bool(wrong)
                print(
                    f"{'failed' if wrong else 'passed':7} {name}, {seen['protocol']}, resumed {between.resumed} times"
                )
                for fault in wrong:
                    print(f"          {fault}")
    except SetupError as error:
        print(f"resume: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
