"""Tools that share memory with the other calls of their session."""

from omni import tool

VALUES: list[str] = []


@tool
def add(text: str) -> str:
    """Add a value, and return all."""
    VALUES.append(text)
    return " ".join(VALUES)


@tool
def all_values() -> str:
    return " ".join(VALUES)


@tool(cache_ttl=3600)
def first_value() -> str:
    return VALUES[0] if VALUES else ""
