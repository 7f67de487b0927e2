"""A helper of a helper."""

from enum import Enum


class Unit(Enum):
    CM = "cm"
    INCH = "inch"


DEFAULT_UNIT = Unit.CM
