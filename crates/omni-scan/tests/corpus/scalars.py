"""Plain types, required and with defaults."""

import typing
from typing import Any, List, Optional, Union

from omni import tool


@tool
def nothing(): ...


@tool
def text(value: str): ...


@tool
def text_default(value: str = "x"): ...


@tool
def integer(value: int): ...


@tool
def integer_default(value: int = -3): ...


@tool
def real(value: float): ...


@tool
def real_default(value: float = 0.5): ...


@tool
def real_whole_default(value: float = 1): ...


@tool
def real_exponent(value: float = 1e-9): ...


@tool
def boolean(value: bool): ...


@tool
def boolean_default(value: bool = False): ...


@tool
def none_only(value: None): ...


@tool
def none_only_default(value: None = None): ...


@tool
def anything(value: Any): ...


@tool
def anything_none(value: Any = None): ...


@tool
def anything_default(value: Any = 3): ...


@tool
def an_object(value: object): ...


@tool
def an_object_default(value: object = None): ...


@tool
def bare(value): ...


@tool
def bare_default(value=3): ...


@tool
def bare_none(value=None): ...


@tool
def bare_list(value=[]): ...


@tool
def wrong_default(value: str = None): ...


@tool
def wrong_default_int(value: int = "x"): ...


@tool
def raw_bytes(value: bytes): ...


@tool
def raw_bytes_default(value: bytes = b"ab"): ...


@tool
def imaginary(value: complex): ...


@tool
def several(a: str, b: int = 2, *, c: bool, d: float = 1.5): ...


@tool
def keyword_only(*, query: str, limit: int = 10): ...


@tool
def mixed(a, b: int, c=None, d: Any = 1): ...


@tool
def via_module(a: typing.Optional[str], b: "typing.List[int]" = None): ...


@tool
def as_text(a: "str", b: "Optional[int]" = None, c: "Union[int, str]" = 1, d: "List['int']" = ()): ...


@tool
def ellipsis_default(value: int = ...): ...


@tool
def long_names(max_results_2x: Any = None, HTTPServer: Any = None, _hidden: Any = None, a__b: Any = None): ...


@tool
async def asynchronous(value: str) -> str: ...


@tool
def unicode_names(größe: int, 名前: str = "x"): ...
