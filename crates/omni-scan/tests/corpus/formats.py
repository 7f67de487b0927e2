"""Types that are strings with a format."""

import datetime
import datetime as dt
import ipaddress
import pathlib
import re
import uuid
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Annotated, Optional, Pattern
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
from pydantic import (
    UUID4,
    AnyHttpUrl,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    Base64Str,
    ByteSize,
    DirectoryPath,
    EmailStr,
    Field,
    FilePath,
    FiniteFloat,
    FutureDate,
    HttpUrl,
    IPvAnyAddress,
    Json,
    JsonValue,
    NegativeFloat,
    NegativeInt,
    NewPath,
    NonNegativeFloat,
    NonNegativeInt,
    NonPositiveInt,
    PastDate,
    PositiveFloat,
    PositiveInt,
    PostgresDsn,
    RedisDsn,
    SecretBytes,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    conint,
    conlist,
    constr,
)

from omni import tool


@tool
def temporal(a: datetime.datetime, b: date, c: time, d: timedelta, e: dt.datetime, f: "dt.date"): ...


@tool
def temporal_defaults(a: timedelta = timedelta(seconds=90), b: timedelta = timedelta(days=1, hours=2), c: date = date(2024, 1, 2)): ...


@tool
def durations(
    a: timedelta = timedelta(0),
    b: timedelta = timedelta(minutes=5),
    c: timedelta = timedelta(milliseconds=1500),
    d: timedelta = timedelta(weeks=60),
    e: timedelta = timedelta(hours=-1),
): ...


@tool
def identifiers(a: UUID, b: uuid.UUID, c: UUID4): ...


@tool
def identifier_default(a: UUID = UUID("12345678-1234-5678-1234-567812345678")): ...


@tool
def paths(a: Path, b: pathlib.Path, c: PurePath, d: FilePath, e: DirectoryPath, f: NewPath): ...


@tool
def path_defaults(a: Path = Path("."), b: Path = Path("/tmp/x"), c: Path = Path("a/b/"), d: Optional[Path] = None): ...


@tool
def numbers(a: Decimal, b: Decimal = Decimal("1.10"), c: Fraction = 1): ...


@tool
def urls(a: AnyUrl, b: HttpUrl, c: AnyHttpUrl, d: PostgresDsn, e: RedisDsn): ...


@tool
def mail(a: EmailStr, b: pydantic.NameEmail): ...


@tool
def addresses(a: ipaddress.IPv4Address, b: ipaddress.IPv6Address, c: ipaddress.IPv4Network, d: IPvAnyAddress): ...


@tool
def secrets(a: SecretStr, b: SecretBytes, c: SecretStr = SecretStr("x")): ...


@tool
def patterns(a: re.Pattern, b: Pattern[str], c: re.Pattern[str]): ...


@tool
def zones(a: ZoneInfo): ...


@tool
def bounded(a: PositiveInt, b: NegativeInt, c: NonNegativeInt, d: NonPositiveInt, e: PositiveFloat, f: NonNegativeFloat): ...


@tool
def bounded_more(a: NegativeFloat, b: FiniteFloat, c: Annotated[PositiveInt, Field(le=10)] = 1): ...


@tool
def strict(a: StrictStr, b: StrictInt, c: StrictFloat, d: StrictBool): ...


@tool
def times(a: PastDate, b: FutureDate, c: AwareDatetime): ...


@tool
def encoded(a: Base64Str, b: Base64Bytes): ...


@tool
def json_text(a: Json, b: Json[list[int]]): ...


@tool
def json_value(a: JsonValue, b: JsonValue = None): ...


@tool
def sizes(a: ByteSize): ...


@tool
def made(a: conint(ge=1, le=5), b: constr(min_length=1), c: conlist(int, min_length=1)): ...


@tool
def bounded_paths(a: Annotated[Path, Field(description="Where.")], b: list[Path] = []): ...


@tool
def bounded_times(a: Annotated[timedelta, Field(gt=timedelta(0))], b: Annotated[date, Field(description="D.")]): ...


@tool
def returns_datetime() -> datetime.datetime: ...


@tool
def returns_path() -> Path: ...


@tool
def returns_decimal() -> Decimal: ...


@tool
def returns_decimals() -> list[Decimal]: ...


@tool
def returns_uuid() -> UUID: ...


@tool
def returns_url() -> HttpUrl: ...


@tool
def returns_json() -> Json: ...


@tool
def returns_json_value() -> JsonValue: ...


@tool
def returns_secret() -> SecretStr: ...


@tool
def returns_timedelta() -> timedelta: ...


@tool
def returns_encoded() -> Base64Str: ...
