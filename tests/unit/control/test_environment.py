"""Providers out of variables, and secrets out of the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeproxy.control.environment import Found, ollama_base_url, providers_from
from edgeproxy.control.known import KNOWN

CANARY = "sk-canary-environment-77"


def only(found: Found) -> tuple[str, str, str | None, str]:
    (source,) = found.sources
    secret = source.secret.reveal() if source.secret else None
    return source.provider.slug, source.provider.base_url, secret, source.provider.source


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.slug)
def test_a_provider_is_found_by_each_of_its_variables(known: object) -> None:
    for entry in KNOWN:
        if entry is known:
            for variable in entry.variables:
                assert only(providers_from({variable: CANARY})) == (entry.slug, entry.base_url, CANARY, variable)


def test_nothing_set_finds_nothing() -> None:
    assert providers_from({"PATH": "/bin"}) == Found((), (), frozenset())


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    found = providers_from({"GROQ_API_KEY_FILE": str(path)})
    assert only(found)[2:] == (CANARY, "GROQ_API_KEY_FILE")
    assert found.notes == ()


def test_a_world_readable_key_file_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(CANARY)
    path.chmod(0o644)
    (note,) = providers_from({"GROQ_API_KEY_FILE": str(path)}).notes
    assert note == "GROQ_API_KEY_FILE: everyone on this machine can read the file; chmod 600 it"


def test_a_missing_key_file_is_noted_and_the_provider_left_out(tmp_path: Path) -> None:
    found = providers_from({"GROQ_API_KEY_FILE": str(tmp_path / "none")})
    assert found.sources == ()
    assert "no such file" in found.notes[0]


def test_a_key_that_could_not_be_a_header_is_noted_without_its_text() -> None:
    found = providers_from({"OPENAI_API_KEY": f"{CANARY}\r\nX-Evil: 1"})
    assert found.sources == ()
    assert found.notes
    assert CANARY not in str(found)


def test_no_secret_is_in_the_repr() -> None:
    assert CANARY not in repr(providers_from({"OPENAI_API_KEY": CANARY}))


@pytest.mark.parametrize(
    ("base_url", "slug"),
    [
        ("https://api.openai.com/v1/", "openai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("http://127.0.0.1:9101/v1", "local"),
        ("http://localhost:9101/v1", "local"),
        ("https://llm.example.com/v1", "example"),
    ],
)
def test_a_moved_openai_base_url_is_named_after_who_answers(base_url: str, slug: str) -> None:
    found = providers_from({"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": base_url})
    assert only(found)[:2] == (slug, base_url.rstrip("/"))


def test_a_base_url_alone_is_a_provider_without_a_key() -> None:
    found = providers_from({"OPENAI_BASE_URL": "http://127.0.0.1:9101/v1"})
    assert only(found) == ("local", "http://127.0.0.1:9101/v1", None, "OPENAI_BASE_URL")


def test_a_bad_base_url_is_noted() -> None:
    found = providers_from({"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": "nonsense"})
    assert found.sources == ()
    assert found.notes[0].startswith("OPENAI_BASE_URL: expected a URL")


@pytest.mark.parametrize(
    ("text", "base_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        (":1234", "http://127.0.0.1:1234/v1"),
        ("gpu.example", "http://gpu.example:11434/v1"),
        ("http://gpu.example", "http://gpu.example/v1"),
        ("http://gpu.example:11434/", "http://gpu.example:11434/v1"),
        ("https://gpu.example/ollama", "https://gpu.example/ollama/v1"),
        ("[::1]:11434", "http://[::1]:11434/v1"),
    ],
)
def test_ollama_host_in_every_form(text: str, base_url: str) -> None:
    assert ollama_base_url(text) == base_url


@pytest.mark.parametrize("text", ["http://", "host:port", "ftp://host", "a b"])
def test_a_bad_ollama_host_is_noted(text: str) -> None:
    found = providers_from({"OLLAMA_HOST": text})
    assert found.sources == () or text == "http://"
    assert found.notes or text == "http://"


def test_scrubbing_leaves_nothing_in_the_process_environment() -> None:
    program = (
        "import os, sys\n"
        "from edgeproxy.control.environment import scrub\n"
        "scrub(['SECRET', 'NOT_THERE'])\n"
        "print('SECRET' in os.environ)\n"
        "print(os.environ['CANARY'].encode() in open('/proc/self/environ', 'rb').read().replace(b'CANARY=' + "
        "os.environ['CANARY'].encode(), b''))\n"
    )
    environ = {**os.environ, "SECRET": CANARY, "CANARY": CANARY}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
