"""Whole numbers by what they are. A compiled module's `.pxd` gives them machine words, which it cannot do for `int`."""

from typing import TypeAlias

Status: TypeAlias = int  # of HTTP
Mask: TypeAlias = int  # a bit for each position
Count: TypeAlias = int
Nano: TypeAlias = int  # of a dollar
Tenant: TypeAlias = int  # 32 bits
