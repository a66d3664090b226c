"""Schema and reference are made from the declarations and are current."""

import re

import yaml
from support.configs import GOOD, load

from edgeproxy.control.config.load import defaults_from
from edgeproxy.control.config.reference import EXAMPLE, PAGE, SCHEMA, reference_text
from edgeproxy.control.config.schema import json_schema, json_schema_text
from edgeproxy.control.config.show import show


def test_the_schema_that_ships_is_current() -> None:
    assert SCHEMA.read_bytes() == json_schema_text(), "python -m edgeproxy.control.config.reference"


def test_the_reference_is_current() -> None:
    assert PAGE.read_text() == reference_text(), "python -m edgeproxy.control.config.reference"


def test_the_example_of_the_reference_is_good() -> None:
    assert load(EXAMPLE, {"OPENAI_API_KEY": "x"}).warnings == ()


def test_every_key_of_a_good_file_is_in_the_schema() -> None:
    schema = json_schema()

    def walk(value: object, part: dict[str, object]) -> None:
        if "$ref" in part:
            part = schema["$defs"][str(part["$ref"]).rsplit("/", 1)[1]]
        if "anyOf" in part and isinstance(value, dict):
            options = part["anyOf"]
            assert isinstance(options, list)
            part = schema["$defs"][options[-1]["$ref"].rsplit("/", 1)[1]]
        if isinstance(value, dict) and part.get("additionalProperties") is False:
            properties = part["properties"]
            assert isinstance(properties, dict)
            for key, inner in value.items():
                walk(inner, properties[key])
        elif isinstance(value, list):
            items = part["items"]
            assert isinstance(items, dict)
            for inner in value:
                walk(inner, items)

    walk(yaml.safe_load(re.sub(r"\$\{[^}]*\}", "x", GOOD)), schema)


def test_patterns_of_the_schema_compile() -> None:
    for pattern in re.findall(r'"pattern": (".*")', json_schema_text().decode()):
        re.compile(yaml.safe_load(pattern))


def test_what_show_prints_reads_back_as_the_same_settings() -> None:
    config, origins = defaults_from({"EDGEPROXY__ROUTING__ATTEMPTS": "4"})
    again = load(show(config, origins))
    assert again.config == config


def test_show_says_where_a_value_came_from() -> None:
    config, origins = defaults_from({"EDGEPROXY__ROUTING__ATTEMPTS": "4"})
    text = show(config, origins, with_origin=True)
    assert "  attempts: 4  # EDGEPROXY__ROUTING__ATTEMPTS\n" in text
    assert "fee_rate: 5%  # default\n" in text
