"""Unions and optional types."""

from typing import Annotated, Any, Literal, Optional, Union

from pydantic import Field

from omni import tool

Number = int | float
MaybeText = Optional[str]


@tool
def optional(a: Optional[int], b: Optional[str] = None, c: Union[int, None] = 3): ...


@tool
def pipes(a: int | None, b: str | int, c: None | str = None, d: int | str | None = None): ...


@tool
def unions(a: Union[int, str], b: Union[int, str, None], c: Union[int], d: Union[int, int]): ...


@tool
def nested(a: Union[int, Union[str, float]], b: Optional[Union[int, str]], c: Optional[Optional[int]] = None): ...


@tool
def order(a: None | int | str, b: int | None | str, c: str | int | float | bool): ...


@tool
def containers(a: list[int] | None, b: dict[str, int] | list[str], c: list[int | None] | None = None): ...


@tool
def aliases(a: Number, b: Number | None = None, c: MaybeText = None, d: list[Number] = [1]): ...


@tool
def with_any(a: Any | None, b: Optional[Any] = None, c: Any | int = 1): ...


@tool
def with_object(a: object | None = None): ...


@tool
def literals(a: Literal["x"] | None, b: Literal["x", "y"] | int, c: Optional[Literal[1, 2]] = None): ...


@tool
def inner_metadata(a: Optional[Annotated[int, Field(ge=1)]] = None, b: list[Annotated[str, Field(min_length=2)]] = []): ...


@tool
def outer_metadata(a: Annotated[Optional[int], Field(ge=1)] = None, b: Annotated[int | None, Field(description="B.")] = None): ...


@tool
def inner_description(a: Annotated[str, Field(description="In.")] | None = None): ...


@tool
def sealed(a: Annotated[int | None, "text"] | str, b: Annotated[int | None, Field(description="d")] | str): ...


@tool
def bound_on_union(a: Annotated[int | str, Field(ge=1)], b: Annotated[int | float, Field(gt=0, description="d")]): ...


@tool
def bool_int(a: bool | int = True, b: int | bool = 0, c: float | int = 1.0): ...


@tool
def bytes_union(a: bytes | str, b: list[bytes] | None = None): ...
