"""Dependencies are few, pinned to exact versions, and installed by their hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]
LOCKS = sorted(ROOT.joinpath("requirements").glob("*.txt"))
# Of its own environment: an older client that cannot live beside the newer one.
TOGETHER = [path for path in LOCKS if not path.name.startswith("openrouter-")]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def pins(path: Path) -> dict[str, str]:
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([^\s=#]+)==([^\s;]+)", path.read_text(), re.M)
    }


def test_direct_dependencies_are_few() -> None:
    assert len(PROJECT["dependencies"]) <= 12


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_line_is_an_exact_version_with_hashes(path: Path) -> None:
    lines = [line for line in path.read_text().replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_names_no_place_to_download_from(path: Path) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host", path.read_text())


@pytest.mark.parametrize(("lock", "wanted"), [("base", PROJECT["dependencies"]), *EXTRAS.items()])
def test_a_lock_holds_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    locked = pins(ROOT / f"requirements/{lock}.txt")
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_locks_that_share_an_environment_agree() -> None:
    versions: dict[str, set[str]] = {}
    for path in TOGETHER:
        for name, version in pins(path).items():
            versions.setdefault(name, set()).add(version)
    assert {name for name, found in versions.items() if len(found) > 1} == set()


def test_the_build_asks_for_what_the_build_lock_holds() -> None:
    wanted = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["build-system"]["requires"]
    assert sorted(wanted, key=str.lower) == sorted(EXTRAS["build"], key=str.lower)


def test_releases_known_to_be_poisoned_are_nowhere() -> None:
    for path in LOCKS:
        assert pins(path).get("litellm") not in {"1.82.7", "1.82.8", "1.107.0"}
