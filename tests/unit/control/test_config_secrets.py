"""No secret's text leaves the reader: not in problems, not in what is shown, not in a repr."""

import pickle

import pytest
from support.configs import ENVIRON, GOOD, changed, load, problems

from edgeproxy.control.config.problems import render, render_github, render_json
from edgeproxy.control.config.show import show

CANARY = "sk-live-CANARY0123456789abcdef"
LITERAL = GOOD.replace("${ALPHA_KEY}", CANARY)


def everything_said(text: str, environ: dict[str, str] | None = None) -> str:
    found = problems(text, {**ENVIRON, **(environ or {})})
    assert found
    return "\n".join([*(render(p) for p in found), *(render_github(p) for p in found), render_json(found), repr(found)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"api_key: {CANARY}", f"api_kye: {CANARY}"),
        (f"api_key: {CANARY}", f"api_key: {CANARY} with spaces"),
        (f"api_key: {CANARY}", f"api_key: [{CANARY}]"),
        (f"api_key: {CANARY}", f'api_key"{CANARY}":'),
        (f"api_key: {CANARY}", f"{CANARY}: 1"),
        (f"api_key: {CANARY}", f'- [ api_key: "{CANARY}:'),
        (f"api_key: {CANARY}", f"api_key: {CANARY}: x"),
        ("model: m-1", f"model: {CANARY}, weight: x"),
        (f"api_key: {CANARY}", f"api_key: {{ {CANARY}: 1 }}"),
        (f"    api_key: {CANARY}", f"    api_key: {CANARY}\n    api_key: {CANARY}"),
        (f"api_key: {CANARY}", f"api_key: {CANARY}\x07"),
        (f"api_key: {CANARY}", f'api_key: "{CANARY}'),
        (f"api_key: {CANARY}", f"api_key: !{CANARY} x"),
        (f"api_key: {CANARY}", f"api_key: *{CANARY}"),
        (f"api_key: {CANARY}", f"api_key: | {CANARY}"),
        (f"    api_key: {CANARY}", f"  api_key: {CANARY}"),
        (f"    api_key: {CANARY}", f"    {{ nam: x, api_key: {CANARY} }}"),
        ("- name: alpha", "- nam: alpha # " + CANARY),
        ('X-Team: "blue"', f'X-Team: "{CANARY}\\u0007"'),
        ('X-Team: "blue"', f'Authorization: "Bearer {CANARY}"'),
        ('"${BETA_TWO:-beta-two-default}"', f'"${{BETA_TWO:-{CANARY} }}"'),
        ("base_url: http://127.0.0.1:9101/v1", f"base_url: http://user:{CANARY}@h/v1 ?"),
    ],
)
def test_no_problem_repeats_a_literal_secret(old: str, new: str) -> None:
    assert CANARY not in everything_said(changed(old, new, LITERAL))


@pytest.mark.parametrize(
    "place",
    ["name: alpha", "base_url: http://127.0.0.1:9101/v1", "id: author/slug", "provider: alpha", "model: m-1",
     "weight: 2", "quantization: fp8", "attempts: 2", "fee_rate: 0.05", "first_event: 5s", "price: unknown"],
)  # fmt: skip
def test_no_problem_repeats_a_secret_that_a_variable_put_in_the_wrong_place(place: str) -> None:
    key = place.partition(":")[0]
    text = changed(place, f'{key}: "${{ODD}}"')
    found = problems(text, {**ENVIRON, "ODD": CANARY + " !"})
    assert CANARY not in "\n".join(render(problem) for problem in found)


def test_what_is_shown_is_masked() -> None:
    loaded = load(LITERAL)
    text = show(loaded.config, loaded.origins, with_origin=True)
    assert CANARY not in text
    assert "blue" not in text
    assert not any(secret in text for secret in ENVIRON.values())


def test_a_snapshot_cannot_be_printed_or_pickled_with_its_secrets() -> None:
    loaded = load(changed("blue", CANARY, LITERAL))
    assert CANARY not in repr(loaded)
    with pytest.raises(TypeError):
        pickle.dumps(loaded.snapshot)
