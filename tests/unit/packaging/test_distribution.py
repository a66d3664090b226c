"""What is shipped: the wheel made from the sdist has all of the product and nothing else, and works."""

import re
from pathlib import Path

from .conftest import ROOT, Installed

VERSION = re.findall(r'^version = "(.+)"$', ROOT.joinpath("pyproject.toml").read_text(), re.MULTILINE)[0]
MODULES = {path.stem for path in ROOT.joinpath("_core").glob("*.pyx")}
TYPED = {path.relative_to(ROOT).with_suffix("") for path in ROOT.joinpath("edgeproxy").rglob("*.pxd")}
NOT_SHIPPED = {".so", ".pyc", ".c", ".html"}


def package_files(*suffixes: str) -> set[str]:
    """The repository's own files under edgeproxy/, by suffix; all but what a build leaves there without any."""
    paths = [path for path in ROOT.joinpath("edgeproxy").rglob("*") if path.is_file()]
    wanted = [path for path in paths if (path.suffix in suffixes if suffixes else path.suffix not in NOT_SHIPPED)]
    return {path.relative_to(ROOT).as_posix() for path in wanted}


def test_the_wheel_has_every_file_of_the_package(files_of_wheel: set[str]) -> None:
    assert {name for name in package_files() if not name.endswith(".pxd")} <= files_of_wheel


def test_the_wheel_has_every_compiled_module_and_its_stub(files_of_wheel: set[str]) -> None:
    compiled = {name.split(".")[0] for name in files_of_wheel if name.endswith(".so")}
    stubs = {
        Path(name).stem for name in files_of_wheel if name.startswith("edgeproxy/_core/") and name.endswith(".pyi")
    }
    assert compiled == {f"edgeproxy/_core/{name}" for name in MODULES} | {path.as_posix() for path in TYPED}
    assert stubs == MODULES


def test_the_wheel_is_typed(files_of_wheel: set[str]) -> None:
    assert "edgeproxy/py.typed" in files_of_wheel


def test_the_wheel_has_nothing_but_the_package(files_of_wheel: set[str]) -> None:
    folders = {name.split("/")[0] for name in files_of_wheel}
    assert folders == {"edgeproxy", f"edgeproxy-{VERSION}.dist-info"}
    assert not [name for name in files_of_wheel if name.endswith((".pyx", ".pxd", ".c", ".h", ".pth"))]
    assert not [name for name in files_of_wheel if "sitecustomize" in name or "usercustomize" in name]


def test_the_sdist_has_what_the_build_needs(files_of_sdist: set[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix() for path in ROOT.joinpath("_core").glob("*.[ph]*") if path.suffix != ".html"
    }
    assert sources | package_files() | {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= files_of_sdist


def test_the_sdist_holds_nothing_built(files_of_sdist: set[str]) -> None:
    assert not [name for name in files_of_sdist if Path(name).suffix in NOT_SHIPPED]


def test_the_installed_command_tells_its_version(installed: Installed) -> None:
    assert installed.run("edgeproxy", "--version").strip() == f"edgeproxy {VERSION}"


def test_the_installed_modules_all_import(installed: Installed) -> None:
    names = sorted([f"edgeproxy._core.{name}" for name in MODULES] + [".".join(path.parts) for path in TYPED])
    there = installed.run("python", "-c", f"import {', '.join(names)}; print(edgeproxy.__file__)").strip()
    assert Path(there).is_relative_to(installed.prefix)


def test_the_installed_product_judges_a_configuration(installed: Installed) -> None:
    """The data files and the control plane are there, too."""
    (installed.prefix / "empty.yaml").write_text("server: { listen: 127.0.0.1:0 }\n")
    installed.run("edgeproxy", "check", "empty.yaml")


def test_it_brings_one_command(installed: Installed) -> None:
    (entry_points,) = installed.prefix.rglob("entry_points.txt")
    assert entry_points.read_text().split() == ["[console_scripts]", "edgeproxy", "=", "edgeproxy.cli.main:main"]
