"""What is wrong with a configuration, and how it is shown: place, line, caret, hint. Never a secret's text."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from edgeproxy.domain.errors import ConfigError

RED, YELLOW, BOLD, PLAIN = "\x1b[31;1m", "\x1b[33;1m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the file; `line` and `col` count from 1, `length` is in characters of that line."""

    line: int
    col: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. `line` 0: it is not in a file (a flag, an environment variable)."""

    file: str
    line: int
    col: int
    message: str
    hint: str = ""
    source: str = ""  # the line of the file, with everything that may be a secret masked
    length: int = 1
    is_warning: bool = False

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.col}" if self.line else self.file


class ConfigRejected(ConfigError):
    """The configuration was refused whole; `problems` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        errors = [problem for problem in problems if not problem.is_warning]
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.place}: {first.message}{more}")
        self.problems = tuple(problems)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Sequence[str], otherwise: str = "known: ") -> str:
    match = nearest(word[:64], known)
    if match is not None:
        return f"did you mean `{match}`?"
    shown = ", ".join(known[:24])
    return f"{otherwise}{shown}{', …' if len(known) > 24 else ''}" if known else ""


def render(problem: Problem, *, is_coloured: bool = False) -> str:
    """The problem as people read it."""
    word, colour = ("warning", YELLOW) if problem.is_warning else ("error", RED)
    strong, end = (BOLD, PLAIN) if is_coloured else ("", "")
    head = f"{colour}{word}:{PLAIN}" if is_coloured else f"{word}:"
    lines = [f"{head} {strong}{problem.place}:{end} {problem.message}"]
    if problem.source:
        lines += _excerpt(problem)
    if problem.hint:
        lines.append(f"hint: {problem.hint}")
    return "\n".join(lines)


def _excerpt(problem: Problem) -> list[str]:
    """The line and the caret under it, cut to a window of 120 columns around the problem."""
    start = max(0, problem.col - 81)
    window = problem.source[start : start + 120].replace("\t", " ")
    shown = "".join(char if char.isprintable() else "?" for char in window)
    caret = "^" * max(1, min(problem.length, len(shown) - (problem.col - 1 - start)))
    return [f"{problem.line:>5} | {shown}", f"      | {' ' * (problem.col - 1 - start)}{caret}"]


def render_json(problems: Iterable[Problem]) -> str:
    return json.dumps([_as_json(problem) for problem in problems], ensure_ascii=False, indent=1)


def _as_json(problem: Problem) -> dict[str, object]:
    values = asdict(problem)
    values["severity"] = "warning" if values.pop("is_warning") else "error"
    return values


def render_github(problem: Problem) -> str:
    """A workflow command: GitHub shows it at the line of the pull request."""
    word = "warning" if problem.is_warning else "error"
    text = problem.message + (f" hint: {problem.hint}" if problem.hint else "")
    where = f" file={_property(problem.file)},line={problem.line},col={problem.col}" if problem.line else ""
    return f"::{word}{where}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
