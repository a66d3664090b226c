"""In CI a skipped test is a failed test: a missing tool must be installed, not passed over.

Only `@pytest.mark.needs_hardware("what")` may skip there: no script can install that.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

IS_CI = os.environ.get("CI") == "true"
PACKAGE = Path(__file__).parents[1] / "edgeproxy"

# How long an example takes says something about the machine (tracing, neighbours), nothing about the claim.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """A compiled module hides the text that it was made of: refuse to test one that is older."""
    for types in PACKAGE.rglob("*.pxd"):
        sources = (types, types.with_suffix(".py"))
        for built in types.parent.glob(f"{types.stem}.*.so"):
            if built.stat().st_mtime < max(source.stat().st_mtime for source in sources):
                raise pytest.UsageError(f"{types.with_suffix('.py')} is newer than what is compiled of it: make build")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--door", action="append", help="fault tests: only this door, for every row (may be repeated)")
    parser.addoption("--workers", type=int, default=1, help="fault tests: how many workers serve")


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IS_CI and item.get_closest_marker("needs_hardware") is None:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IS_CI:
        refuse_skip(report)
    return report
