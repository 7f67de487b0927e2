"""A server reduced to what a test needs: start a worker, send frames, receive frames."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from time import monotonic

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
PATIENCE_SECONDS = 30
TOP = "from omni import *\nfrom omni import tool, Context, ToolError, CallCancelled, heartbeat\n"
#: A module of a skill that gives a value, which is to be filled in.
HELPER = "def value():\n    return {!r}\n"
#: Sources of a tool `f` that loads such a module, `helper.py`, when it is called, and by hand.
LATE_IMPORTS = {
    "a loader of its own": (
        "import importlib.util as u, os\ndef f():\n"
        "    spec = u.spec_from_file_location('h', os.path.join(os.path.dirname(__file__), 'helper.py'))\n"
        "    module = u.module_from_spec(spec)\n    spec.loader.exec_module(module)\n"
        "    return module.value()\n"
    ),
    "a module that is loaded anew": (
        "import importlib\nfrom . import helper\ndef f():\n    return importlib.reload(helper).value()\n"
    ),
}


class Skill:
    """A skill's folder, made of source texts by file name."""

    def __init__(self, folder, files):
        self.folder = str(folder)
        self.name = folder.name
        for file, text in files.items():
            path = folder / "scripts" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def target(self, function, file="a.py", **more):
        """Return what a call frame says about one of the skill's functions."""
        return {
            "tool": f"{self.name}.{function}",
            "skill": self.name,
            "dir": self.folder,
            "file": f"scripts/{file}",
            "function": function,
            "wrap": False,
            "structured": False,
            "inject": [],
            **more,
        }


def environment(**more):
    """Return the environment of a Python that finds our package and nothing of ours else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OMNI"))}
    return {**kept, "PYTHONPATH": SOURCES, **more}


class Worker:
    """A worker process and our end of its channel."""

    def __init__(
        self, mode="sync", *, page=True, argv=("-m", "omni.worker"), cwd=None, greet=True, env=None, **hello
    ):
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_SECONDS)
        self.channel = ours
        self.process = subprocess.Popen(
            [sys.executable, *argv],
            env=environment(OMNI_CONTROL_FD=str(theirs.fileno()), **(env or {})),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
        )
        theirs.close()
        self.printed = {}
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        self.page = os.memfd_create("page") if page else None
        if page:
            os.ftruncate(self.page, 4096)
        self._last_id = 0
        if greet:
            self.send(
                "hello",
                {"proto": 2, "mode": mode, "page": page, "root": "/", "settings": {}, **hello},
                self.page,
            )
            self.ready = self.receive()

    def _read(self, name, pipe):
        with pipe:
            self.printed[name] = b"".join(iter(lambda: pipe.read1(65536), b"")).decode()

    def send(self, kind, body, descriptor=None):
        """Send one frame, with a descriptor on its first byte if there is one."""
        payload = json.dumps({kind: body}, ensure_ascii=False, separators=(",", ":")).encode()
        frame = len(payload).to_bytes(4, "little") + payload
        if descriptor is None:
            self.channel.sendall(frame)
        else:
            socket.send_fds(self.channel, [frame], [descriptor])

    def receive(self):
        """Receive one frame; None when the worker closed the channel."""
        head = self._exactly(4)
        return None if head is None else json.loads(self._exactly(int.from_bytes(head, "little")))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.channel.recv(count - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data

    def start(self, target, arguments=None, **more):
        """Send a call and return its id."""
        self._last_id += 1
        call = {
            "id": self._last_id,
            "target": target,
            "args": arguments or {},
            "deadline_ms": 60000,
            "idle_ms": None,
            "attempt": 1,
            "context": {"progress": True, "log": "debug", "session": "s"},
            **more,
        }
        self.send("call", call)
        return self._last_id

    def call(self, target, arguments=None, **more):
        """Make a call; return the frames that came up for it, the answer last."""
        self.start(target, arguments, **more)
        frames = []
        while not frames or not {"result", "error", "skipped", "stale"} & frames[-1].keys():
            frames.append(self.receive())
            if frames[-1] is None:
                raise AssertionError(f"the worker went away: {self.wait()} {self.printed}")
        return frames

    def result(self, target, arguments=None, **more):
        """Make a call that succeeds and return the body of its result."""
        answer = self.call(target, arguments, **more)[-1]
        assert "result" in answer, answer
        return answer["result"]

    def text(self, target, arguments=None, **more):
        """Make a call that returns one text and return that."""
        (block,) = self.result(target, arguments, **more)["content"]
        return block["text"]

    def error(self, target, arguments=None, **more):
        """Make a call that fails and return the body of its error."""
        answer = self.call(target, arguments, **more)[-1]
        assert "error" in answer, answer
        return answer["error"]

    def started(self):
        """Return the id on the status page."""
        return int.from_bytes(os.pread(self.page, 8, 0), "little")

    def revoke(self, call_id):
        """Take back every call up to this one."""
        os.pwrite(self.page, (call_id + 1).to_bytes(8, "little"), 8)

    def interrupt(self):
        """Send the signal that cancels a sync call.

        It ends a system call that blocks, but not one that is only about to begin: see `wait_until_blocked`.
        """
        self.process.send_signal(signal.SIGUSR2)

    def wait_until_blocked(self):
        """Wait until every thread of the worker sleeps in the kernel.

        Python looks for signals before it makes a system call. One that comes between the two stays
        unheard for as long as the call blocks. The server has other means then; a test has not.
        """
        until = monotonic() + PATIENCE_SECONDS
        before = None
        # The texts count how often each thread was switched: where all are the same, none has run meanwhile,
        # and so none waits for another to let go of the interpreter.
        while (now := self._threads()) != before or not all("\nState:\tS" in text for text in now):
            assert self.process.poll() is None
            assert monotonic() < until, now
            before = now

    def _threads(self):
        """Return what the kernel tells of each thread of the worker."""
        folder = f"/proc/{self.process.pid}/task"
        texts = []
        for thread in sorted(os.listdir(folder)):
            with suppress(OSError), open(f"{folder}/{thread}/status") as file:  # else it has ended
                texts.append(file.read())
        return texts

    def wait(self):
        """Wait for the process to end and return its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
        return code

    def drain(self):
        """Tell the worker to finish; return what it printed."""
        self.send("drain", {})
        assert self.wait() == 0
        return self.printed

    def end(self):
        """End the worker, whatever state it is in."""
        self.channel.close()
        try:
            self.process.wait(PATIENCE_SECONDS / 3)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.wait()
        if self.page is not None:
            os.close(self.page)
