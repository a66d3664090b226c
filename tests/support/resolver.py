"""Builds the commanded resolver of `names.c` and writes its answers.

Workers get little of the environment, so a `sitecustomize` on their PYTHONPATH puts the library in place.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("names.c")
_SITE = """
import os, sys
if "NAMES" not in os.environ:
    os.environ.update({environ!r})
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
"""


class Resolver:
    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler")
        self._file = folder / "names"
        self._library = folder / "names.so"
        self._answers: dict[str, str] = {}
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self.folder = folder / "site"
        self.folder.mkdir()
        environ = {"LD_PRELOAD": str(self._library), "NAMES": str(self._file)}
        (self.folder / "sitecustomize.py").write_text(_SITE.format(environ=environ))

    def answers(self, host: str, answer: str) -> None:
        """From now on `host` is `answer`: addresses with commas between, nxdomain, servfail, empty or slow."""
        self._answers[host] = answer
        new = self._file.with_suffix(".new")
        new.write_text("".join(f"{name} {text}\n" for name, text in self._answers.items()))
        new.replace(self._file)
