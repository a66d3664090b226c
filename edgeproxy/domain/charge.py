"""What one call costs."""

from dataclasses import dataclass

from edgeproxy.domain.whole import Nano


@dataclass(frozen=True)
class Charge:
    """`total` is charged; `total - upstream` is the platform fee."""

    upstream_prompt: Nano
    upstream_completion: Nano
    upstream: Nano
    total: Nano

    @property
    def fee(self) -> Nano:
        return self.total - self.upstream
