"""What the pages say is so: commands exist, paths lead somewhere, the configuration in the README is one."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from edgeproxy.cli.parser import build_parser
from edgeproxy.control.config import load_text

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = ROOT.joinpath("README.md").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", ROOT.joinpath("Makefile").read_text(), re.MULTILINE))
TARGETS |= set(re.findall(r"^([a-z-]+):", ROOT.joinpath("benchmarks/benchmarks.mk").read_text(), re.MULTILINE))
FOLDERS = ("_core/", "edgeproxy/", "tests/", "deploy/", "docs/", "benchmarks/", "requirements/")
BUILT_IN = "edgeproxy/echo"  # a model, not a path


def commands(text: str) -> list[str]:
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line]


def verbs() -> set[str]:
    (choices,) = (action.choices for action in build_parser()._actions if action.dest == "verb")
    return set(choices or ())


def test_the_readme_shows_the_two_commands_and_the_install() -> None:
    assert commands(README) == ["make up", "make test", "pip install . && edgeproxy up"]


def test_ci_runs_the_readmes_tests() -> None:
    script = ROOT.joinpath(".ci/run").read_text().splitlines()
    called = [shlex.split(line)[:2] for line in script if line.startswith("make ")]
    assert called == [["make", "check"], ["make", "test"], ["make", "faults"], ["make", "fuzz"]]
    assert " ".join(called[1]) in commands(README)


def test_make_up_is_the_command_that_the_readme_installs() -> None:
    recipe = re.findall(r"^up:.*\n\t(.*)", ROOT.joinpath("Makefile").read_text(), re.MULTILINE)
    assert recipe == ["$(BIN)/edgeproxy up $(UP_ARGS)"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_on_a_page_exists(page: Path) -> None:
    text = page.read_text()
    quoted = re.findall(r"`([^`\n]+)`", text) + commands(text)
    made = {word for line in quoted for word in re.findall(r"^make ([a-z-]+)", line)}
    called = {word for line in quoted for word in re.findall(r"(?:^|&& )edgeproxy ([a-z]+)", line)}
    assert made <= TARGETS
    assert called <= verbs()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_on_a_page_exists(page: Path) -> None:
    text = page.read_text()
    linked = [page.parent / target for target in re.findall(r"\]\((?!http)([^)#]+)\)", text)]
    named = [
        ROOT / word
        for word in re.findall(r"`([\w./-]+/[\w./-]*)`", text)
        if word.startswith(FOLDERS) and word != BUILT_IN
    ]
    assert [path for path in (*linked, *named) if not path.exists()] == []


def test_the_configuration_in_the_readme_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    variables = {"OPENAI_API_KEY": "sk-" + "o" * 40, "EDGEPROXY_KEY": "sk-edge-example-" + "e" * 32}
    loaded = load_text(block.encode(), "README.md", environ=variables)
    assert [model.id for model in loaded.snapshot.models] == ["openai/gpt-4o-mini", "smollm/smollm2-135m"]
    assert len(block.splitlines()) <= 16


def test_every_alert_is_in_the_guide() -> None:
    rules = yaml.safe_load(ROOT.joinpath("deploy/prometheus/rules.yml").read_text())["groups"][0]["rules"]
    guide = ROOT.joinpath("docs/operating.md").read_text()
    assert set(re.findall(r"`(Edgeproxy\w+)`", guide)) == {rule["alert"] for rule in rules}


@pytest.mark.parametrize("name", [".ci/run", "Makefile", "requirements/lock.sh"])
def test_no_script_names_a_host(name: str) -> None:
    assert "://" not in ROOT.joinpath(name).read_text()
