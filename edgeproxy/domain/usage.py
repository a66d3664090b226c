"""Token counts of one call, as the provider counts them."""

from dataclasses import dataclass

from edgeproxy.domain.whole import Count


@dataclass(frozen=True)
class Usage:
    """`cached`, `cache_written` are subsets of `prompt`; `reasoning` is a subset of `completion`."""

    prompt: Count = 0
    completion: Count = 0
    cached: Count = 0
    cache_written: Count = 0
    reasoning: Count = 0
    is_estimated: bool = False

    @property
    def total(self) -> Count:
        return self.prompt + self.completion
