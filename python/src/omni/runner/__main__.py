"""`python -m omni.runner --skills DIR [--unix PATH | --port N]`: the command line, and the socket."""

from __future__ import annotations

import argparse
import json
import os
import socket
import stat
import sys
from ipaddress import ip_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BACKLOG = 1024


def main() -> int:
    """Serve until a signal comes; return the exit code."""
    options = _options()
    from omni.runner.server import Server
    from omni.supervise import Config

    try:
        listener, address = _listen(options)
    except OSError as error:
        _say(f"cannot listen: {error.strerror or error}")
        return 1
    config = Config(options.root, options.settings, env=tuple(options.env))
    hosts = None if options.unix else (options.host, *options.allow_host)
    server = Server(options.skills, config, workers=options.workers, hosts=hosts, grace=options.grace)
    sys.stdout.write(f"omni runner: listening at {address}\n")
    sys.stdout.flush()
    try:
        server.serve(listener)
    finally:
        if options.unix:
            _remove(options.unix)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m omni.runner", description="Run the tools of a folder of skills for omni, over HTTP."
    )
    skills = os.environ.get("OMNI_SKILLS") or "skills"
    parser.add_argument("--skills", metavar="DIR", default=skills, help="the folder of skills [./skills]")
    parser.add_argument("--root", metavar="DIR", default=".", help="the folder that tools work in [.]")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--unix", metavar="PATH", help="listen on this Unix socket, for this user only")
    place.add_argument("--port", type=int, metavar="N", help="listen on this TCP port; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another name of this machine"
    )
    parser.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="listen on an address that other machines reach, although anybody there could run the tools",
    )
    parser.add_argument(
        "--workers", type=_workers, default=(1, 64), metavar="MIN..MAX", help="worker processes [1..64]"
    )
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="pass this variable on to tools"
    )
    parser.add_argument(
        "--settings", type=_settings, default={}, metavar="FILE", help="settings by skill, one JSON object"
    )
    parser.add_argument(
        "--grace", type=float, default=10.0, metavar="SECONDS", help="for calls that run at SIGTERM [10]"
    )
    options = parser.parse_args()
    for name in ("skills", "root"):
        if not os.path.isdir(getattr(options, name)):
            parser.error(f"`--{name} {getattr(options, name)}`: there is no such folder")
    if options.unix is None and not (_is_loopback(options.host) or options.allow_unauthenticated):
        parser.error(
            f"`--host {options.host}` can be reached by other machines, and anybody there could run the "
            "tools; listen on 127.0.0.1 or a Unix socket, or say `--allow-unauthenticated`"
        )
    return options


def _workers(text: str) -> tuple[int, int]:
    least, dots, most = text.partition("..")
    try:
        numbers = int(least), int(most if dots else least)
    except ValueError:
        numbers = (1, 0)
    if not 0 <= numbers[0] <= numbers[1] or not 1 <= numbers[1] <= 1024:
        message = f"`{text}` is not MIN..MAX with MIN <= MAX <= 1024, such as 1..64"
        raise argparse.ArgumentTypeError(message)
    return numbers


def _settings(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError) as error:
        message = f"`{path}` cannot be read: {error}"
        raise argparse.ArgumentTypeError(message) from None
    if not isinstance(value, dict):
        message = f"`{path}` is no JSON object of settings by skill"
        raise argparse.ArgumentTypeError(message)
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(options: argparse.Namespace) -> tuple[socket.socket, str]:
    if options.unix:
        path = os.path.abspath(options.unix)
        _make_way(path)
        listener = socket.socket(socket.AF_UNIX)
        # From its first moment on nobody else may connect.
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        return listener, f"unix:{path}"
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.host, options.port))
    listener.listen(_BACKLOG)
    host = f"[{options.host}]" if family == socket.AF_INET6 else options.host
    return listener, f"http://{host}:{listener.getsockname()[1]}"


def _make_way(path: str) -> None:
    """Remove a socket that a runner left behind which is no more. Raises `OSError` when one listens."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(f"`{path}` exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(f"another runner listens on `{path}`; stop it, or take another path")


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _say(message: str) -> None:
    sys.stderr.write(f"omni runner: {message}\n")


if __name__ == "__main__":
    sys.exit(main())
