"""Completion scripts come from the parser: they parse, and they know every word of it."""

import re
import subprocess

import pytest

from edgeproxy.cli.completion import commands, script
from edgeproxy.cli.parser import SHELLS, build_parser


def completed(*words: str) -> list[str]:
    """What bash would offer after these words."""
    line = " ".join(f"'{word}'" for word in words)
    state = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}"
    program = f"{script('bash')}\n{state}; _edgeproxy; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_bash_script_parses() -> None:
    subprocess.run(["bash", "-n"], input=script("bash"), text=True, check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_of_the_parser_is_in_every_script(shell: str) -> None:
    text = script(shell)
    for _, words in commands(build_parser()):
        for word, _ in words:
            assert word == "FILE" or re.search(rf"\b{re.escape(word.removeprefix('--'))}\b", text), word


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_quotes_are_balanced_line_by_line(shell: str) -> None:
    assert all(line.count("'") % 2 == 0 and line.count('"') % 2 == 0 for line in script(shell).splitlines())


def test_bash_offers_verbs_then_their_words() -> None:
    assert completed("edgeproxy", "he") == ["healthcheck"]
    assert set(completed("edgeproxy", "config", "")) >= {"show", "schema"}
    assert completed("edgeproxy", "config", "show", "--or") == ["--origin"]
    assert completed("edgeproxy", "completion", "z") == ["zsh"]


def test_bash_offers_files_where_a_file_goes() -> None:
    assert "/etc/passwd" in completed("edgeproxy", "check", "/etc/passw")
    assert "/etc/passwd" in completed("edgeproxy", "serve", "--config", "/etc/passw")
