"""What FastMCP refuses to register: here these are listed with what can be known, or reported."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import Any, Protocol, Self, Type

from omni import tool


class Plain:
    pass


class Shape(Protocol):
    side: int


class Text(str):
    pass


def unwrapped(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@tool
def iterator(a: Iterator[int]): ...


@tool
def collection(a: Collection[int]): ...


@tool
def callback(a: Callable[[int], str]): ...


@tool
def plain_class(a: Plain): ...


@tool
def plain_class_list(a: list[Plain]): ...


@tool
def protocol(a: Shape): ...


@tool
def text_class(a: Text): ...


@tool
def asynchronous(a: AsyncIterator[int]): ...


@tool
def variadic(*names: str): ...


@tool
def variadic_keywords(a: int, **more: Any): ...


@tool
def positional(a: int, /, b: int): ...


@tool(name="hidden-types")
@unwrapped
def hidden(a: int): ...
