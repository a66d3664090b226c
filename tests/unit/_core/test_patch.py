"""What becomes of a chat event: the owned fields, choices, usage, and what counts as something said."""

import pytest
from support.scanners import HEAD, OWN, choice, fed, frame


def patched(text: str, native_finish: bool = False) -> bytes:
    """What becomes of an event with this one choice."""
    return fed(choice(text), native_finish=native_finish).take()


def test_owned_fields_are_replaced_where_they_stand() -> None:
    event = frame('{"created": 5, "model": "m", "x": 1, "id": "c", "object": "o", "provider": null, "choices": []}')
    expected = '{"created": 5, "model": "a/b", "x": 1, "id": "gen-1", "object": "o", "provider": "P", "choices": []}'
    assert fed(event).take() == frame(expected)


def test_missing_fields_are_put_in_front() -> None:
    assert fed(frame('{"x":1}')).take() == frame(HEAD + ',"choices":[],"x":1}')


def test_an_empty_event_gets_all_that_is_required() -> None:
    assert fed(frame("{}")).take() == frame(OWN % "")


def test_repeated_owned_fields_are_all_replaced() -> None:
    event = frame('{"id":1,"\\u0069d":"c","id":{},"choices":[]}')
    assert fed(event).take().count(b'"gen-1"') == 3


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ('{"usage":null,"x":1}', ',"choices":[],"x":1}'),
        ('{"x":1,"usage":null}', ',"choices":[],"x":1}'),
        ('{"x":1, "usage" : null ,"y":2}', ',"choices":[],"x":1 ,"y":2}'),
        ('{"usage":null,"usage":1, "x":1}', ',"choices":[],"x":1}'),
        ('{"usage":null}', ',"choices":[]}'),
        ('{"us\\u0061ge":null}', ',"choices":[]}'),
    ],
)
def test_usage_is_taken_out_with_one_comma(event: str, expected: str) -> None:
    assert fed(frame(event)).take() == frame(HEAD + expected)


def test_untouched_fields_keep_their_bytes() -> None:
    event = choice('{"index":0,"delta":{"content":"h\\u00e9"},"finish_reason":null}', ' ,"service_tier" :\t1.50')
    assert b' ,"service_tier" :\t1.50}' in fed(event).take()


# --- choices


@pytest.mark.parametrize(
    ("provider", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("SAFETY", "content_filter"),
        ("recitation", "content_filter"),
        ("something_that_nobody_has_heard_of", "stop"),
        ("\\u0073top", "stop"),
    ],
)
def test_finish_reasons_are_normalised(provider: str, ours: str) -> None:
    found = fed(choice(f'{{"delta":{{}},"finish_reason":"{provider}"}}'))
    assert found.take() == frame(OWN % f'{{"delta":{{}},"finish_reason":"{ours}"}}')
    assert found.finish_reason() == ours.encode()
    assert found.native_finish_reason == provider.encode()


def test_the_providers_own_finish_reason_is_added() -> None:
    expected = '{"delta":{},"finish_reason":"stop","native_finish_reason":"EOS","index":0}'
    assert patched('{"delta":{},"finish_reason":"EOS","index":0}', native_finish=True) == frame(OWN % expected)


def test_no_finish_reason_is_added_as_null() -> None:
    expected = '{"delta":{},"finish_reason":null,"native_finish_reason":null}'
    assert patched('{"delta":{},"finish_reason":null}', native_finish=True) == frame(OWN % expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"delta":{},"finish_reason":"stop","native_finish_reason":"eos"}',
        '{"native_finish_reason":null,"delta":{},"finish_reason":"stop"}',
    ],
)
def test_a_native_finish_reason_that_is_there_stays_alone(text: str) -> None:
    assert patched(text, native_finish=True) == frame(OWN % text)


@pytest.mark.parametrize("none", ['""', "false", "0", "{}", "[1]"])
def test_a_finish_reason_that_says_nothing_becomes_null(none: str) -> None:
    found = fed(choice(f'{{"delta":{{}},"finish_reason":{none}}}'))
    assert found.take() == frame(OWN % '{"delta":{},"finish_reason":null}')
    assert found.finish_reason() is None
    assert not found.is_committed


def test_what_every_choice_must_have_is_added() -> None:
    assert patched("{}") == frame(OWN % '{"delta":{},"finish_reason":null}')
    assert patched('{"index":0}', True) == frame(
        OWN % '{"index":0,"delta":{},"finish_reason":null,"native_finish_reason":null}'
    )


def test_choices_that_are_no_list_are_left() -> None:
    assert fed(frame('{"choices":null}')).take() == frame(HEAD + ',"choices":null}')


# --- the commit point


@pytest.mark.parametrize(
    "delta",
    [
        '{"content":"x"}',
        '{"content":[{"type":"text","text":"x"}]}',
        '{"reasoning":"x"}',
        '{"reasoning_content":"x"}',
        '{"reasoning_details":[{}]}',
        '{"tool_calls":[{"index":0}]}',
        '{"function_call":{"name":"f"}}',
        '{"refusal":"no"}',
        '{"images":[{}]}',
        '{"audio":{"id":"a"}}',
        '{"c\\u006fntent":"x"}',
    ],
)
def test_a_delta_that_says_something_commits(delta: str) -> None:
    found = fed(choice(f'{{"index":7,"delta":{delta}}}'))
    assert found.is_committed
    assert found.meaningful_events == 1


@pytest.mark.parametrize(
    "delta",
    [
        "{}",
        "null",
        '{"role":"assistant"}',
        '{"content":""}',
        '{"content":null,"tool_calls":[ ],"audio":{ },"refusal":null}',
        '{"content":5}',
        '{"unknown":"x"}',
    ],
)
def test_a_delta_that_says_nothing_does_not_commit(delta: str) -> None:
    assert not fed(choice(f'{{"delta":{delta}}}')).is_committed


def test_a_finish_reason_commits() -> None:
    assert fed(choice('{"delta":{},"finish_reason":"stop"}')).is_committed


def test_a_finish_that_is_an_error_does_not_commit() -> None:
    assert not fed(choice('{"delta":{},"finish_reason":"error"}')).is_committed


def test_a_later_choice_commits_too() -> None:
    assert fed(choice('{"delta":{}},{"index":1,"delta":{"content":"x"}}')).is_committed


# --- usage


USAGE = ',"usage":{"total_tokens":5}'


def test_usage_is_kept_as_it_was_sent() -> None:
    assert fed(choice("", ',"usage": {"a" :1}')).usage() == b'{"a" :1}'


def test_the_last_usage_counts() -> None:
    assert fed(choice("", USAGE), choice("", ',"usage":{"b":2}'), choice("", ',"usage":null')).usage() == b'{"b":2}'


@pytest.mark.parametrize("usage", ["null", "5", '"x"', "[1]"])
def test_usage_that_is_no_object_is_none(usage: str) -> None:
    assert fed(choice("", f',"usage":{usage}')).usage() is None


def test_usage_inside_a_choice_counts_when_there_is_no_other() -> None:
    assert fed(choice('{"delta":{},"usage":{"a":1}}')).usage() == b'{"a":1}'
    assert fed(choice('{"delta":{},"usage":{"a":1}}', USAGE)).usage() == b'{"total_tokens":5}'


@pytest.mark.parametrize(
    "text", ["", '{"index":0,"delta":{"content":""},"finish_reason":null}', '{"delta":{"role":"assistant"}}']
)
def test_an_event_for_usage_alone_is_not_put_out(text: str) -> None:
    found = fed(choice('{"delta":{"role":"assistant"}}'))
    found.take()
    found.feed(choice(text, USAGE))
    assert found.take() == b""


def test_usage_that_comes_with_a_word_leaves_the_word() -> None:
    found = fed(choice('{"delta":{"content":"x"},"finish_reason":null}', USAGE))
    assert found.take() == frame(OWN % '{"delta":{"content":"x"},"finish_reason":null}')


def test_usage_that_comes_with_the_first_role_leaves_the_role() -> None:
    assert fed(choice('{"delta":{"role":"assistant"}}', USAGE)).take() != b""


def test_a_finish_reason_with_usage_is_put_out_once_a_choice() -> None:
    last = choice('{"index":1,"delta":{},"finish_reason":"stop"}', USAGE)
    found = fed(choice('{"index":0,"delta":{},"finish_reason":"stop"}'), last, last)
    assert found.take().count(b"data: ") == 2


# --- what was said


@pytest.mark.parametrize(
    ("delta", "size"),
    [
        ('{"content":"hello"}', 5),
        ('{"content":"\\n\\u0041\\u00e9\\ud83d\\ude00"}', 1 + 1 + 2 + 4),
        ('{"content":"é"}', 2),
        ('{"reasoning":"abc","reasoning_content":"abc","content":"d"}', 4),
        ('{"tool_calls":[{"id":"call_1","function":{"name":"ab","arguments":"{\\"x\\":1}"}}]}', 2 + 7),
        ('{"function_call":{"name":"ab","arguments":"cd"}}', 4),
        ('{"role":"assistant","x":"y"}', 0),
    ],
)
def test_what_the_model_said_is_counted_in_bytes_of_text(delta: str, size: int) -> None:
    assert fed(choice(f'{{"delta":{delta}}}')).content_bytes == size


def test_half_an_emoji_is_no_fault() -> None:
    """Providers cut a surrogate pair in two events; clients join the halves again."""
    found = fed(choice('{"delta":{"content":"\\ud83d"}}'), choice('{"delta":{"content":"\\ude00"}}'))
    assert (found.malformed, found.data_events) == (0, 2)


def test_the_providers_names_are_remembered() -> None:
    found = fed(frame('{"id":"c-1","model":"m-1"}'), frame('{"id":"c-2","model":"m-2"}'))
    assert (found.upstream_id, found.upstream_model) == (b"c-1", b"m-1")
