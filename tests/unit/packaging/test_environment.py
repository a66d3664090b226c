"""The environment that `make test` makes: nothing in it runs by itself at the start of Python."""

import json
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

SITE = Path(sysconfig.get_path("purelib"))
# setuptools' own; the link to this checkout; coverage's start in child processes.
KNOWN_PTH = (r"distutils-precedence\.pth", r"__editable__\.edgeproxy-[0-9.]+\.pth", r"a1_coverage\.pth")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def own() -> metadata.Distribution:
    try:
        return metadata.distribution("edgeproxy")
    except metadata.PackageNotFoundError:
        pytest.skip("edgeproxy is not installed here: run this through `make test`")


def test_every_pth_file_is_known() -> None:
    unknown = [
        path.name for path in SITE.glob("*.pth") if not any(re.fullmatch(known, path.name) for known in KNOWN_PTH)
    ]
    assert unknown == []


def test_nothing_is_customised() -> None:
    assert not [path.name for path in SITE.iterdir() if path.stem in {"sitecustomize", "usercustomize"}]


def test_the_link_to_the_checkout_is_a_path_and_no_code(own: metadata.Distribution) -> None:
    """An import hook would also blind mypy."""
    (link,) = SITE.glob("__editable__*.pth")
    assert link.read_text().strip() == str(ROOT)


def test_the_editable_command_works_from_anywhere(own: metadata.Distribution, tmp_path: Path) -> None:
    assert json.loads(own.read_text("direct_url.json") or "{}")["dir_info"] == {"editable": True}
    command = [str(Path(sys.executable).with_name("edgeproxy")), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"edgeproxy {own.version}\n"
