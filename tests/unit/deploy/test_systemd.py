"""The unit file is one that systemd takes, and gives a node time to drain."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "deploy/systemd/edgeproxy.service"
ANALYZE = shutil.which("systemd-analyze")
NEEDS_SYSTEMD = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing: install systemd")


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine."""
    target = tmp_path / UNIT.name
    target.write_text(UNIT.read_text().replace("/opt/edgeproxy/bin/edgeproxy", sys.executable))
    return target


@NEEDS_SYSTEMD
def test_systemd_finds_no_fault(rendered: Path) -> None:
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(rendered)], capture_output=True, text=True, timeout=60
    )
    about_ours = [line for line in done.stderr.splitlines() if rendered.name in line]
    assert (done.returncode, about_ours) == (0, [])


@NEEDS_SYSTEMD
def test_its_exposure_is_low(rendered: Path) -> None:
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--threshold=25", "--no-pager", str(rendered)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_running_streams_get_their_time_to_end() -> None:
    assert values("TimeoutStopSec") == ["330s"]
    assert values("KillMode") == ["mixed"]


def test_a_reload_is_a_hangup() -> None:
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_there_are_descriptors_for_many_streams_and_no_core_dumps() -> None:
    assert values("LimitNOFILE") == ["1048576"]
    assert values("LimitCORE") == ["0"]


def test_the_supervisor_tells_systemd_when_it_is_ready_and_that_it_lives() -> None:
    assert values("Type") == ["notify"]
    assert values("NotifyAccess") == ["main"]
    assert values("WatchdogSec") == ["30s"]
