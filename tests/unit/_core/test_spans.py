"""The pass over a request's body: what is found, what is refused and how the client is told."""

import pytest

from edgeproxy._core.spans import SpanError, Spans, scan, splice

BODY = b'{"model": "a/b", "messages": [{"role": "user", "content": "hi"}], "stream":true , "provider": {}}'


def refusal(body: bytes) -> SpanError:
    with pytest.raises(SpanError) as caught:
        scan(body)
    return caught.value


def test_values_are_found_by_key() -> None:
    spans = scan(BODY)
    assert spans.value("model") == b'"a/b"'
    assert spans.value("messages") == b'[{"role": "user", "content": "hi"}]'
    assert spans.value("stream") == b"true"


def test_a_span_gives_the_place_of_a_value() -> None:
    assert scan(BODY).span("model") == (10, 15)


def test_nested_keys_are_no_members() -> None:
    spans = scan(BODY)
    assert spans.value("content") is None
    assert spans.span("role") is None


def test_keys_stand_in_the_order_of_the_text() -> None:
    assert scan(BODY).keys() == ["model", "messages", "stream", "provider"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("model", "stream"), b'{"model":"a/b","stream":true}'),
        (("stream", "absent", "model"), b'{"stream":true,"model":"a/b"}'),
        (("absent",), b"{}"),
        ((), b"{}"),
    ],
)
def test_some_members_make_an_object_of_their_own(names: tuple[str, ...], expected: bytes) -> None:
    assert scan(BODY).only(names) == expected


def test_a_member_whose_key_was_escaped_gets_its_plain_name() -> None:
    assert scan(rb'{"model": 1, "mode": 2}').only(("model",)) == b'{"model":1}'


def test_spans_answer_len_and_in() -> None:
    spans = scan(BODY)
    assert len(spans) == 4
    assert "stream" in spans
    assert "strea" not in spans


def test_a_key_with_escapes_is_found_by_what_it_means() -> None:
    assert scan(b'{"mod\\u0065l":1}').value("model") == b"1"


def test_a_long_key_with_escapes_is_found() -> None:
    assert scan(b'{"' + b"\\u0061" * 100 + b'":1}').value("a" * 100) == b"1"


def test_spans_keep_their_body() -> None:
    assert scan(BODY).body is BODY


def test_spans_made_by_hand_are_empty() -> None:
    assert Spans().keys() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"[]", "the body is not an object"),
        (b"\xef\xbb\xbf{}", "byte order mark at byte 0"),
        (b'{"model":1,"model":2}', "duplicate key `model`"),
        (b'{"a":"x\xffy"}', "invalid UTF-8 at byte 7"),
        (b'{"a":"\\ud800"}', "lone surrogate at byte 6"),
        (b'{"a":"b" "c":1}', "expected `,` or `}` at byte 9"),
        (b'{"a":[1 2]}', "expected `,` or `]` at byte 8"),
        (b'{"a" 1}', "expected `:` at byte 5"),
        (b'{"a":1,}', "expected a key in quotes at byte 7"),
        (b'{"a":}', "expected a value at byte 5"),
        (b'{"a":01}', "invalid number at byte 5"),
        (b'{"a":"\n"}', "raw control character in a string at byte 6"),
        (b'{"a":"\\x"}', "invalid escape at byte 6"),
        (b'{"a":"b', "unexpected end at byte 7"),
        (b"{} {}", "text behind the object at byte 3"),
    ],
)
def test_the_client_is_told_what_is_wrong_and_where(body: bytes, message: str) -> None:
    assert str(refusal(body)) == message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"1", "not_object"),
        (b"{", "syntax"),
        (b'{"\xff":1}', "utf8"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'{"a":' + b"[" * 2000, "depth"),
        (b'{"a":1,"a":1}', "duplicate"),
    ],
)
def test_each_refusal_has_a_code(body: bytes, code: str) -> None:
    assert refusal(body).code == code


def test_a_duplicate_names_its_key_and_place() -> None:
    error = refusal(b'{"model":1,"x":0,"mod\\u0065l":2}')
    assert (error.key, error.offset) == ("model", 17)


def test_a_long_duplicate_key_is_not_repeated_whole() -> None:
    key = b"k" * 1000
    error = refusal(b'{"' + key + b'":1,"' + key + b'":2}')
    assert str(error) == f"duplicate key `{'k' * 64}…`"


def test_the_first_repeated_key_of_many_is_named() -> None:
    members = b",".join(b'"k%d":1' % number for number in range(2000))
    assert refusal(b"{" + members + b',"k7":2,"k5":2}').key == "k7"


def test_many_keys_are_accepted() -> None:
    members = b",".join(b'"k%d":%d' % (number, number) for number in range(5000))
    spans = scan(b"{" + members + b"}")
    assert len(spans) == 5000
    assert spans.value("k4999") == b"4999"


def test_a_replaced_value_leaves_the_rest_as_it_was() -> None:
    assert splice(BODY, scan(BODY), {"model": b'"m"'}, (), b"") == BODY.replace(b'"a/b"', b'"m"')


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a", b'{"b":2 ,"c":3 }'), ("b", b'{ "a":1 ,"c":3 }'), ("c", b'{ "a":1, "b":2 }')],
)
def test_a_removed_member_takes_one_comma_with_it(key: str, expected: bytes) -> None:
    body = b'{ "a":1, "b":2 ,"c":3 }'
    assert splice(body, scan(body), {}, (key,), b"") == expected


def test_all_members_can_be_removed() -> None:
    body = b'{"a":1,"b":2}'
    assert splice(body, scan(body), {}, frozenset({"a", "b"}), b"") == b"{}"


def test_members_are_added_behind_the_others() -> None:
    body = b'{"a":1}'
    assert splice(body, scan(body), {}, (), b'"b":2,"c":3') == b'{"a":1,"b":2,"c":3}'


@pytest.mark.parametrize(("body", "remove"), [(b"{}", ()), (b'{"a":1}', ("a",))])
def test_members_added_to_nothing_have_no_comma(body: bytes, remove: tuple[str, ...]) -> None:
    assert splice(body, scan(body), {}, remove, b'"b":2') == b'{"b":2}'


def test_keys_that_are_not_there_are_passed_over() -> None:
    assert splice(BODY, scan(BODY), {"x": b"1"}, ("y",), b"") == BODY


def test_removing_wins_over_replacing() -> None:
    body = b'{"a":1,"b":2}'
    assert splice(body, scan(body), {"a": b"3"}, ("a",), b"") == b'{"b":2}'


def test_an_empty_replacement_is_not_a_removal() -> None:
    body = b'{"a":1,"b":2}'
    assert splice(body, scan(body), {"a": b""}, (), b"") == b'{"a":,"b":2}'


def test_spans_of_another_body_are_refused() -> None:
    with pytest.raises(ValueError, match="another body"):
        splice(b"{}", scan(BODY), {}, (), b"")


def test_a_replacement_must_be_bytes() -> None:
    with pytest.raises(TypeError):
        splice(BODY, scan(BODY), {"model": None}, (), b"")  # type: ignore[dict-item]


def test_a_body_must_be_bytes() -> None:
    with pytest.raises(TypeError):
        scan("{}")  # type: ignore[arg-type]
