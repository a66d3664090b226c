"""`${VAR}`, `${VAR:-default}` and `${file:/path}` inside a value; `$${` is a literal `${`."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

_REFERENCE = re.compile(r"\$(\$?)\{([^{}\n]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_SECRET_FILE = 64 * 1024


class VariableError(ValueError):
    """A reference that cannot be resolved. `hint` says what would work."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(slots=True)
class Expander:
    """Resolves references against one environment and remembers what it read."""

    environ: Mapping[str, str]
    used: set[str] = field(default_factory=set)  # names of variables that were read
    files: list[str] = field(default_factory=list)  # that were read, or could not be
    exposed: list[str] = field(default_factory=list)  # files that everyone on the machine can read

    def expand(self, text: str) -> str:
        """The text with every reference replaced, once: what a variable contains is not looked into."""
        return _REFERENCE.sub(self._resolve, text) if "${" in text else text

    def _resolve(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        inside = match[2]
        if inside.startswith("file:"):
            return self._read(inside[5:])
        name, has_default, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            raise VariableError("not a variable reference", "write ${NAME}, ${NAME:-default} or ${file:/path}")
        value = self.environ.get(name, "")
        if value:
            self.used.add(name)
            return value
        if has_default:
            return default
        state = "empty" if name in self.environ else "not set"
        raise VariableError(
            f"environment variable `{name}` is {state}", f"export {name}=… or write ${{{name}:-default}}"
        )

    def _read(self, path: str) -> str:
        self.files.append(path)
        text, is_exposed = read_secret_file(path)
        if is_exposed:
            self.exposed.append(path)
        return text


def read_secret_file(path: str) -> tuple[str, bool]:
    """The file's text without its last newline, and whether everyone on the machine can read it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise VariableError(f"cannot read `{path}`: {_reason(error)}", "check the path and its permissions") from None
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise VariableError(f"`{path}` is not a regular file", "name the file that has the secret")
        data = os.read(handle, MAX_SECRET_FILE + 1)
    except OSError as error:
        raise VariableError(f"cannot read `{path}`: {_reason(error)}", "check the path and its permissions") from None
    finally:
        os.close(handle)
    if len(data) > MAX_SECRET_FILE:
        raise VariableError(f"`{path}` is larger than {MAX_SECRET_FILE // 1024} KiB", "name the file with the secret")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise VariableError(f"`{path}` is not UTF-8 text", "name the file that has the secret") from None
    return text.removesuffix("\n").removesuffix("\r"), bool(state.st_mode & stat.S_IROTH)


def _reason(error: Exception) -> str:
    return (error.strerror or "unreadable").lower() if isinstance(error, OSError) else "not a path"
