"""Which phase of a call an instruction belongs to, told by the functions that were on the stack.

The innermost function that is named here decides. What many phases use (dicts, JSON, malloc, the interpreter) is not
named, so it counts for whoever called it.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.budget.callgrind import Stack
from benchmarks.harness.tools import BENCHMARKS

LOOP = "loop"
# phase, what it is, the functions that it is told by. The first row that fits wins.
PHASES: tuple[tuple[str, str, str], ...] = (
    ("log", "the access line", r"telemetry/access\.py|control/accounts\.py:LogJournal|_core/line:"),
    ("meters", "metric slots", r"telemetry/(meters|live)\.py|_core/(slots|meters|counts):"),
    (
        "key",
        "digest of the key, account",
        r"proxy/authenticate\.py|control/accounts\.py|domain/caller\.py|_core/exchange:bearer",
    ),
    (
        "build",
        "what goes upstream: body spliced, head, scanner",
        r"decode\.py:upstream_body|:Asked\.with_model|_core/upstream:with_length|_core/sse:scanner_for|:ChatPatch\.set_up",
    ),
    ("decode", "one pass over the body, the members that routing needs", r"proxy/decode\.py|_core/(asked|spans):"),
    ("plan", "model, preferences, candidates", r"proxy/(plan|routes)\.py|_core/plan:"),
    ("hold", "ceiling price, credit", r"pipeline\.py:hold|accounts\.py:UnlimitedCredit|_core/(credit|money):"),
    ("limits", "limits of the lane", r"_core/(limiter|limits):|proxy/(limits|queue)\.py"),
    ("rank", "rank, draw, admit", r"_core/table:RouteTable\.(pick|rank|admit)|_core/(scorer|admission|budget):"),
    ("account", "outcome into the route table", r"_core/table:"),
    ("write", "sends to both sides, as far as the kernel's door", r"uvloop:UVStream\.(_?write|try_write|_try_write)"),
    ("write", "", r"uvloop:.*(_exec_queued_writes|_exec_write)|_core/direct:|_core/upstream:\w+\.send$"),
    ("scan", "events of the reply: read, judged, usage", r"_core/(sse|memo|chat|said):|:_judge_body|:_has_choices"),
    ("patch", "the contract's fields put in", r"_core/patch:"),
    ("reply", "the reply's head and framing", r"_core/(upstream|chunks):"),
    ("tls", "TLS to the provider", r"_core/tls:|aiofastnet"),
    ("relay", "from provider to client", r"_core/relay:"),
    ("timers", "deadlines", r"_core/wheel:|node/worker\.py:Worker\._tick"),
    ("answer", "the answer's head and body to the client", r"proxy/(heads|answer)\.py|_core/reply:"),
    (
        "settle",
        "usage x price, the record",
        r"proxy/settle\.py|:Call\.(finish|serve|_record|_count|_resolve_hold)|domain/(usage|record|charge)|_core/(usage|tariff):",
    ),
    (
        "door",
        "the request's head and body, framing of the answer",
        r"aiohttp|(express_door|guest|surfaces|guard|connections)\.py|_core/(door|exchange|head|body|rules):",
    ),
    (
        "pipeline",
        "the coroutine and its driver, the call's objects",
        r"edgeproxy/proxy/|edgeproxy/node/|_core/(drive|identity|clock):",
    ),
    (LOOP, "uvloop, libuv, asyncio", r"uvloop:|asyncio/"),
)
MATCHERS = tuple((phase, re.compile(pattern)) for phase, _, pattern in PHASES)
MEANING = {phase: what for phase, what, _ in reversed(PHASES) if what}
PARTS = re.compile(r"(\d+)")
# What it costs to tell functions apart is nobody's phase.
OWN_COST = {"evaluate", "trampoline_of", "_PyCode_GetExtra"}


class Names:
    """Readable names of what callgrind saw."""

    def __init__(self, listing: str) -> None:
        self._functions = dict(_function(line) for line in listing.splitlines())
        self._known: dict[str, str] = {}

    def __call__(self, symbol: str) -> str:
        if symbol not in self._known:
            self._known[symbol] = self._functions.get(symbol) or compiled(symbol)
        return self._known[symbol]

    def is_function(self, symbol: str) -> bool:
        """Of Python, or compiled from it: what a profile is read by."""
        return symbol in self._functions or symbol.startswith("__pyx_")


def _function(line: str) -> tuple[str, str]:
    number, file, name = line.split("\t")
    name = name.removeprefix("__create_fn__.<locals>.")
    return f"frame_{number}", f"{short(file)}:{name}"


def short(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(BENCHMARKS.parent):
        return str(path.relative_to(BENCHMARKS.parent))
    return "/".join(path.parts[-2:])


def compiled(symbol: str) -> str:
    """`__pyx_f_9edgeproxy_5_core_5relay_5Relay_deliver` is `_core/relay:Relay.deliver`; of typed Python the file."""
    match = re.match(r"__pyx_(?:f|gb|pf|pw|tp_new|tp_dealloc|getprop|setprop)_", symbol)
    if match is None:
        return symbol
    rest, parts = symbol[match.end() :], []
    while (found := PARTS.match(rest)) and 0 < int(found[1]) <= len(rest) - found.end():
        end = found.end() + int(found[1])
        if end < len(rest) and rest[end] != "_":
            break
        parts.append(rest[found.end() : end])
        rest = rest[end + 1 :]
    if rest := rest.lstrip("0123456789"):
        parts.append(rest)
    if parts[:2] == ["edgeproxy", "_core"]:
        return f"_core/{parts[2]}:{'.'.join(parts[3:])}"
    if parts[0] == "edgeproxy" and len(parts) > 3:
        return f"edgeproxy/{parts[1]}/{parts[2]}.py:{'.'.join(parts[3:])}"
    return f"{parts[0]}:{'.'.join(parts[2:] or parts[1:])}"


def by_phase(counted: Mapping[Stack, int], names: Names) -> "Counter[str]":
    found: Counter[str] = Counter()
    deciding: dict[str, str] = {}
    for stack, count in counted.items():
        if not is_own_cost(stack[0]):
            found[_phase(stack, names, deciding)] += count
    return found


def _phase(stack: Stack, names: Names, deciding: dict[str, str]) -> str:
    for symbol in stack:
        if symbol not in deciding:
            name = names(symbol)
            deciding[symbol] = next((phase for phase, pattern in MATCHERS if pattern.search(name)), "")
        if deciding[symbol]:
            return deciding[symbol]
    return LOOP


def is_own_cost(symbol: str) -> bool:
    return symbol in OWN_COST or symbol.startswith("frame_")


def by_function(counted: Mapping[Stack, int], names: Names) -> "tuple[Counter[str], Counter[str]]":
    """Own (with the C functions that it calls) and inclusive, of each function of Python or Cython."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for stack, count in counted.items():
        if is_own_cost(stack[0]):
            continue
        functions = [names(symbol) for symbol in stack if names.is_function(symbol)]
        own[functions[0] if functions else "(C below the loop)"] += count
        for name in set(functions):
            inclusive[name] += count
    return own, inclusive


def by_c_function(counted: Mapping[Stack, int], names: Names) -> "Counter[str]":
    found: Counter[str] = Counter()
    for stack, count in counted.items():
        if not is_own_cost(stack[0]):
            found[names(stack[0])] += count
    return found


def entries(times: Mapping[Stack, int], names: Names) -> "Counter[str]":
    """How often each function of Python or Cython was entered; a coroutine each time that it goes on."""
    found: Counter[str] = Counter()
    for stack, count in times.items():
        if stack and names.is_function(stack[0]):
            found[names(stack[0])] += count
    return found
