"""The distribution, made once: source → sdist → wheel → a fresh environment. About a minute of compiling."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD_S = 600


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and the dependencies of the one that runs the tests."""

    prefix: Path

    def run(self, program: str, *arguments: str) -> str:
        return run(self.prefix / "bin" / program, *arguments, cwd=self.prefix, PYTHONPATH=sysconfig.get_path("platlib"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    ignored = shutil.ignore_patterns("*.so", "*.c", "*.html", "__pycache__")
    for folder in ("_core", "edgeproxy", "tests/unit/packaging"):
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", target, cwd=source)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", target, sdist, cwd=target)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="session")
def files_of_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {item.name.partition("/")[2] for item in archive if item.isfile()}


@pytest.fixture(scope="session")
def files_of_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    prefix = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", prefix, cwd=prefix)
    pip = (
        sys.executable,
        "-m",
        "pip",
        f"--python={prefix}/bin/python",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    )
    run(*pip, wheel, cwd=prefix)
    return Installed(prefix)
