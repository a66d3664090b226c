"""What `_core.patch` must do to one event, on Python objects."""

from dataclasses import dataclass, field
from typing import Any

from reference.json_pairs import Number, Object

FINISHES = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "error": "error",
}
THOUGHT = {"reasoning", "reasoning_content"}
CALLS = {"tool_calls", "function_call"}
SAYS = {"content", "refusal", "reasoning_details", "images", "audio"} | THOUGHT | CALLS


def normal(finish: object) -> str | None:
    return FINISHES.get(finish.lower(), "stop") if isinstance(finish, str) and finish else None


def text_size(value: object) -> int:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0


def is_something(value: object) -> bool:
    if isinstance(value, Object):
        return bool(value.members)
    return isinstance(value, (str, list)) and bool(value)


def call_size(call: object, is_outer: bool) -> int:
    if not isinstance(call, Object):
        return 0
    if is_outer:
        return sum(call_size(value, False) for key, value in call.members if key == "function")
    return sum(text_size(value) for key, value in call.members if key in ("name", "arguments"))


def calls_size(value: object) -> int:
    return sum(call_size(call, True) for call in value) if isinstance(value, list) else call_size(value, False)


@dataclass
class Event:
    """What one valid event says, and the patched one."""

    patched: Object
    error: object = None
    usage: object = None
    has_content: bool = False
    has_role: bool = False
    finished: dict[int, str] = field(default_factory=dict)
    finish: str | None = None
    native_finish: str | None = None
    upstream_id: str | None = None
    upstream_model: str | None = None
    said_bytes: int = 0


@dataclass(frozen=True)
class Patcher:
    generation: str
    model: str
    provider: str
    created: int
    native_finish: bool

    def patch(self, parsed: Object) -> Event:
        required: dict[str, Any] = {
            "id": self.generation,
            "object": "chat.completion.chunk",
            "created": Number(str(self.created)),
            "model": self.model,
            "provider": self.provider,
            "choices": [],
        }
        event = Event(Object([(key, value) for key, value in required.items() if not parsed.has(key)]))
        for key, value in parsed.members:
            self.note(key, value, event)
            if key in ("id", "model", "provider"):
                event.patched.members.append((key, required[key]))
            elif key == "choices" and isinstance(value, list):
                choices = [self.patch_choice(item, event) if isinstance(item, Object) else item for item in value]
                event.patched.members.append((key, choices))
            elif key != "usage":
                event.patched.members.append((key, value))
        if event.usage is None:
            event.usage = inner_usage(parsed)
        return event

    def note(self, key: str, value: object, event: Event) -> None:
        if key == "usage" and isinstance(value, Object):
            event.usage = value
        elif key == "error" and value is not None:
            event.error = value
        elif key == "id" and isinstance(value, str):
            event.upstream_id = value
        elif key == "model" and isinstance(value, str):
            event.upstream_model = value

    def patch_choice(self, choice: Object, event: Event) -> Object:
        patched = Object()
        finish = native = None
        added = -1
        for key, value in choice.members:
            if key == "finish_reason":
                finish = normal(value)
                native = value if finish else None
                event.native_finish = native or event.native_finish
                patched.members.append((key, finish))
                added = len(patched.members)
                continue
            if key == "delta":
                read_delta(value, event)
            elif key == "error" and value is not None:
                event.error = value
            patched.members.append((key, value))
        if finish:
            event.finished[index_of(choice)] = finish
            event.finish = finish
        if choice.has("native_finish_reason"):
            own = choice.last("native_finish_reason")
            event.native_finish = own if isinstance(own, str) and own else event.native_finish
        elif self.native_finish and added >= 0:
            patched.members.insert(added, ("native_finish_reason", native))
        self.complete(choice, patched)
        return patched

    def complete(self, choice: Object, patched: Object) -> None:
        if not choice.has("delta"):
            patched.members.append(("delta", Object()))
        if not choice.has("finish_reason"):
            patched.members.append(("finish_reason", None))
            if self.native_finish and not choice.has("native_finish_reason"):
                patched.members.append(("native_finish_reason", None))


def index_of(choice: Object) -> int:
    index = choice.last("index")
    return min(int(index.text), 63) if isinstance(index, Number) and index.text.isdigit() else 0


def inner_usage(parsed: Object) -> object:
    found = None
    for key, value in parsed.members:
        for choice in value if key == "choices" and isinstance(value, list) else []:
            for name, usage in choice.members if isinstance(choice, Object) else []:
                if name == "usage" and isinstance(usage, Object):
                    found = usage
    return found


def read_delta(delta: object, event: Event) -> None:
    thought = 0
    for key, value in delta.members if isinstance(delta, Object) else []:
        event.has_role |= key == "role"
        if key not in SAYS or not is_something(value):
            continue
        event.has_content = True
        size = calls_size(value) if key in CALLS else text_size(value)
        if key in THOUGHT:
            thought = max(thought, size)
        else:
            event.said_bytes += size
    event.said_bytes += thought
