"""One worker process: how it is started, spoken to, watched and ended."""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import time
from threading import Lock

from omni import wire
from omni.supervise.printed import Allowance, Printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_FRAME_BYTES_MAX = (16 << 20) + (64 << 10)
_RESULT_BYTES_MAX = 8 << 20
_RECEIVE_BYTES = 1 << 18
_READY_SECONDS = 10.0
_DEATH_SECONDS = 0.25
_CANCEL_SECONDS = 0.25
_TERM_SECONDS = 1.0
_KILL_SECONDS = 5.0
_SWEEPS_MAX = 50
#: The variable that names the worker to which a process belongs.
MARK = "OMNI_WORKER"
# Not `-m omni.worker`, which does the same: `runpy` doubles what a worker needs until it is ready.
_PROGRAM = "from omni.worker import main; main()"
# What a child may inherit of our environment; `LC_…` too.
_ALLOWED = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV")


class StartError(Exception):
    """No worker could be started. The text says why."""


class Config:
    """What workers need to know, the same for all of one supervisor."""

    def __init__(
        self,
        root: str,
        settings: dict[str, Any] | None = None,
        *,
        env: tuple[str, ...] = (),
        python: str | None = None,
    ) -> None:
        """Describe workers.

        Args:
            root: The folder that tools work in.
            settings: What the tools of a skill find in `Context.settings`, by skill.
            env: Names of environment variables that workers see besides the usual ones.
            python: The interpreter; by default the one that runs this.
        """
        self.root = os.path.realpath(root)
        self.settings = settings or {}
        self.python = python or sys.executable
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        allowed = {*_ALLOWED, *env}
        self.environment = {
            name: value for name, value in os.environ.items() if name in allowed or name.startswith("LC_")
        }
        # Where it is installed it is found anyway, and its neighbours must not come before the library.
        if os.path.basename(package) not in ("site-packages", "dist-packages"):
            self.environment["PYTHONPATH"] = package


class Process:
    """A live worker. It leads a session and a group of its own, so that what it starts ends with it."""

    def __init__(self, config: Config) -> None:
        """Start a worker and wait until it is ready.

        Raises:
            StartError: It did not become ready.
        """
        self.channel, theirs = socket.socketpair()
        life, lives = os.pipe()
        #: In the environment of all that the worker starts, by which it is found.
        self._mark = f"{os.getpid()}-{time.time_ns()}-{theirs.fileno()}."
        environment = {**config.environment, "OMNI_CONTROL_FD": str(theirs.fileno()), MARK: self._mark}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter that we were given
                [config.python, "-c", _PROGRAM],
                env=environment,
                pass_fds=[theirs.fileno(), life],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=config.root,
                start_new_session=True,
                bufsize=0,
            )
            tie(life, self._process.pid)
        except OSError as error:
            self.channel.close()
            os.close(lives)
            message = f"`{config.python}` cannot be started: {error.strerror or error}"
            raise StartError(message) from None
        finally:
            theirs.close()
            os.close(life)
        self.pid = self._process.pid
        self._life = lives
        self._watch = _pidfd(self.pid)
        #: Held while a signal is sent, so that none follows the reaping.
        self._lock = Lock()
        self.out = Printed(self._process.stdout.fileno(), "stdout", "info")
        self.err = Printed(self._process.stderr.fileno(), "stderr", "warning")
        self._splitter = wire.Splitter(_FRAME_BYTES_MAX)
        #: Shared with the worker, which notes the number of the call that starts in its first slot.
        self.page: mmap.mmap | None = None
        #: Numbers its calls.
        self.calls = 0
        self.idle_since = 0.0
        #: The generation of skills that it may have imported.
        self.generation = 0
        self.poll = select.poll()
        for source in (self.channel, self.out, self.err):
            self.poll.register(source, select.POLLIN)
        if self._watch is not None:
            self.poll.register(self._watch, select.POLLIN)
        try:
            self._greet(config)
        except BaseException:
            self.kill()
            raise

    def _greet(self, config: Config) -> None:
        hello = {
            "proto": wire.PROTO,
            "mode": "sync",
            "page": hasattr(os, "memfd_create"),
            "checked": True,
            "root": config.root,
            "settings": config.settings,
            "frame_bytes_max": _FRAME_BYTES_MAX,
            "result_bytes_max": _RESULT_BYTES_MAX,
        }
        self.channel.settimeout(_READY_SECONDS)
        try:
            frame = wire.seal('{"hello":%s}' % wire.write_json(hello))
            if hello["page"]:
                self._send_with_page(frame)
            else:
                self.channel.sendall(frame)
            payloads: list[bytes] = []
            while not payloads:
                payloads = self.receive()
            kind, body = wire.decode(payloads[0])
        except (OSError, EOFError, wire.MalformedFrameError) as error:
            self.exit_code(_DEATH_SECONDS)
            self.read_output()
            last = self.err.tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
            message = f"`{config.python}` did not become a worker: {last or error or 'it ended'}"
            raise StartError(message) from None
        if kind != "ready" or body.get("proto") != wire.PROTO:
            message = f"`{config.python}` did not begin with `ready` of version {wire.PROTO}"
            raise StartError(message)
        self.channel.settimeout(None)

    def _send_with_page(self, frame: bytes) -> None:
        descriptor = os.memfd_create("omni-page")
        try:
            os.ftruncate(descriptor, mmap.PAGESIZE)
            self.page = mmap.mmap(descriptor, mmap.PAGESIZE)
            sent = socket.send_fds(self.channel, [frame], [descriptor])
        finally:
            os.close(descriptor)
        self.channel.sendall(frame[sent:])

    def has_started(self, number: int) -> bool:
        """Tell whether the code of the call of this number has begun, by the page."""
        return self.page is not None and int.from_bytes(self.page[:8], sys.byteorder) == number

    # -- speaking ----------------------------------------------------------------------------------

    def send(self, kind: str, body: str) -> None:
        """Send one frame whose body is JSON text. Raises `OSError` when the worker is gone."""
        self.channel.sendall(wire.seal('{"%s":%s}' % (kind, body)))

    def receive(self) -> list[bytes]:
        """Receive what has arrived: the payloads of the frames that are complete.

        Raises:
            EOFError: The worker closed its end.
            MalformedFrameError: It broke the framing.
        """
        data = self.channel.recv(_RECEIVE_BYTES)
        if not data:
            raise EOFError
        return self._splitter.feed(data)

    def read_output(self) -> None:
        """Take in, unreported, all that was printed up to now."""
        allowance = Allowance()
        for pipe in (self.out, self.err):
            length = -1
            while length != len(pipe.tail):
                length = len(pipe.tail)
                pipe.read(allowance, None)

    def watches(self, descriptor: int) -> bool:
        """Tell whether this is the descriptor by which the kernel says that the process ended."""
        return descriptor == self._watch

    # -- ending ------------------------------------------------------------------------------------

    def exit_code(self, seconds: float) -> int | None:
        """Wait so long for the process to end. Negative numbers are signals; None when it lives.

        It is not reaped here: as long as it is not, its number and its group's are nobody else's.
        """
        end = time.monotonic() + seconds
        while True:
            code = self._peek()
            left = end - time.monotonic()
            if code is not None or left <= 0:
                return code
            if self._watch is None:
                time.sleep(min(left, 0.005))
            else:
                watch = select.poll()
                watch.register(self._watch, select.POLLIN)
                watch.poll(left * 1000)

    def _peek(self) -> int | None:
        if self._process.returncode is not None:
            return self._process.returncode
        status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if status is None:
            return None
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        self._signal(os.kill, number)

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        with self._lock:
            if self._process.returncode is None:
                try:
                    send(self.pid, number)
                except OSError:
                    pass

    def is_stopped(self) -> bool:
        """Tell whether the process stands still (SIGSTOP)."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] == b"T"
        except (OSError, IndexError):
            return False

    def end_call(self, number: int) -> bool:
        """End the call of this number: ask the tool, then end the process. True when the worker can go on."""
        self.signal(signal.SIGUSR2)
        answers = (b'{"result":{"id":%d,' % number, b'{"error":{"id":%d,' % number)
        end = time.monotonic() + _CANCEL_SECONDS
        try:
            while (left := end - time.monotonic()) > 0:
                ready = [descriptor for descriptor, _ in self.poll.poll(left * 1000)]
                for pipe in (self.out, self.err):
                    if pipe.fileno() in ready:
                        self._read_unreported(pipe)
                if self.channel.fileno() in ready:
                    last = [payload for payload in self.receive() if payload.startswith(answers)]
                    if last:
                        # What the call has left would work on for a caller who has gone.
                        if b'"tainted":' not in last[0] and self._is_alone():
                            return True
                        break
                elif any(map(self.watches, ready)):
                    break
        except (OSError, EOFError, wire.MalformedFrameError):
            pass
        self._signal(os.killpg, signal.SIGTERM)
        self.exit_code(_TERM_SECONDS)
        self.kill()
        return False

    def _is_alone(self) -> bool:
        """Tell whether the process has one thread, and has started nothing that still runs."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/task")) == 1 and marked(self._mark) <= {self.pid}
        except OSError:
            return False

    def _read_unreported(self, pipe: Printed) -> None:
        if not pipe.read(Allowance(), None):
            # Closed: it would be readable for ever.
            self.poll.unregister(pipe)

    def dismiss(self) -> None:
        """Let an idle worker run what skills registered with `atexit`, and end it."""
        try:
            self.send("drain", "{}")
            self.exit_code(_TERM_SECONDS)
        except OSError:
            pass
        self.kill()

    def end_now(self) -> None:
        """Kill the process and its group. Whoever drives it sees it end, and buries it."""
        self._signal(os.killpg, signal.SIGKILL)

    def kill(self) -> None:
        """End the process and its group at once, and reap it."""
        self._signal(os.killpg, signal.SIGKILL)
        if self.exit_code(_KILL_SECONDS) is not None:
            with self._lock:
                self._process.wait()
        sweep(self._mark)
        self.channel.close()
        self._process.stdout.close()
        self._process.stderr.close()
        for descriptor in (self._life, self._watch):
            if descriptor is not None:
                os.close(descriptor)
        self._life = self._watch = None
        if self.page is not None:
            self.page.close()
            self.page = None


def sweep(mark: str) -> None:
    """Kill what a worker has started and what has left its session, so that its group did not have it.

    Not found is what has also emptied its environment.
    """
    for _ in range(_SWEEPS_MAX):  # more than one for what forks meanwhile
        found = marked(mark)
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.001)


def marked(mark: str) -> set[int]:
    """Return the processes that carry a worker's mark, itself among them. Reads all of `/proc`."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found
    for name in processes:
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.add(int(name))
        except OSError:  # it has ended, or is another user's
            pass
    return found


def tie(life: int, group: int) -> None:
    """Have the kernel kill a worker's whole group when we die, whatever the worker is doing.

    The worker inherits the reading end of a pipe to which nobody ever writes. When its only writer, which is
    us, is gone, the kernel sends the signal chosen here to the owner chosen here. Linux only; elsewhere a
    worker ends when it next looks at its channel.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        return
    try:
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETOWN, -group)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:  # a kernel that knows better; the channel still ends idle workers
        pass


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
