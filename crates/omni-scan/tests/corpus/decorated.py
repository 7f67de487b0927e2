"""Other decorators on a tool."""

import functools
from functools import wraps

from omni import tool


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def retry(times: int = 3):
    def decorate(function):
        @wraps(function)
        async def wrapper(*args, **kwargs):
            return await function(*args, **kwargs)

        return wrapper

    return decorate


def register(function):
    return function


def updated(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return functools.update_wrapper(wrapper, function)


@tool
@timed
def wrapped(a: int, b: str = "x") -> str:
    """Do.

    Args:
        a: The a.
    """


@tool
@retry(times=2)
async def wrapped_called(a: int) -> dict[str, int]:
    """Do."""


@tool
@register
def returned(a: int): ...


@tool
@updated
def by_update(a: int): ...


@tool
@timed
@retry()
@register
def many(a: int): ...


@timed
@tool
def above(a: int): ...
