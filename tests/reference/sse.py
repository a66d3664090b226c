"""What `_core.sse` must do, said plainly: whole streams only."""

from dataclasses import dataclass, field

from reference.chat import Event, Patcher
from reference.json_pairs import Object, parse

ERROR_EVENT, LINE_TOO_LONG, EVENT_TOO_LONG, MALFORMED = 1, 2, 3, 4
LINE_LIMIT, EVENT_LIMIT, MALFORMED_LIMIT = 1 << 20, 4 << 20, 3


@dataclass
class ChatScanner:
    patcher: Patcher
    out: list[Object | bytes] = field(default_factory=list)
    is_committed: bool = False
    is_done: bool = False
    saw_data_after_done: bool = False
    failure: int = 0
    error: object = None
    usage: object = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    upstream_id: str | None = None
    upstream_model: str | None = None
    data_events: int = 0
    meaningful_events: int = 0
    content_bytes: int = 0
    comments: int = 0
    malformed: int = 0
    has_role: bool = False
    finished: set[int] = field(default_factory=set)

    def read(self, stream: bytes) -> None:
        """A whole stream, from its first byte to its end."""
        text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        data: list[bytes] = []
        kind = b""
        for line in lines:
            if self.failure:
                return
            if line:
                kind = self.take_line(line, data, kind)
            else:
                self.take(data, kind == b"error")
                data, kind = [], b""
        if not self.failure and not self.is_done:
            if rest:
                self.take_line(rest, data, kind)
            self.is_done = not self.failure and b"\n".join(data).strip(b" \t\n") == b"[DONE]"

    def take_line(self, line: bytes, data: list[bytes], kind: bytes) -> bytes:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if len(line) > LINE_LIMIT:
            self.failure = LINE_TOO_LONG
        elif not name:
            self.comments += 1
        elif name == b"data" and self.is_done:
            self.saw_data_after_done |= bool(value)
        elif name == b"data":
            data.append(value)
            if len(b"\n".join(data)) > EVENT_LIMIT:
                self.failure = EVENT_TOO_LONG
        elif name == b"event":
            return value
        return kind

    def take(self, data: list[bytes], is_error: bool) -> None:
        text = b"\n".join(data).strip(b" \t\n")
        if text == b"[DONE]":
            self.is_done = True
        elif text:
            self.data_events += 1
            self.take_event(text, is_error)

    def take_event(self, text: bytes, is_error: bool) -> None:
        try:
            parsed = parse(text)
        except ValueError:
            parsed = text
        if isinstance(parsed, Object):
            self.take_valid(parsed, is_error)
        elif is_error:
            self.failure, self.error = ERROR_EVENT, parsed
        else:
            self.take_malformed(text)

    def take_malformed(self, text: bytes) -> None:
        self.malformed += 1
        if not self.is_committed or self.malformed == MALFORMED_LIMIT:
            self.failure = MALFORMED
        else:
            self.out.append(text)

    def take_valid(self, parsed: Object, is_error: bool) -> None:
        event = self.patcher.patch(parsed)
        self.remember(event)
        if is_error or event.error is not None or parsed.last("object") == "error":
            self.failure = ERROR_EVENT
            self.error = parsed if event.error is None else event.error
            return
        says_new = event.has_content or set(event.finished) - self.finished or (event.has_role and not self.has_role)
        if event.usage is not None and not says_new:
            return
        self.has_role |= event.has_role
        self.finished |= set(event.finished)
        self.content_bytes += event.said_bytes
        if event.has_content or (event.finished and event.finish != "error"):
            self.meaningful_events += 1
            self.is_committed = True
        self.out.append(event.patched)

    def remember(self, event: Event) -> None:
        if event.usage is not None:
            self.usage = event.usage
        self.finish_reason = event.finish or self.finish_reason
        self.native_finish_reason = event.native_finish or self.native_finish_reason
        self.upstream_id = event.upstream_id if self.upstream_id is None else self.upstream_id
        self.upstream_model = event.upstream_model if self.upstream_model is None else self.upstream_model
