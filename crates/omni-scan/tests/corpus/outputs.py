"""What comes out."""

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Callable, Dict, List, Literal, NewType, Optional, Tuple, Union

from pydantic import Field

from omni import Audio, Context, EmbeddedResource, Image, ResourceLink, Text, ToolResult, tool

UserId = NewType("UserId", int)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Unknown:
    pass


@tool
def no_annotation(): ...


@tool
def none() -> None: ...


@tool
def text() -> str: ...


@tool
def integer() -> int: ...


@tool
def real() -> float: ...


@tool
def boolean() -> bool: ...


@tool
def anything() -> Any: ...


@tool
def an_object() -> object: ...


@tool
def raw() -> bytes: ...


@tool
def raw_or_text() -> bytes | str: ...


@tool
def raw_list() -> list[bytes]: ...


@tool
def bare_list() -> list: ...


@tool
def bare_list_typing() -> List: ...


@tool
def list_any() -> list[Any]: ...


@tool
def list_text() -> list[str]: ...


@tool
def bare_tuple() -> tuple: ...


@tool
def tuple_any() -> tuple[Any, ...]: ...


@tool
def tuple_pair_any() -> tuple[Any, Any]: ...


@tool
def tuple_pair() -> tuple[int, str]: ...


@tool
def tuple_many() -> Tuple[int, ...]: ...


@tool
def bare_sequence() -> Sequence: ...


@tool
def sequence_any() -> Sequence[Any]: ...


@tool
def sequence() -> Sequence[int]: ...


@tool
def bare_dict() -> dict: ...


@tool
def dict_any() -> dict[str, Any]: ...


@tool
def dict_typing() -> Dict[str, int]: ...


@tool
def mapping() -> Mapping[str, int]: ...


@tool
def bare_set() -> set: ...


@tool
def sets() -> set[int]: ...


@tool
def list_dict() -> list[dict]: ...


@tool
def list_dict_any() -> list[dict[str, Any]]: ...


@tool
def optional() -> Optional[str]: ...


@tool
def optional_dict() -> dict[str, int] | None: ...


@tool
def optional_any() -> Any | None: ...


@tool
def optional_list() -> list | None: ...


@tool
def union() -> str | int: ...


@tool
def union_dicts() -> dict[str, int] | dict[str, str]: ...


@tool
def literal() -> Literal["a", "b"]: ...


@tool
def enum() -> Color: ...


@tool
def enums() -> list[Color]: ...


@tool
def newtype() -> UserId: ...


@tool
def annotated() -> Annotated[int, Field(description="How many.", ge=0)]: ...


@tool
def annotated_text() -> Annotated[str, "A text."]: ...


@tool
def annotated_dict() -> Annotated[dict[str, int], Field(description="Counts.")]: ...


@tool
def annotated_list() -> Annotated[list, Field(description="Things.")]: ...


@tool
def text_content() -> Text: ...


@tool
def image() -> Image: ...


@tool
def images() -> list[Image]: ...


@tool
def image_or_text() -> Image | str: ...


@tool
def mixed_content() -> list[Union[Text, Image, str]]: ...


@tool
def optional_image() -> Optional[Image]: ...


@tool
def audio() -> Audio: ...


@tool
def link() -> ResourceLink: ...


@tool
def embedded() -> EmbeddedResource: ...


@tool
def result() -> ToolResult: ...


@tool
def result_or_text() -> ToolResult | str: ...


@tool
def optional_result() -> ToolResult | None: ...


@tool
def content_tuple() -> tuple[str, Image]: ...


@tool
def content_mapping() -> dict[str, Image]: ...


@tool
def unknown() -> Unknown: ...


@tool
def unknown_list() -> list[Unknown]: ...


@tool
def as_text() -> "list[int]": ...


@tool
def as_text_none() -> "None": ...


@tool
def iterables() -> Iterable[int]: ...


@tool
def a_callable() -> Callable[[int], str]: ...


@tool
async def asynchronous() -> dict[str, int]: ...


@tool
def given(a: int) -> Annotated[Any, Field(description="x")]: ...


@tool(output_schema={"type": "object", "properties": {"a": {"type": "integer"}}})
def verbatim() -> dict: ...


@tool(output_schema=None)
def switched_off() -> dict[str, int]: ...


@tool
def with_context(ctx: Context, a: int) -> list[int]: ...


@tool
def list_object() -> list[object]: ...


@tool
def union_any() -> Union[Any, Any]: ...


@tool
def annotated_none() -> Annotated[None, Field(description="Nothing.")]: ...


@tool
def annotated_any_bare() -> Annotated[Any, "x"]: ...


@tool
def variable[T]() -> T: ...


@tool
def variable_list[T]() -> list[T]: ...
