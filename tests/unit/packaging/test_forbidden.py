"""What the shipped code may not do: run text as code, unpickle, start programs, or skip a certificate's check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(ROOT.joinpath("edgeproxy").rglob("*.py"))
SOURCES = [*SHIPPED, *sorted(ROOT.joinpath("_core").glob("*.p[xy]*"))]
MAY_START_PROCESSES = "edgeproxy/node/"  # the supervisor starts its own workers

CALLS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "pty"}
STARTERS = {"subprocess", "multiprocessing"}
ATTRIBUTES = {
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "yaml.Loader",
    "yaml.UnsafeLoader",
}
STARTING = re.compile(
    r"os\.(fork|forkpty|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)|asyncio\.create_subprocess_(exec|shell)"
)
UNVERIFIED = re.compile(
    r"ssl\s*=\s*False|CERT_NONE|CERT_OPTIONAL|check_hostname\s*=\s*False|_create_unverified_context"
)


def names_used(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.func.id


def forbidden_in(text: str, *, may_start: bool) -> set[str]:
    used = set(names_used(ast.parse(text)))
    starting = {name for name in used if name in STARTERS or STARTING.fullmatch(name)}
    return used & (CALLS | MODULES | ATTRIBUTES) | (set() if may_start else starting)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_text_as_code_or_starts_programs(path: Path) -> None:
    may_start = str(path.relative_to(ROOT)).startswith(MAY_START_PROCESSES)
    assert forbidden_in(path.read_text(), may_start=may_start) == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_switch_turns_certificate_checks_off(path: Path) -> None:
    assert UNVERIFIED.search(path.read_text()) is None


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle",
        "from os import system",
        "import os\nos.system('x')",
        "import yaml\nyaml.load('x')",
        "import subprocess",
        "import asyncio\nasyncio.create_subprocess_shell('x')",
        "import os\nos.execv('x', [])",
    ],
)
def test_the_check_itself_sees(text: str) -> None:
    assert forbidden_in(text, may_start=False)
