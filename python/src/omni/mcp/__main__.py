"""`python -m omni.mcp --skills DIR`: the command line, which is that of `omni mcp`."""

from __future__ import annotations

import argparse
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main() -> None:
    """Serve until standard input ends. Does not return."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    options = _options()
    from omni import __version__
    from omni.describe import Catalogue
    from omni.mcp.calls import Calls, Limits
    from omni.mcp.server import Server, Stop
    from omni.supervise import Config

    # Nothing but MCP goes to standard output, whatever prints.
    out = os.dup(1)
    os.dup2(2, 1)
    lines = os.fdopen(os.dup(0), "rb", 1 << 16)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def stop(_number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Stop

    catalogue = Catalogue(options.skills)
    config = Config(options.root, options.settings, env=tuple(options.env), python=options.python)
    limits = Limits(
        timeout=options.timeout, idle_timeout=options.idle_timeout, full_errors=options.errors == "full"
    )
    calls = Calls(catalogue.skills_dir, config, limits, options.workers)
    server = Server(catalogue, calls, out, __version__)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.serve(lines)
    except Stop:
        calls.close()
    sys.stderr.flush()
    # Not the ordinary way out, which waits for threads that wait for nobody.
    os._exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m omni.mcp",
        description="Serve a folder of skills over MCP on standard input and output, with Python alone.",
        epilog="The other options of `omni mcp` are taken and have no effect.",
    )
    add = parser.add_argument
    add("--skills", metavar="DIR", help="the folder of skills [./skills]")
    add("--root", metavar="DIR", help="the folder that tools work in [.]")
    add("--config", metavar="FILE", help="settings file, read by Python 3.11 or newer [./omni.toml]")
    add("--python", metavar="PATH", help="the Python to run tools with [this one]")
    add("--timeout", type=float, metavar="SECONDS", help="total time limit of a call, 0 for none [1800]")
    add("--idle-timeout", type=float, metavar="SECONDS", help="without a sign of life, 0 for none [120]")
    add("--workers", metavar="MIN..MAX", help="how many workers to keep and to allow [1..64]")
    add("--errors", choices=("masked", "full"), help="how much of an exception the client reads [masked]")
    add("--env", action="append", default=[], metavar="NAME", help="pass this variable on to tools")
    add("--transport", choices=("stdio", "http"), default="stdio", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if (os.environ.get("OMNI_TRANSPORT") or options.transport) == "http":
        parser.error("Python alone serves standard input and output only; HTTP needs `omni mcp`")
    _pass_over(rest)
    try:
        _complete(options, _settings(options.config))
    except ValueError as error:
        parser.error(str(error))
    return options


def _pass_over(words: list[str]) -> None:
    """Say which words have no effect. No error: what started the server shall start this one in its place."""
    for word in words:
        if word.startswith("-"):
            _say(f"`{word.partition('=')[0]}` has no effect here")


def _settings(named: str | None) -> dict[str, Any]:
    """Read `omni.toml`, with its folders resolved against its own place."""
    path = named or os.environ.get("OMNI_CONFIG")
    if path is None:
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        places = ("omni.toml", f"{config}/omni/omni.toml")
        path = next((place for place in places if os.path.isfile(place)), None)
        if path is None:
            return {}
    if sys.version_info < (3, 11):
        _say(f"`{path}` is not read: that takes Python 3.11 or newer; give the settings as options")
        return {}
    import tomllib

    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"`{path}` is not a settings file of omni: {error}"
        raise ValueError(message) from None
    folder = os.path.dirname(os.path.abspath(path))
    for name in ("skills_dir", "root"):
        if isinstance(settings.get(name), str):
            settings[name] = os.path.join(folder, settings[name])
    return settings


def _complete(options: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Fill in what the command line does not say: from the environment, the file, the defaults."""

    def choose(name: str, key: str, default: Any) -> Any:
        given = getattr(options, name)
        if given is None:
            given = os.environ.get(f"OMNI_{name.upper()}") or settings.get(key)
        return default if given is None else given

    options.skills = choose("skills", "skills_dir", "skills")
    options.root = choose("root", "root", ".")
    for name in ("skills", "root"):
        if not os.path.isdir(getattr(options, name)):
            message = f"`--{name} {getattr(options, name)}`: there is no such folder; name another"
            raise ValueError(message)
    options.python = choose("python", "python", None)
    options.timeout = _seconds("timeout", choose("timeout", "timeout", 1800.0))
    options.idle_timeout = _seconds("idle-timeout", choose("idle_timeout", "idle_timeout", 120.0))
    options.errors = choose("errors", "errors", "masked")
    workers = choose("workers", "workers", "1..64")
    if isinstance(workers, dict):
        workers = workers.get("count", "1..64")
    options.workers = _workers(str(workers))
    options.env = [*options.env, *settings.get("env", [])]
    options.settings = settings.get("skills", {})


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0.0 <= seconds <= 366 * 86_400:
        message = f"`--{name} {value}` is not a number of seconds from 0 to a year"
        raise ValueError(message)
    return seconds


def _workers(text: str) -> tuple[int, int]:
    least, dots, most = text.partition("..")
    numbers = (least.strip(), (most if dots else least).strip())
    if not all(number.isdecimal() for number in numbers):
        numbers = ("1", "0")
    low, high = map(int, numbers)
    if not low <= high or not 1 <= high <= 1024:
        message = f"`{text}` is not MIN..MAX with MIN <= MAX <= 1024, such as 1..64"
        raise ValueError(message)
    return low, high


def _say(message: str) -> None:
    sys.stderr.write(f"omni: {message}\n")


if __name__ == "__main__":
    main()
