"""Measured figures with their targets, and their tables in docs/maintainers/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles


@dataclass(frozen=True)
class Figure:
    """Figure with its target; `met` is None without a target or a measurement."""

    name: str
    measured: str
    target: str = "none"
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**not met**", None: ""}[self.met]


@dataclass
class Part:
    """Part of the page: figures and their tables."""

    figures: list[Figure] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        rows = [(f.name, f.measured, f.target, f.verdict) for f in self.figures]
        figures = [*table(("figure", "measured", "target", ""), rows), ""] if rows else []
        return "\n".join([*figures, *self.lines]).strip()


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def replaced(page: str, name: str, text: str) -> str:
    """Return the page with this part's block replaced; raise ValueError without such a block."""
    block = re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not block.search(page):
        raise ValueError(f"docs/maintainers/benchmarks.md has no block for {name}")
    return block.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(values, n=20)[-1]


def megabytes(size: float) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


def size_of(folder: Path, pattern: str = "*") -> int:
    """Return the total size of the files below the folder in bytes."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
