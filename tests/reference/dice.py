"""xoshiro256++ seeded by splitmix64, with Python's integers."""

WORD = 2**64 - 1


class Dice:
    def __init__(self, seed: int) -> None:
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & WORD
            mixed = seed
            mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WORD
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WORD
            self.state.append(mixed ^ (mixed >> 31))

    def uniform(self) -> float:
        a, b, c, d = self.state
        result = (_rotated((a + d) & WORD, 23) + a) & WORD
        c ^= a
        d ^= b
        self.state = [a ^ d, b ^ c, c ^ ((b << 17) & WORD), _rotated(d, 45)]
        return (result >> 11) * 2.0**-53


def _rotated(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & WORD
