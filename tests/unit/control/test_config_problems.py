"""Every problem has its file, line, column, caret and hint, and all of them are told at once."""

import pytest
from support.configs import GOOD, changed, problems

from edgeproxy.control.config.problems import render, render_github

MINIMAL = "providers:\n  - { name: a, base_url: http://127.0.0.1:1/v1 }\n"

URL = "`base_url`: expected a URL such as https://api.openai.com/v1"
CASES = [
    # old, new, line, column, message, hint
    ("routing:", "routng:", 3, 1, "unknown key `routng`", "did you mean `routing`?"),
    ("attempts: 2", "attempts: 0", 4, 13, "`attempts`: expected an integer 1–10", ""),
    ("attempts: 2", "attempts: [2]", 4, 13, "`attempts` is a list, expected a single value", "it takes: integer 1–10"),
    ("attempts: 2", "attempts:", 4, 12, "`attempts` is blank", "remove it, or give it a value: integer 1–10"),
    ("fee_rate: 0.05", "fee_rate: 5", 2, 11, "`fee_rate`: expected a share from 0 to 1, or from 0% to 100%", ""),
    (
        "max_body: 1MiB",
        "max_body: 1MB",
        1,
        80,
        "`max_body`: expected a size such as 64KiB, 32MiB or a number of bytes",
        "",
    ),
    ("name: alpha", "name: Alpha", 6, 11, "`name`: expected lower-case letters, digits, `.`, `_`, `-`; at most 64", ""),
    ("name: alpha", "name: 12", 6, 11, "`name` is not text", "put it in quotes"),
    (
        "api_key: ${ALPHA_KEY}",
        "api_key: ${NOPE}",
        8,
        14,
        "environment variable `NOPE` is not set",
        "export NOPE=… or write ${NOPE:-default}",
    ),
    ("http://127.0.0.1:9101/v1", "ftp://x", 7, 15, URL, ""),
    (
        "http://127.0.0.1:9101/v1",
        "http://u:p@h/v1",
        7,
        15,
        "`base_url`: a URL here has no user or password; use api_key",
        "",
    ),
    ("X-Team", "Authorization", 9, 16, "edgeproxy sends this header itself", "use `api_key:`"),
    (
        "first_event: 5s",
        "first_event: 5 s",
        10,
        30,
        "`first_event`: expected a duration such as 500ms, 5s or 1m30s",
        "",
    ),
    (
        "models:",
        "  - { name: alpha, base_url: http://127.0.0.1:2/v1 }\nmodels:",
        16,
        13,
        "two providers have this name",
        "give each a name of its own",
    ),
    ("name: two", "name: one", 15, 17, "this name stands here already", ""),
    (
        "id: author/slug",
        "id: slug",
        17,
        9,
        "`id`: expected a model id such as `author/slug` or `author/slug:variant`",
        "",
    ),
    (
        "aliases: [short]",
        "aliases: [author/slug]",
        18,
        15,
        "another model has this name",
        "a name belongs to one model",
    ),
    ("provider: alpha,", "provider: alpah,", 20, 21, "no such provider in this file", "did you mean `alpha`?"),
    (
        'prompt: "0.0000001"',
        'prompt: "0.1e-15"',
        20,
        57,
        "`prompt`: a price has at most 12 decimals (pico-dollars)",
        "",
    ),
    ('prompt: "0.0000001", ', "", 20, 47, "`price` has no `prompt`", "add `prompt:` (price in USD)"),
    ("price: unknown", "price: free", 21, 57, "`price`: expected `unknown`", ""),
    ("weight: 2", "weight: -1", 21, 47, "`weight`: expected a number above 0, at most 1e+06", ""),
    (
        "sha256: 2b",
        "sha256: zz",
        25,
        13,
        "`sha256`: expected 64 hexadecimal digits (`edgeproxy keys make` prints them)",
        "",
    ),
    ("  attempts: 2", "  attempts: 2\n  attempts: 3", 5, 3, "duplicate key", "it stands in line 4 already: keep one"),
]


@pytest.mark.parametrize(("old", "new", "line", "col", "message", "hint"), CASES, ids=[case[1][:40] for case in CASES])
def test_a_problem_names_its_place(old: str, new: str, line: int, col: int, message: str, hint: str) -> None:
    found = problems(changed(old, new))

    assert [(p.file, p.line, p.col, p.message, p.hint) for p in found] == [("edgeproxy.yaml", line, col, message, hint)]


def test_a_problem_is_rendered_with_its_line_and_a_caret_under_it() -> None:
    (problem,) = problems(
        changed(
            "    base_url: http", "    base_ulr: http", "providers:\n  - name: openai\n    base_url: https://h/v1\n"
        )
    )

    assert render(problem) == (
        "error: edgeproxy.yaml:3:5: unknown key `base_ulr`\n"
        "    3 |     base_ulr: ************\n"
        "      |     ^^^^^^^^\n"
        "hint: did you mean `base_url`?"
    )


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    (problem,) = problems("providers:\n  - { name: a, base_url: http://127.0.0.1:1/v1, title: \u202eevil }\n")

    assert "\u202e" not in render(problem)
    assert "title: ?evil" in render(problem)


def test_all_problems_are_told_at_once() -> None:
    text = (
        GOOD.replace("attempts: 2", "attempts: x")
        .replace("first_event", "frist_event")
        .replace("weight: 2", "weight: x")
    )

    assert [problem.line for problem in problems(text)] == [4, 10, 21]


def test_cross_checks_still_run_beside_an_unknown_key() -> None:
    text = changed("provider: beta", "provider: gamma", changed("routing:", "routng:"))

    assert [problem.message for problem in problems(text)] == ["unknown key `routng`", "no such provider in this file"]


def test_a_github_annotation_escapes_what_would_end_it() -> None:
    (problem,) = problems(changed("fee_rate: 0.05", "fee_rate: 5"))

    assert render_github(problem) == (
        "::error file=edgeproxy.yaml,line=2,col=11::`fee_rate`: expected a share from 0 to 1, or from 0%25 to 100%25"
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "edgeproxy.yaml:1:1", "the file is empty"),
        ("# only a comment\n", "edgeproxy.yaml:1:1", "the file is empty"),
        ("- a\n", "edgeproxy.yaml:1:1", "the file is not a mapping"),
        ("a: [1,\n", "edgeproxy.yaml:2:1", "not YAML: did not find expected node content"),
        ("a: 1\n---\nb: 2\n", "edgeproxy.yaml:2:1", "a second document in the file"),
        ("providers: !!python/object:os.system []\n", "edgeproxy.yaml:1:12", "YAML tags are not accepted"),
        ("providers: *nothing\n", "edgeproxy.yaml:1:12", "an alias of something that is not complete here"),
        ("? [a]\n: b\n", "edgeproxy.yaml:1:3", "a key must be text"),
        (b"a: \xff\n", "edgeproxy.yaml:1:4", "the file is not UTF-8"),
        (b"a: 1\nb: \x00\n", "edgeproxy.yaml:2:4", "a control or private-use character"),
    ],
)
def test_text_that_is_no_tree_is_one_problem(text: str | bytes, place: str, message: str) -> None:
    (problem,) = problems(text)

    assert (problem.place, problem.message) == (place, message)


def test_a_minimal_file_is_good() -> None:
    assert problems(MINIMAL) == []
