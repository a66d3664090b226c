"""The layers hold: a module imports only from the layers below its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "edgeproxy"
ALLOWED: dict[str, set[str]] = {
    "domain": set(),
    "_core": {"domain"},  # its values
    "dialects": {"domain"},
    "providers": {"dialects", "domain"},
    "storage": {"domain"},
    "telemetry": {"domain", "_core"},
    "insight": {"storage", "domain"},
    "ledger": {"storage", "telemetry", "domain", "_core"},
    "control": {"storage", "telemetry", "providers", "domain", "_core"},
    "proxy": {"dialects", "providers", "telemetry", "domain", "_core"},
    "api": {"control", "ledger", "insight", "telemetry", "domain"},
    "console": {"control", "ledger", "insight", "telemetry", "domain"},
    "node": {"proxy", "control", "ledger", "insight", "api", "console", "telemetry", "storage", "domain", "_core"},
}
MODULES = [path for layer in ALLOWED for path in ROOT.joinpath(layer).rglob("*.py*") if path.suffix in (".py", ".pyi")]


def layers_imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "edgeproxy")
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("edgeproxy.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    assert layers_imported_by(path) - {"__version__"} <= ALLOWED[layer] | {layer}


def test_the_data_plane_names_no_framework_at_its_centre() -> None:
    for path in (ROOT / "domain").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & {
                    "aiohttp",
                    "asyncio",
                    "time",
                }
