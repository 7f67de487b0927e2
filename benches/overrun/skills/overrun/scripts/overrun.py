"""The tools of `_bodies.py`, as any author would write them."""

from omni import tool

from . import _bodies


@tool
def echo(text: str) -> str:
    """Return the text unchanged"""
    return text


@tool
async def waits(path: str) -> str:
    """Wait in small steps, without blocking anybody"""
    return await _bodies.waits(path)


@tool
def sleeps(path: str) -> str:
    """Wait in small steps"""
    return _bodies.sleeps(path)


@tool
def spins(path: str) -> str:
    """Compute"""
    return _bodies.spins(path)


@tool
def holds_the_gil(path: str) -> str:
    """Be in a C function that lets no other thread run"""
    return _bodies.holds_the_gil(path)


@tool
def backtracks(path: str) -> str:
    """Match a regular expression that takes exponential time"""
    return _bodies.backtracks(path)


@tool
def refuses(path: str) -> str:
    """Ignore every polite signal and every exception"""
    return _bodies.refuses(path)


@tool
def stops(path: str) -> str:
    """Stop the process, and have it go on later"""
    return _bodies.stops(path)
