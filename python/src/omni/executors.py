"""Which executors there are. Generated from `omni-call` by `cargo xtask docs`; do not edit."""

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

NAMES = ("pool", "fork", "spawn", "embedded", "runner")

#: Names that executors once had, each with what to write instead.
FORMER = {
    "zygote": "`zygote` is now `fork`",
    "prewarmed": "`prewarmed` is now `fork` with `ahead = 2`",
    "recycled": "`recycled` is now `fork` with `calls = 100`",
    "embedded_worker": "`embedded_worker` is gone; use `pool`, which runs a tool in the same way",
}


def check(name: str) -> None:
    """Raise `ValueError` unless there is an executor of this name."""
    if name in NAMES:
        return
    message = FORMER.get(str(name))
    if message is None:
        names = ", ".join(f"`{known}`" for known in NAMES)
        message = f"`{name}` is no executor; use one of {names}"
    raise ValueError(message)
