"""How are measurements told? As ratios within one run, with their spread and the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median


class Table:
    """Values by row and column, one for every round."""

    def __init__(self, title: str, unit: str) -> None:
        self.title = title
        self.unit = unit
        self.rows: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, column: str, value: float) -> None:
        """Keep one round's value."""
        self.rows.setdefault(row, {}).setdefault(column, []).append(value)

    def show(self, base: str, *, more_is_better: bool) -> None:
        """Print medians with lowest and highest, and how many times better `base` is than each other column.

        A ratio is taken within each round, as what disturbs one measurement disturbs its neighbours too;
        the median of the rounds is given with the lowest and the highest.
        """
        print(f"\n{self.title} [{self.unit}]; `times better`: {base} against that row")
        columns = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        for name, row in self.rows.items():
            print(f"  {name}")
            for column in columns:
                values = row.get(column)
                if not values:
                    continue
                line = f"    {column:24} {number(median(values)):>10}   {number(min(values))} … {number(max(values))}"
                if column != base and base in row:
                    pairs = zip(row[base], values)
                    ratios = [
                        (ours / other if more_is_better else other / ours)
                        for ours, other in pairs
                        if other and ours
                    ]
                    if ratios:
                        line += f"   {spread(ratios)} times better"
                print(line)


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values: list[float]) -> str:
    """Median, lowest and highest."""
    return f"{median(values):.2f} ({min(values):.2f} … {max(values):.2f})"


def machine() -> str:
    """One line that says where this was measured."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{model}, {cores} cores, Linux {platform.release()}, Python {python}, load {load:.2f}"


def steal_seconds() -> float:
    """Return what the hypervisor has taken from this machine so far."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")
