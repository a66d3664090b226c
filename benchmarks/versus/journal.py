"""What has been measured, a line a measurement, so that a run that was cut short can go on."""

import json
from pathlib import Path
from typing import Any

from benchmarks.versus.measure import Measured


class Journal:
    def __init__(self, path: Path, is_resumed: bool, about: dict[str, Any]) -> None:
        """`about`: what must be the same for two runs to be one."""
        self._path = path
        self._entries: dict[str, Any] = {}
        path.parent.mkdir(exist_ok=True)
        if is_resumed and path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self._entries[entry["key"]] = entry["value"]
            if self._entries.get("about") != about:
                raise SystemExit(f"error: {path} is of another run: {self._entries.get('about')} is not {about}")
        else:
            path.write_text("")
            self.put("about", about)

    def put(self, key: str, value: Any) -> None:
        self._entries[key] = value
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, "value": value}) + "\n")

    def get(self, key: str) -> Any:
        return self._entries.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def starting_with(self, key: str) -> list[Any]:
        """In the order in which they were put."""
        return [value for name, value in self._entries.items() if name.startswith(key)]

    # -- windows -----------------------------------------------------------------------------------------------

    @staticmethod
    def window_key(row: str, window: str, number: int) -> str:
        return f"window | {row} | {window} | {number}"

    def measured(self, row: str, window: str) -> list[Measured]:
        found = self.starting_with(f"window | {row} | {window} | ")
        return [Measured(**value) for value in found if value is not None]
