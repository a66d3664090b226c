"""Virtual environments for foreign programs (model server, clients), made once and kept in folders that git ignores."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_S = 300


def interpreter(name: str, *pip: str, lock: Path | None = None) -> Path:
    """Python of `.venv-NAME`, with what `pip install *pip`, or a lock file, brings. Not to get it fails in CI."""
    folder = ROOT / f".venv-{name}"
    made_of = hashlib.sha256("\n".join(pip).encode())
    if lock is not None:
        made_of.update(lock.read_bytes())
        pip = (*pip, "--require-hashes", "-r", str(lock))
    mark = folder / "made-of"
    with _locked(ROOT / "build" / f"venv-{name}.lock"):
        if not mark.exists() or mark.read_text() != made_of.hexdigest():
            try:
                _make(folder, pip)
            except (OSError, subprocess.SubprocessError) as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"cannot install {name}: {error}")
            mark.write_text(made_of.hexdigest())
    return folder / "bin" / "python"


def _make(folder: Path, pip: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *pip]
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Test processes that run side by side make an environment one after another."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
