"""Token counts of one call, as the provider counts them."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """`cached`, `cache_written` are subsets of `prompt`; `reasoning` is a subset of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.prompt + self.completion
