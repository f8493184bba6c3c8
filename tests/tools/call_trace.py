"""Trace which files of evercert a piece of work passes, in the order of their first call."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
FUNCTIONS = ROOT / "functions"


@dataclass
class Trace:
    """The files in the order of their first call, and the number of calls from one file to another."""

    files: list[Path] = field(default_factory=list)
    hops: int = 0
    _last: Path | None = None

    def see(self, frame: FrameType, event: str, _argument: object) -> None:
        """Count a call of a function; loading a module is no call."""
        if event != "call" or frame.f_code.co_name == "<module>":
            return
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE) and not path.is_relative_to(FUNCTIONS):
            return
        if path not in self.files:
            self.files.append(path)
        self.hops += path != self._last
        self._last = path

    def table(self) -> str:
        """Return the files as a Markdown table, each with the first sentence of its docstring."""
        rows = [f"| {number} | `{_name(path)}` | {_purpose(path)} |\n" for number, path in enumerate(self.files, 1)]
        return f"| | file | |\n| --- | --- | --- |\n{''.join(rows)}"

    def section(self, intro: str) -> str:
        """Return the text of the page's section."""
        return f"{intro} passes {len(self.files)} files, with {self.hops} calls from one file to another:\n\n{self.table()}"


def traced(work: Callable[[], object]) -> Trace:
    """Run the work and return its trace."""
    trace = Trace()
    before = sys.getprofile()
    sys.setprofile(trace.see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return trace


def _name(path: Path) -> str:
    return (path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path.relative_to(ROOT)).as_posix()


def _purpose(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.partition("\n")[0].rstrip(".:").replace("|", "\\|")
