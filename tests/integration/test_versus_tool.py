"""The comparison runs from end to end. Its figures are not judged here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needed = ("make", "cc", "nginx", "openssl")
pytestmark = pytest.mark.skipif(not all(map(shutil.which, needed)), reason=f"needs {', '.join(needed)}")


def test_a_short_run_measures_both_rows_and_judges_the_bar(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    options = ["--rows", "nginx;edgeproxy", "--windows", "calls", "--json", str(out)]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.versus", "--quick", "--journal", str(tmp_path / "journal"), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(out.read_text())
    assert [len(result["cpu_us_per_call"][row]) for row in ("nginx", "edgeproxy")] == [1, 1]
    verdicts = {check["what"]: check["verdict"] for check in result["checks"]}
    assert verdicts["CPU per call, nginx = 1"] in ("goal", "held", "missed")
    assert verdicts["CPU per event, nginx = 1"] == "not measured"
