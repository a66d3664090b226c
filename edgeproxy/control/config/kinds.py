"""Kinds of values: how each is read, described in the JSON Schema, named in the reference and shown.

A `parse` raises ValueError with what would be right. It never repeats the text: that may have come out of a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from edgeproxy.control.config.problems import nearest
from edgeproxy.domain.money import dollars_from_pico, pico_from_dollars
from edgeproxy.domain.secret import Secret

REFERENCE_SCHEMA = {"type": "string", "pattern": r"\$\{"}
LOOKS_TYPED = re.compile(r"(?i:true|false|null|~|[-+]?(\.\d+|\d[\d_]*(\.\d*)?)(e[-+]?\d+)?|0x[0-9a-f]+)")


class Kind:
    """A kind of scalar. `is_text`: an unquoted number or boolean is refused, as editors with the schema do."""

    name = "text"
    is_secret = False
    is_text = False

    def parse(self, text: str) -> Any:
        raise ValueError("not accepted")

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def show(self, value: Any) -> str:
        return str(value)


class Text(Kind):
    is_text = True

    def __init__(self, name: str = "text", pattern: str = "", expected: str = "", max_length: int = 256) -> None:
        self.name = name
        self.pattern = pattern
        self.expected = expected or name
        self.max_length = max_length

    def parse(self, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be blank")
        if len(text) > self.max_length:
            raise ValueError(f"longer than {self.max_length} characters")
        if not text.isprintable():
            raise ValueError("has a control character")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError(f"expected {self.expected}")
        return text

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.max_length}
        if self.pattern:
            schema["pattern"] = rf"^(?:{self.pattern})$|\$\{{"
        return schema


class SecretText(Kind):
    name = "secret"
    is_secret = True
    is_text = True

    def parse(self, text: str) -> Secret:
        if not text:
            raise ValueError("must not be blank")
        if not re.fullmatch(r"[\x21-\x7e]{1,4096}", text):
            raise ValueError("a secret is printable ASCII without spaces or line ends")
        return Secret(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def show(self, value: Any) -> str:
        return "********"


class HeaderValue(SecretText):
    """May carry a secret, so it is masked wherever it is shown."""

    name = "header value"

    def parse(self, text: str) -> Secret:
        if not re.fullmatch(r"[\x20-\x7e]{1,4096}", text) or text != text.strip():
            raise ValueError("a header value is printable ASCII without spaces at its ends")
        return Secret(text)


class Digest(Text):
    def __init__(self) -> None:
        super().__init__(
            "SHA-256 digest", "[0-9a-fA-F]{64}", "64 hexadecimal digits (`edgeproxy keys make` prints them)"
        )

    def parse(self, text: str) -> str:
        return super().parse(text).lower()


class Boolean(Kind):
    name = "boolean"

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError("expected true or false")
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, REFERENCE_SCHEMA]}

    def show(self, value: Any) -> str:
        return "true" if value else "false"


class Integer(Kind):
    def __init__(self, least: int, most: int, word: str = "") -> None:
        self.least, self.most, self.word = least, most, word
        self.name = f"integer {least}–{most}" + (f" or `{word}`" if word else "")

    def parse(self, text: str) -> int:
        """The word, where there is one, is read as 0."""
        if self.word and text == self.word:
            return 0
        if not re.fullmatch(r"[-+]?[0-9]{1,18}", text) or not self.least <= int(text) <= self.most:
            raise ValueError(f"expected an {self.name}")
        return int(text)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        words: list[dict[str, Any]] = [{"const": self.word}] if self.word else []
        return {"anyOf": [number, *words, REFERENCE_SCHEMA]}

    def show(self, value: Any) -> str:
        return self.word if self.word and value == 0 else str(value)


class Number(Kind):
    def __init__(self, above: float, most: float) -> None:
        self.above, self.most = above, most
        self.name = f"number above {above:g}, at most {most:g}"

    def parse(self, text: str) -> float:
        try:
            value = float(_decimal(text))
        except OverflowError:
            value = -1.0
        if not self.above < value <= self.most:
            raise ValueError(f"expected a {self.name}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "exclusiveMinimum": self.above, "maximum": self.most}, REFERENCE_SCHEMA]}

    def show(self, value: Any) -> str:
        return f"{value:g}"


class Share(Kind):
    """A part of one, in parts per million: `0.05` or `5%`."""

    name = "share"

    def parse(self, text: str) -> int:
        value = _decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        if not 0 <= value <= 1:
            raise ValueError("expected a share from 0 to 1, or from 0% to 100%")
        ppm = value * 1_000_000
        if ppm != ppm.to_integral_value():
            raise ValueError("a share has at most 6 decimals")
        return int(ppm)

    def schema(self) -> dict[str, Any]:
        percent = {"type": "string", "pattern": r"^[0-9.]+%?$|\$\{"}
        return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, percent]}

    def show(self, value: Any) -> str:
        return f"{value / 10_000:g}%"


class Duration(Kind):
    name = "duration"
    units = (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))

    def __init__(self, least_s: float = 0.001, most_s: float = 86_400.0) -> None:
        self.least_s, self.most_s = least_s, most_s

    def parse(self, text: str) -> float:
        """Seconds; a bare number is seconds."""
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
            seconds = float(text)
        elif re.fullmatch(r"([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h))+", text):
            factors = dict(self.units)
            seconds = sum(float(n) * factors[unit] for n, _, unit in re.findall(r"([0-9]+(\.[0-9]+)?)(ms|s|m|h)", text))
        else:
            raise ValueError("expected a duration such as 500ms, 5s or 1m30s")
        if not self.least_s <= seconds <= self.most_s:
            raise ValueError(f"expected a duration from {self.show(self.least_s)} to {self.show(self.most_s)}")
        return seconds

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": r"^([0-9.]+(ms|s|m|h))+$|^[0-9.]+$|\$\{"}
        return {"anyOf": [{"type": "number", "minimum": self.least_s, "maximum": self.most_s}, text]}

    def show(self, value: Any) -> str:
        milliseconds = round(value * 1000)
        if milliseconds % 1000:
            return f"{milliseconds}ms"
        hours, rest = divmod(milliseconds // 1000, 3600)
        minutes, seconds = divmod(rest, 60)
        shown = "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if n)
        return shown or "0s"


class Size(Kind):
    name = "size"
    units = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def parse(self, text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,15})(KiB|MiB|GiB|B)?", text)
        if match is None:
            raise ValueError("expected a size such as 64KiB, 32MiB or a number of bytes")
        size = int(match[1]) * dict(self.units).get(match[2] or "", 1)
        if not self.least <= size <= self.most:
            raise ValueError(f"expected a size from {self.show(self.least)} to {self.show(self.most)}")
        return size

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": r"^[0-9]+(B|KiB|MiB|GiB)?$|\$\{"}]}

    def show(self, value: Any) -> str:
        for unit, factor in self.units:
            if value and value % factor == 0:
                return f"{value // factor}{unit}"
        return str(value)


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class AddressKind(Kind):
    name = "address, `host:port`"

    def parse(self, text: str) -> Address:
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{0,253})):([0-9]{1,5})", text)
        if match is None or int(match[3]) > 65_535:
            raise ValueError("expected host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080 for all addresses")
        return Address(match[1] or match[2] or "0.0.0.0", int(match[3]))  # noqa: S104 the operator wrote `:8080`

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r":[0-9]{1,5}$|\$\{"}


class Url(Kind):
    name = "URL"
    is_text = True

    def parse(self, text: str) -> str:
        expected = "expected a URL such as https://api.openai.com/v1"
        if len(text) > 2048 or not text.isascii() or re.search(r"[\x00-\x20\x7f<>\"\\^`{|}]", text):
            raise ValueError(expected)
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError:
            raise ValueError(expected) from None
        if url.scheme not in ("http", "https") or not url.hostname or port == 0:
            raise ValueError(expected)
        if url.username is not None or url.password is not None:
            raise ValueError("a URL here has no user or password; use api_key")
        if url.query or url.fragment or "?" in text or "#" in text:
            raise ValueError("a base URL has no `?` and no `#`")
        return url.scheme + text[len(url.scheme) :].rstrip("/")  # the scheme in lower case

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^https?://|\$\{"}


class Choice(Kind):
    def __init__(self, *words: str, refused: Mapping[str, str] | None = None) -> None:
        self.words = words
        self.refused = refused or {}
        self.name = ", ".join(f"`{word}`" for word in words) if len(words) > 1 else f"`{words[0]}`"

    def parse(self, text: str) -> str:
        if text in self.words:
            return text
        if text in self.refused:
            raise ValueError(self.refused[text])
        close = nearest(text, self.words)
        raise ValueError(
            f"expected {self.name}" + (f"; did you mean `{close}`?" if close and len(self.words) > 1 else "")
        )

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, REFERENCE_SCHEMA]}


class PriceText(Kind):
    """Dollars a unit as text or number; held as pico-dollars."""

    name = "price in USD"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{0,5}(\.[0-9]{1,15})?([eE]-?[0-9]{1,2})?", text) or not text:
            raise ValueError('expected dollars per token, such as "0.0000004"')
        try:
            return pico_from_dollars(text)
        except ValueError as error:
            message = str(error)
        raise ValueError("expected dollars per token" if "number:" in message else message)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.eE-]+$|\$\{"}]}

    def show(self, value: Any) -> str:
        return f'"{dollars_from_pico(value)}"'


class Moment(Kind):
    """Unix seconds, from an ISO 8601 date or time; without a zone it is UTC."""

    name = "date or time, `2027-01-31` or `2027-01-31T12:00:00Z`"

    def parse(self, text: str) -> int:
        if re.fullmatch(r"[0-9]{9,11}", text):
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            raise ValueError("expected a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z") from None

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}

    def show(self, value: Any) -> str:
        return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[-+]?[0-9]{0,12}(\.[0-9]{0,12})?([eE][-+]?[0-9]{1,2})?", text):
        raise ValueError("expected a number")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("expected a number") from None
