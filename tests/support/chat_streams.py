"""Chat streams to feed a scanner with: samples as providers send them, and drawn ones with everything odd."""

import json
from typing import Any

from hypothesis import strategies as st

CHUNK = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-2025","choices":[%s]%s}'


def event(choice: str, more: str = "") -> bytes:
    return b"data: " + (CHUNK % (choice, more)).encode() + b"\n\n"


ROLE = event('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}', ',"usage":null')
WORD = event(
    '{"index":0,"delta":{"content":"h\\u00e9 \U0001f600\\n"},"logprobs":null,"finish_reason":null}', ',"usage":null'
)
STOP = event('{"index":0,"delta":{},"finish_reason":"stop"}')
USAGE = event("", ',"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}')
DONE = b"data: [DONE]\n\n"

SAMPLES = (
    b"\xef\xbb\xbf: hello\n\n" + ROLE + WORD + STOP + USAGE + DONE,
    ROLE + b": ping\n\n" + WORD + b"event: message\nid: 7\nretry: 10\n" + STOP + b"data: [DONE]",
    WORD + b'data: {"choices"\ndata:: [{"delta":\ndata: {"reasoning_content":"x"}}]}\n\n' + b"data\n\ndata:\n\n" + STOP,
    WORD + b"data: {oops}\n\n" + b"data: no\ndata: no\n\n" + WORD + b"data: [1]\n\n" + WORD,
    ROLE + b"event: error\ndata: overloaded\n\n" + WORD,
    WORD + b'data: {"error":{"message":"m","code":500},"choices":[]}\n\n' + WORD,
    DONE + WORD + b"\n",
    b"data: {\n\n" + WORD,
    event(
        '{"index":1,"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"MAX_TOKENS"}'
    )
    + b"data:"
    + WORD[6:]
    + b"data: {}",
)

names = st.sampled_from(
    [
        "id",
        "object",
        "created",
        "model",
        "provider",
        "choices",
        "usage",
        "error",
        "system_fingerprint",
        "service_tier",
        "x",
    ]
)
choice_names = st.sampled_from(
    ["index", "delta", "finish_reason", "native_finish_reason", "error", "usage", "logprobs", "message"]
)
delta_names = st.sampled_from(
    [
        "role",
        "content",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "tool_calls",
        "function_call",
        "refusal",
        "images",
        "audio",
        "x",
    ]
)
finishes = st.sampled_from(
    [
        "stop",
        "length",
        "tool_calls",
        "function_call",
        "content_filter",
        "error",
        "end_turn",
        "MAX_TOKENS",
        "model_length",
        "Safety",
        "eos",
    ]
)
text = st.text(alphabet=st.characters(exclude_categories=()), max_size=12)  # lone surrogates too
scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-3, 99) | st.just(1.5e300) | text


class Pairs(dict[str, Any]):
    """A mapping for json.dumps that can hold one key twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__({"": None} if pairs else {})
        self.pairs = pairs

    def items(self) -> Any:
        return self.pairs


def objects(keys: st.SearchStrategy[str], values: st.SearchStrategy[Any], most: int = 5) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(keys, values), max_size=most).map(Pairs)


anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | objects(text, inner, 3), max_leaves=4)
functions = objects(st.sampled_from(["name", "arguments", "function", "x"]), anything, 3)
calls = objects(st.sampled_from(["function", "name", "arguments", "id"]), functions | anything, 3)
said = anything | st.lists(calls | anything, max_size=2) | calls
deltas = objects(delta_names, said) | anything
usages = objects(st.sampled_from(["prompt_tokens", "completion_tokens", "x"]), anything, 3) | anything
choices = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("delta"), deltas),
            st.tuples(st.just("finish_reason"), finishes | st.none() | st.just("") | scalars),
            st.tuples(st.just("index"), st.integers(0, 70) | scalars),
            st.tuples(st.just("usage"), usages),
            st.tuples(choice_names, st.none() | anything),
        ),
        max_size=5,
    ).map(Pairs)
    | anything,
    max_size=3,
)
plain_members = st.tuples(names.filter(lambda name: name != "error"), anything)
members = st.one_of(
    st.tuples(st.just("choices"), choices),
    st.tuples(st.just("choices"), choices),
    st.tuples(st.just("usage"), usages),
    plain_members,
    plain_members,
    st.tuples(st.just("error"), st.none()),
)
failing = st.tuples(st.sampled_from(["error", "object"]), anything | st.just("error"))


@st.composite
def json_events(draw: st.DrawFn) -> bytes:
    drawn = draw(st.lists(members, max_size=8))
    if draw(st.integers(0, 15)) == 0:
        drawn.append(draw(failing))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))
    text = json.dumps(Pairs(drawn), ensure_ascii=draw(st.booleans()), separators=separators)
    if draw(st.booleans()):
        text = text.replace('"id"', '"\\u0069d"').replace('"usage"', '"us\\u0061ge"')
    return text.encode("utf-8", "backslashreplace")


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    text = draw(json_events() | st.sampled_from([b"{", b"[]", b"x y", b'{"a":NaN}', b'{"a":"\xff"}', b"", b"[DONE]x"]))
    prefix = draw(st.sampled_from([b"data: ", b"data: ", b"data:", b"data:  ", b"id: 1\ndata: ", b": c\ndata: "]))
    kind = draw(st.sampled_from([b""] * 12 + [b"event: message\n", b"event:error\n"]))
    if draw(st.integers(0, 9)) == 0:
        text = text.replace(b", ", b",\ndata: ").replace(b": {", b":\ndata:{")
    return kind + prefix + text + b"\n\n"


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream: often committed early, so that what follows counts."""
    parts = [draw(st.sampled_from([b"", b"\xef\xbb\xbf", b": c\n\n", b"\n"]))]
    parts += draw(st.sampled_from([[], [WORD], [ROLE, WORD]]))
    parts += draw(st.lists(framed() | st.sampled_from([WORD, STOP, USAGE, ROLE]), max_size=6))
    parts += draw(st.sampled_from([[], [DONE], [b"data: [DONE]"], [b"data: [DONE]\n"], [DONE, WORD], [b"data: {}"]]))
    stream = b"".join(parts) or b"\n"
    return stream.replace(b"\n", draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])))
