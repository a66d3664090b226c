"""The banner of `up`: what it found, and a model that is really served."""

from support.configs import EMPTY_CATALOG

from edgeproxy.cli.banner import UpBanner, reachable, suggested
from edgeproxy.control.assemble import snapshot_for_up
from edgeproxy.control.config import Address
from edgeproxy.control.discovery import Listed, Listing
from edgeproxy.control.environment import providers_from
from edgeproxy.domain.money import Price

SOURCES = providers_from({"OPENAI_API_KEY": "sk-a", "GROQ_API_KEY": "sk-b"}).sources
LISTINGS = (
    Listing("openai", (Listed("gpt-x", price=Price(1, 1)), Listed("gpt-y")), latency_s=0.182),
    Listing("groq", error="refused the key (401)"),
)
SNAPSHOT = snapshot_for_up(SOURCES, LISTINGS, "sk-edge-v1-x", EMPTY_CATALOG)


def lines() -> list[str]:
    banner = UpBanner(SOURCES, LISTINGS, ("a note",), SNAPSHOT, "sk-edge-v1-x")
    return banner.lines(Address("0.0.0.0", 8080), Address("127.0.0.1", 8081))


def test_every_provider_has_a_row_with_its_variable_and_its_state() -> None:
    text = "\n".join(lines())
    assert "openai      OPENAI_API_KEY         2 models  ok 182 ms" in text
    assert "groq        GROQ_API_KEY        refused the key (401)" in text
    assert "anthropic   ANTHROPIC_API_KEY   not set" in text


def test_the_curl_names_a_model_that_is_served_with_a_known_price() -> None:
    assert '"model":"openai/gpt-x"' in "\n".join(lines())
    assert suggested(SNAPSHOT.models) == "openai/gpt-x"


def test_no_provider_key_is_in_it() -> None:
    assert "sk-a" not in "\n".join(lines())


def test_everywhere_is_reached_on_loopback() -> None:
    assert reachable(Address("0.0.0.0", 1)) == "127.0.0.1:1"
    assert reachable(Address("::", 1)) == "[::1]:1"
