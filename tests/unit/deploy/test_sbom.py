"""The list of what a node runs is complete and the same each time."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def printed() -> str:
    command = [sys.executable, str(ROOT / "deploy/sbom.py"), str(ROOT / "requirements/base.txt")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_every_locked_package_is_listed_with_its_hashes() -> None:
    bill: dict[str, Any] = json.loads(printed())
    pinned = re.findall(r"^(\S+)==(\S+)", ROOT.joinpath("requirements/base.txt").read_text(), re.MULTILINE)
    assert [(item["name"], item["version"]) for item in bill["components"]] == pinned
    assert all(item["hashes"] for item in bill["components"])


def test_the_same_lock_gives_the_same_bytes() -> None:
    assert printed() == printed()
