"""References, precedence, and what the snapshot is made of."""

import hashlib
import os
from pathlib import Path

import pytest
from support.configs import ENVIRON, GOOD, changed, load, problems

from edgeproxy.control.config import Address, ConfigRejected, load_config, settings_from
from edgeproxy.control.config.kinds import Duration, Moment, PriceText, Share, Size
from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Timeouts


def with_key(reference: str) -> str:
    return changed("${ALPHA_KEY}", reference)


def alpha_secret(text: str, environ: dict[str, str] | None = None) -> str:
    secret = load(text, {**ENVIRON, **(environ or {})}).snapshot.models[0].endpoints[0].lanes[0].secret
    assert secret is not None
    return secret.reveal()


def test_a_variable_is_put_in() -> None:
    assert alpha_secret(with_key("${ALPHA_KEY}")) == ENVIRON["ALPHA_KEY"]


def test_a_variable_inside_braces_needs_no_quotes() -> None:
    text = "providers:\n  - { name: a, base_url: http://127.0.0.1:1/v1, api_key: ${ALPHA_KEY} }\n"
    provider = load(text + "models: [ { id: a/b, endpoints: [ { provider: a } ] } ]").snapshot.models[0]
    secret = provider.endpoints[0].lanes[0].secret
    assert secret is not None
    assert secret.reveal() == ENVIRON["ALPHA_KEY"]


@pytest.mark.parametrize(
    ("reference", "environ", "value"),
    [
        ("${UNSET:-fallback}", {}, "fallback"),
        ("${EMPTY:-fallback}", {"EMPTY": ""}, "fallback"),
        ("${ALPHA_KEY:-fallback}", {}, ENVIRON["ALPHA_KEY"]),
        ("a-${X}-${Y}", {"X": "1", "Y": "2"}, "a-1-2"),
        ("${X}", {"X": "${Y}", "Y": "no"}, "${Y}"),
        ("$${X}", {"X": "no"}, "${X}"),
    ],
)
def test_forms_of_a_reference(reference: str, environ: dict[str, str], value: str) -> None:
    assert alpha_secret(with_key(f'"{reference}"'), environ) == value


@pytest.mark.parametrize("reference", ["${}", "${1X}", "${A B}", "${:-x}"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    (problem,) = problems(with_key(f'"{reference}"'))
    assert (problem.line, problem.message) == (8, "not a variable reference")


def test_a_secret_file_loses_its_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("sk-from-file\n")
    path.chmod(0o600)
    assert alpha_secret(with_key(f"${{file:{path}}}")) == "sk-from-file"


def test_a_world_readable_secret_file_gives_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("sk-from-file")
    path.chmod(0o644)
    loaded = load(with_key(f"${{file:{path}}}"))
    assert [(w.line, w.message) for w in loaded.warnings] == [(8, f"everyone on this machine can read `{path}`")]


@pytest.mark.parametrize("make", ["missing", "directory", "fifo", "large", "binary"])
def test_a_secret_file_that_is_none_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "secret"
    if make == "directory":
        path.mkdir()
    elif make == "fifo":
        os.mkfifo(path)
    elif make == "large":
        path.write_bytes(b"x" * 70_000)
    elif make == "binary":
        path.write_bytes(b"\xff\xfe")
    (problem,) = problems(with_key(f"${{file:{path}}}"))
    assert problem.line == 8
    assert str(path) in problem.message


def test_the_variables_that_held_secrets_are_named() -> None:
    assert load().secret_variables >= {"ALPHA_KEY", "BETA_ONE", "TEAM_KEY"}


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default() -> None:
    name = "EDGEPROXY__SERVER__LISTEN"
    flag = [("server.listen", "127.0.0.1:3", "--listen")]
    assert load("fee_rate: 0").settings.server.listen == Address("127.0.0.1", 8080)
    assert load("server: { listen: 127.0.0.1:1 }").settings.server.listen.port == 1
    assert load("server: { listen: 127.0.0.1:1 }", {name: "127.0.0.1:2"}).settings.server.listen.port == 2
    assert load("server: { listen: 127.0.0.1:1 }", {name: "127.0.0.1:2"}, flag).settings.server.listen.port == 3


def test_the_origin_of_a_value_is_kept() -> None:
    loaded = load(environ={**ENVIRON, "EDGEPROXY__ROUTING__ATTEMPTS": "5"})
    assert loaded.origins["routing", "attempts"] == "EDGEPROXY__ROUTING__ATTEMPTS"
    assert loaded.origins["server", "limits", "max_body"] == "edgeproxy.yaml:1:80"
    assert ("server", "workers") not in loaded.origins


def test_an_override_reaches_into_a_section_that_the_file_leaves_out() -> None:
    environ = {**ENVIRON, "EDGEPROXY__SERVER__DRAIN__ACCEPT_FOR": "1s"}
    assert load("fee_rate: 0", environ).settings.server.drain.accept_for == 1.0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("EDGEPROXY__SERVER__LISTE", "did you mean `EDGEPROXY__SERVER__LISTEN`?"),
        ("EDGEPROXY__KEYS", None),
    ],
)
def test_an_unknown_setting_of_the_environment_is_an_error(name: str, hint: str | None) -> None:
    (problem,) = problems(GOOD, {**ENVIRON, name: "x"})
    assert (problem.place, problem.message) == (name, "unknown setting")
    assert hint is None or problem.hint == hint


def test_a_bad_override_is_named_by_its_variable() -> None:
    (problem,) = problems(GOOD, {**ENVIRON, "EDGEPROXY__ROUTING__ATTEMPTS": "99"})
    assert problem.place == "EDGEPROXY__ROUTING__ATTEMPTS"


def test_settings_need_no_file() -> None:
    assert settings_from({"EDGEPROXY__LOG__FORMAT": "json"}).log.format == "json"
    with pytest.raises(ConfigRejected):
        settings_from({"EDGEPROXY__LOG__FORMAT": "xml"})


def test_a_lane_is_an_endpoint_with_one_credential() -> None:
    alpha, beta = load().snapshot.models[0].endpoints
    assert [lane.identity for lane in alpha.lanes] == ["alpha/default/author/slug/alpha"]
    assert [lane.identity for lane in beta.lanes] == ["beta/one/author/slug/beta/fp8", "beta/two/author/slug/beta/fp8"]
    assert (beta.identity, beta.tag, beta.weight) == ("beta/author/slug/beta/fp8", "beta/fp8", 2.0)


def test_prices_are_pico_dollars_and_unknown_is_not_free() -> None:
    alpha, beta = load().snapshot.models[0].endpoints
    assert alpha.price == Price(prompt=100_000, completion=200_000)
    assert beta.price == Price()
    assert not beta.price.is_known


def test_a_key_is_kept_as_its_digest() -> None:
    team, other = load().snapshot.keys
    assert team.sha256 == hashlib.sha256(ENVIRON["TEAM_KEY"].encode()).hexdigest()
    assert team.label == "sk-canary-te...e5f"
    assert (other.sha256[:4], other.label) == ("2bb8", "")


def test_a_provider_inherits_the_deadlines_that_it_does_not_set() -> None:
    alpha, beta = load(GOOD + "timeouts: { stall: 7s, first_event: 9s }\n").snapshot.providers
    assert alpha.timeouts == Timeouts(first_event_s=5.0, stall_s=7.0)
    assert beta.timeouts == Timeouts(first_event_s=9.0, stall_s=7.0)


def test_a_known_provider_needs_no_base_url() -> None:
    text = "providers: [ { name: groq, api_key: x } ]"
    assert load(text).snapshot.providers[0].base_url == "https://api.groq.com/openai/v1"
    assert "no `base_url`" in problems("providers: [ { name: grok } ]")[0].message


def test_the_digest_is_of_everything_but_secrets() -> None:
    same = load(environ={**ENVIRON, "ALPHA_KEY": "sk-rotated-key"}).snapshot.digest
    assert load().snapshot.digest == same
    assert load(changed("weight: 2", "weight: 3")).snapshot.digest != same
    assert load(changed("short", "brief")).snapshot.digest != same


@pytest.mark.parametrize(("text", "workers"), [("4", 4), ("auto", 0), ("64", 64)])
def test_workers_are_a_number_or_left_to_the_machine(text: str, workers: int) -> None:
    loaded = load(changed("server: {", f"server: {{ workers: {text},"))
    assert (loaded.settings.server.workers, loaded.warnings) == (workers, ())


def test_the_files_that_it_was_made_of_are_known(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("sk-from-a-file")
    secret.chmod(0o600)
    loaded = load(changed("${ALPHA_KEY}", f"${{file:{secret}}}"))
    assert loaded.files == ("edgeproxy.yaml", str(secret))


@pytest.mark.parametrize("door", ["express", "aiohttp"])
def test_there_are_two_doors(door: str) -> None:
    assert load(changed("server: {", f"server: {{ door: {door},")).settings.server.door == door


def test_anchors_and_aliases_work() -> None:
    text = changed(
        "weight: 2, price: unknown", "weight: 2, price: *p", changed("price: { prompt", "price: &p { prompt")
    )
    alpha, beta = load(text).snapshot.models[0].endpoints
    assert alpha.price == beta.price


def test_the_bytes_of_a_file_are_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edgeproxy.yaml"
    path.write_text("\ufeff" + GOOD)
    assert load_config(path, environ=ENVIRON).snapshot.models[0].id == "author/slug"


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("5s", 5.0), ("1m30s", 90.0), ("2h", 7200.0), ("2.5", 2.5), ("0.25s", 0.25)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5 s", "-1s", "s", "1d", "5ss", "1e3", "99999h", "0s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration().parse(text)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 61.0, 3600.0, 86_400.0])
def test_a_duration_reads_back_as_it_is_shown(seconds: float) -> None:
    assert Duration().parse(Duration().show(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "ppm"), [("0.05", 50_000), ("5%", 50_000), ("0", 0), ("1", 1_000_000), ("0.25%", 2_500)]
)
def test_shares(text: str, ppm: int) -> None:
    assert Share().parse(text) == ppm


@pytest.mark.parametrize(("text", "size"), [("1024", 1024), ("64KiB", 65_536), ("32MiB", 33_554_432)])
def test_sizes(text: str, size: int) -> None:
    kind = Size(1, 2**30)
    assert kind.parse(text) == size
    assert kind.parse(kind.show(size)) == size


@pytest.mark.parametrize("text", ["-1", "1e400", "nan", "inf", "0x1", "1,5", "", "."])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ValueError, match="expected dollars per token"):
        PriceText().parse(text)


def test_a_moment_without_a_zone_is_utc() -> None:
    assert Moment().parse("2027-01-31") == Moment().parse("2027-01-31T01:00:00+01:00") == 1_801_353_600
