"""Collections of every spelling."""

import collections
import collections.abc as abc
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, DefaultDict, Deque, Dict, FrozenSet, List, Set, Tuple
import typing as t

from omni import tool


@tool
def lists(a: list, b: list[int], c: List[str], d: List, e: list[Any], f: "list[list[int]]"): ...


@tool
def dicts(a: dict, b: dict[str, int], c: Dict[str, Any], d: Dict, e: dict[str, list[int]], f: dict[int, str]): ...


@tool
def dict_defaults(a: dict = {}, b: dict[str, int] = {"x": 1}, c: dict = {"k": {"z": 1, "a": [1]}}): ...


@tool
def tuples(a: tuple, b: tuple[int, str], c: Tuple[int, ...], d: Tuple, e: tuple[()], f: tuple[int]): ...


@tool
def sets(a: set, b: set[int], c: Set[str], d: frozenset, e: FrozenSet[int], f: frozenset[str]): ...


@tool
def abstract(a: Sequence[int], b: Iterable[str], c: Mapping[str, int], d: t.Sequence, e: t.Mapping, f: t.Iterable): ...


@tool
def mutable(a: MutableMapping[str, int], b: MutableSequence[int], c: abc.Sequence[str], d: abc.Mapping[str, Any]): ...


@tool
def from_collections(a: deque, b: deque[int], c: Deque[str], d: OrderedDict[str, int], e: defaultdict[str, int]): ...


@tool
def counters(a: Counter, b: Counter[str], c: DefaultDict[str, list[int]], d: collections.OrderedDict): ...


@tool
def abstract_sets(a: abc.Set[int], b: t.AbstractSet[str]): ...


@tool
def nested(a: dict[str, dict[str, list[tuple[int, str]]]], b: list[dict[str, set[int]]]): ...


@tool
def defaults(a: list[int] = [1, 2], b: tuple[int, str] = (1, "x"), c: set[int] = {3, 1, 2}, d: list = []): ...


@tool
def empty_defaults(a: tuple = (), b: set = set(), c: frozenset = frozenset(), d: dict = dict(), e: list = list()): ...


@tool
def frozen_default(a: frozenset[str] = frozenset({"b", "a"})): ...


@tool
def float_lists(a: list[float] = [1, 2.5]): ...


@tool
def optional_items(a: list[int | None], b: dict[str, str | None], c: list[int | str]): ...


@tool
def dict_keys(a: dict[float, int], b: dict[bool, int], c: dict[Any, Any], d: dict[str, object]): ...
