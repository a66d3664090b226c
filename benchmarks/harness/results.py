"""RESULTS.md: each tool owns one section of it and writes nothing else."""

import re
from pathlib import Path

from benchmarks.harness.machine import describe, today
from benchmarks.harness.tools import BENCHMARKS

RESULTS = BENCHMARKS / "RESULTS.md"
HEAD = "# Results\n\nMade by the tools, never by hand; what each figure means is in [README.md](README.md).\n"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns: it is read on a terminal as often as on a page."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def write_section(name: str, body: str, path: Path | None = None) -> None:
    """Into RESULTS.md, or a page that has a place for it."""
    path = path or RESULTS
    text = path.read_text() if path.exists() else HEAD
    section = f"<!-- {name} -->\n## {name}\n\n{today()}; {describe()}\n\n{body.strip()}\n<!-- end of {name} -->\n"
    pattern = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- end of {re.escape(name)} -->\n", re.DOTALL)
    new = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    path.write_text(new)
