"""The file is input like any other: nothing in it may cost more than it weighs."""

import random
import time
from pathlib import Path

import pytest
from support.configs import ENVIRON, GOOD, load, problems

from edgeproxy.control.config import ConfigRejected, Loaded, Problem, load_config

MUTATIONS = 600
CUTS = 60


def sound(loaded: Loaded) -> bool:
    """What every snapshot must hold, however its file came about."""
    snapshot = loaded.snapshot
    slugs = {provider.slug for provider in snapshot.providers}
    ids = [model.id for model in snapshot.models] + [alias for alias, _ in snapshot.aliases]
    endpoints = [endpoint for model in snapshot.models for endpoint in model.endpoints]
    return (
        len(set(ids)) == len(ids)
        and all(endpoint.provider in slugs and endpoint.lanes and endpoint.weight > 0 for endpoint in endpoints)
        and all(provider.base_url.startswith(("http://", "https://")) for provider in snapshot.providers)
        and all(len(key.sha256) == 64 for key in snapshot.keys)
        and len({endpoint.identity for endpoint in endpoints}) == len(endpoints)
    )


def outcome(text: str) -> tuple[Loaded | None, tuple[Problem, ...]]:
    try:
        return load(text), ()
    except ConfigRejected as rejected:
        return None, rejected.problems


def mutated(random_: random.Random) -> str:
    """The good file with one to three small accidents."""
    text = GOOD
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(text))
        lines = text.splitlines(keepends=True)
        line = random_.randrange(len(lines))
        match random_.randrange(7):
            case 0:
                text = text[:at] + text[at + random_.randint(1, 4) :]
            case 1:
                text = text[:at] + random_.choice(":{}[],&*!|>%@`'\"#-?~$\t\n\\0é\U0001f600") + text[at:]
            case 2:
                text = "".join([*lines[: line + 1], *lines[line:]])
            case 3:
                text = "".join([*lines[:line], *lines[line + 1 :]])
            case 4:
                key, _, _ = lines[line].partition(":")
                wrong = random_.choice(["", "[]", "{}", "null", "-1", "1e999", "true", '""', "x" * 300, "${", "${X"])
                text = "".join([*lines[:line], f"{key}: {wrong}\n", *lines[line + 1 :]])
            case 5:
                other = random_.randrange(len(lines))
                lines[line], lines[other] = lines[other], lines[line]
                text = "".join(lines)
            case 6:
                text = text[:at] + text[at].swapcase() + text[at + 1 :]
    return text


@pytest.mark.parametrize("seed", range(MUTATIONS // 20))
def test_a_mutated_file_is_refused_or_gives_a_sound_snapshot(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(20):
        text = mutated(random_)
        loaded, refused = outcome(text)
        assert all(problem.message and problem.place for problem in refused)
        assert not any(secret in str(refused) for secret in ENVIRON.values())
        assert refused if loaded is None else sound(loaded), text


@pytest.mark.parametrize("cut", range(0, len(GOOD), max(1, len(GOOD) // CUTS)))
def test_a_half_written_file_is_refused_or_sound(cut: int) -> None:
    loaded, refused = outcome(GOOD[:cut])
    assert refused if loaded is None else sound(loaded)


def test_random_bytes_are_refused() -> None:
    random_ = random.Random(7)
    for _ in range(200):
        assert problems(random_.randbytes(random_.randint(1, 200)))


def test_an_alias_bomb_is_refused_quickly() -> None:
    levels = ["a0: &a0 [" + ",".join(["x"] * 9) + "]"]
    levels += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 20)]
    started_at = time.process_time()

    (problem,) = problems("\n".join(levels))

    assert "aliases count expanded" in problem.message
    assert time.process_time() - started_at < 1.0


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper" in problems("a: " + "[" * 5_000 + "]" * 5_000)[0].message
    assert problems("\n".join(" " * n + "a:" for n in range(3_000)))


def test_a_file_of_100_mib_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)

    with pytest.raises(ConfigRejected, match="larger than 16 MiB"):
        load_config(path, environ={})


@pytest.mark.parametrize("name", ["missing.yaml", ".", "nul\0byte"])
def test_what_is_no_file_is_a_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigRejected):
        load_config(str(tmp_path / name), environ={})


def test_ten_thousand_routes_are_fine() -> None:
    lines = ["providers: [ { name: a, base_url: http://127.0.0.1:1/v1 } ]", "models:"]
    for number in range(10_000):
        lines += [f"  - id: author/model-{number}", "    endpoints: [ { provider: a, price: unknown } ]"]

    assert len(load("\n".join(lines)).snapshot.models) == 10_000


@pytest.mark.parametrize(("lanes", "is_good"), [(64, True), (65, False)])
def test_a_model_has_at_most_64_lanes(lanes: int, is_good: bool) -> None:
    credentials = "\n".join(f"      - {{ name: c{n}, api_key: k }}" for n in range(lanes - 1))
    text = (
        "providers:\n  - name: a\n    base_url: http://127.0.0.1:1/v1\n    credentials:\n" + credentials + "\n"
        "  - { name: b, base_url: http://127.0.0.1:2/v1 }\n"
        "models: [ { id: x/y, endpoints: [ { provider: a }, { provider: b } ] } ]\n"
    )

    assert [p.message for p in problems(text)] == ([] if is_good else ["65 lanes (endpoints times credentials)"])


def test_a_thousand_problems_are_cut_to_a_hundred() -> None:
    assert len(problems("\n".join(f"unknown{n}: 1" for n in range(1_000)))) == 100
