"""Verbs that need no node: results on stdout, the rest on stderr, documented exit codes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.configs import ENVIRON, GOOD

from edgeproxy import __version__
from edgeproxy.cli.main import main
from edgeproxy.cli.output import is_coloured
from edgeproxy.control.catalog import shipped_catalog
from edgeproxy.control.config.reference import SCHEMA

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "edgeproxy.yaml"
    path.write_text(GOOD)
    return str(path)


@pytest.fixture
def bad(good: str) -> str:
    Path(good).write_text(GOOD.replace("attempts", "atempts"))
    return good


def test_a_good_file_is_valid_and_counted(good: str, capsys: Captured) -> None:
    assert main(["check", good]) == 0
    assert capsys.readouterr() == (f"{good}: valid (1 model, 3 lanes, 2 providers, 2 keys)\n", "")


def test_a_bad_file_exits_1_and_says_why_on_stderr(bad: str, capsys: Captured) -> None:
    assert main(["check", bad]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: {bad}:4:3: unknown key `atempts`\n"
        "    4 |   atempts: *\n"
        "      |   ^^^^^^^\n"
        "hint: did you mean `attempts`?\n"
    )


def test_problems_as_json(bad: str, capsys: Captured) -> None:
    assert main(["check", bad, "--format", "json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert (problem["line"], problem["col"], problem["severity"]) == (4, 3, "error")


def test_problems_as_github_annotations(bad: str, capsys: Captured) -> None:
    assert main(["check", bad, "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith(f"::error file={bad},line=4,col=3::unknown key")


def test_a_good_file_has_no_problems_as_json(good: str, capsys: Captured) -> None:
    assert main(["check", good, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "error: the following arguments are required: VERB\nhint: edgeproxy --help\n"),
        (["chek"], "error: no such word here: `chek`\nhint: did you mean `check`?\n"),
        (["check"], "error: the following arguments are required: FILE\nhint: edgeproxy check --help\n"),
        (["check", "x", "--format", "jsn"], "error: no such word here: `jsn`\nhint: did you mean `json`?\n"),
        (["serve"], "error: the following arguments are required: --config\nhint: edgeproxy serve --help\n"),
        (["up", "--port", "99999"],
         "error: argument --port: a port is a number from 0 to 65535\nhint: edgeproxy up --help\n"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2_with_a_hint(arguments: list[str], error: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr()) == (2, ("", error))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["up", "--help"], ["config", "show", "--help"]])
def test_help_and_version_exit_0(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert "edgeproxy" in out


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "edgeproxy", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"edgeproxy {__version__}\n"


def test_config_show_masks_secrets(good: str, capsys: Captured) -> None:
    assert main(["config", "show", "--config", good, "--origin"]) == 0
    out = capsys.readouterr().out
    assert f'    api_key: "********"  # {good}:8:14\n' in out
    assert not any(secret in out for secret in ENVIRON.values())


def test_config_schema_is_the_one_that_ships(capsys: Captured) -> None:
    assert main(["config", "schema"]) == 0
    assert capsys.readouterr().out == SCHEMA.read_text()


def test_models_version_names_date_and_hash(capsys: Captured) -> None:
    assert main(["models", "--version"]) == 0
    out = capsys.readouterr().out
    assert shipped_catalog().date in out
    assert shipped_catalog().digest in out


def test_models_of_a_configuration_with_unknown_prices_as_null(good: str, capsys: Captured) -> None:
    assert main(["models", "--config", good, "--json"]) == 0
    alpha, beta = json.loads(capsys.readouterr().out)
    assert (alpha["provider"], alpha["prompt"], alpha["completion"]) == ("alpha", "0.0000001", "0.0000002")
    assert (beta["provider"], beta["prompt"], beta["completion"]) == ("beta", None, None)


def test_models_for_people_are_priced_by_the_million(good: str, capsys: Captured) -> None:
    assert main(["models", "--config", good]) == 0
    header, alpha, beta = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "MODEL"
    assert alpha.split() == ["author/slug", "alpha", "0.1", "0.2"]
    assert beta.split() == ["author/slug", "beta", "unknown", "unknown"]


def test_keys_make_prints_a_key_and_its_digest(capsys: Captured) -> None:
    assert main(["keys", "make", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["sha256"] == hashlib.sha256(made["key"].encode()).hexdigest()
    assert main(["keys", "make"]) == 0
    out, err = capsys.readouterr()
    assert out.split()[::2] == ["key", "sha256"]
    assert err.startswith("hint: ")


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_coloured(terminal)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(terminal)  # type: ignore[arg-type]
    monkeypatch.delenv("NO_COLOR")
    assert not is_coloured(sys.__stdout__) or sys.__stdout__.isatty()  # type: ignore[arg-type, union-attr]
