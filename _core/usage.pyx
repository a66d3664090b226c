# cython: boundscheck=True
"""The `usage` object of the OpenAI chat dialect: read strictly, and written with what the contract adds (2.5).

Amounts are written as exact decimals: no float stands between the ledger's integer and what the client sees.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memset

from edgeproxy._core.buffer cimport Buffer, append, append_text, dispose
from edgeproxy._core.decimal cimport put_nano, put_number
from edgeproxy._core.json cimport is_key, is_null, next_member, open_object, skip_space, skip_value
from edgeproxy._core.text cimport Place, Walk

cdef int64_t MOST_TOKENS = <int64_t>1 << 40  # above it a provider's count is nonsense


cdef void take_count(Seen *seen, Place p, Place stop, int64_t *count) noexcept nogil:
    """A whole number without sign, point or exponent."""
    cdef int64_t value = 0
    if stop - p > 13:
        seen.is_sound = False
        return
    while p < stop:
        if not c'0' <= p[0] <= c'9':
            seen.is_sound = False
            return
        value = 10 * value + p[0] - c'0'
        p += 1
    if value > MOST_TOKENS:
        seen.is_sound = False
    count[0] = value


cdef void take_optional(Seen *seen, Place p, Place stop, int64_t *count) noexcept nogil:
    if not is_null(p, stop):
        take_count(seen, p, stop, count)


cdef Place walk_details(Seen *seen, Place p, Place end) noexcept nogil:
    cdef Place start
    cdef Walk *walk = &seen.walk
    p = open_object(p, end, walk)
    while p is not NULL and not walk.is_closed:
        start = p
        p = skip_value(p, end, walk, 2)
        if p is NULL:
            return NULL
        if is_key(walk, b"cached_tokens", 13):
            take_optional(seen, start, p, &seen.cached)
        elif is_key(walk, b"cache_write_tokens", 18):
            take_optional(seen, start, p, &seen.written)
        elif is_key(walk, b"reasoning_tokens", 16):
            take_optional(seen, start, p, &seen.reasoning)
        else:
            seen.has_other_details = True
        p = next_member(p, end, walk)
    return p


cdef Place take_member(Seen *seen, Place start, Place end) noexcept nogil:
    """The value at `start`; the answer is where it ends."""
    cdef Walk *walk = &seen.walk
    cdef bint is_before = is_key(walk, b"prompt_tokens_details", 21)
    cdef bint is_after = is_key(walk, b"completion_tokens_details", 25)
    cdef Place p
    if (is_before or is_after) and start < end and start[0] == c'{':
        p = walk_details(seen, start, end)
        walk.is_closed = False
        if is_before:
            seen.before, seen.before_end = start, p
        else:
            seen.after, seen.after_end = start, p
        return p
    p = skip_value(start, end, walk, 1)
    if p is NULL:
        return NULL
    if is_before or is_after:
        if not is_null(start, p):
            seen.is_sound = False
    elif is_key(walk, b"prompt_tokens", 13):
        take_count(seen, start, p, &seen.prompt)
    elif is_key(walk, b"completion_tokens", 17):
        take_count(seen, start, p, &seen.completion)
    elif is_key(walk, b"total_tokens", 12):
        take_optional(seen, start, p, &seen.total)
    elif is_key(walk, b"prompt_cache_hit_tokens", 23):
        take_optional(seen, start, p, &seen.hit)
        seen.has_others = True
    else:
        seen.has_others = True
    return p


# What was looked at last, since it is read and then shown; its places point into `last_raw`.
cdef bytes last_raw
cdef Seen last_seen
cdef bint is_last_whole


cdef bint look(Seen *seen, bytes raw) noexcept:
    """Whether `raw` is a sound object; its places point into `raw`."""
    global last_raw, is_last_whole
    if raw is not last_raw:
        is_last_whole = look_at(&last_seen, raw)
        last_raw = raw
    seen[0] = last_seen
    return is_last_whole


cdef bint look_at(Seen *seen, bytes raw) noexcept:
    cdef Place start = <Place>PyBytes_AS_STRING(raw)
    cdef Place end = start + PyBytes_GET_SIZE(raw)
    cdef Place p = skip_space(start, end)
    memset(seen, 0, sizeof(Seen))
    seen.prompt = seen.total = -1
    seen.is_sound = True
    if p == end or p[0] != c'{':
        return False
    p = open_object(p, end, &seen.walk)
    while p is not NULL and not seen.walk.is_closed:
        p = next_member(take_member(seen, p, end), end, &seen.walk)
    return p is not NULL and skip_space(p, end) == end


cpdef Usage read_usage(bytes raw):
    """The provider's own counts; None: none that make sense."""
    cdef Seen seen
    cdef Usage usage
    cdef int64_t cached
    if raw is None or not look(&seen, raw) or not seen.is_sound:
        return None
    if seen.reasoning and seen.total == seen.prompt + seen.completion + seen.reasoning:
        seen.completion += seen.reasoning  # a provider that counts reasoning beside the completion, not in it
    cached = seen.cached or seen.hit
    if cached + seen.written > seen.prompt or seen.reasoning > seen.completion:
        return None
    usage = Usage.__new__(Usage)
    usage.prompt, usage.completion = seen.prompt, seen.completion
    usage.cached, usage.cache_written, usage.reasoning = cached, seen.written, seen.reasoning
    return usage


# --- writing -------------------------------------------------------------------------------------------------------


cdef inline bint is_ours(const Walk *walk) noexcept nogil:
    """Top-level members that the contract writes itself."""
    return (
        is_key(walk, b"prompt_tokens", 13) or is_key(walk, b"completion_tokens", 17)
        or is_key(walk, b"total_tokens", 12) or is_key(walk, b"cost", 4) or is_key(walk, b"is_byok", 7)
        or is_key(walk, b"prompt_tokens_details", 21) or is_key(walk, b"completion_tokens_details", 25)
        or is_key(walk, b"cost_details", 12) or is_key(walk, b"is_estimated", 12)
    )


cdef inline bint is_our_detail(const Walk *walk) noexcept nogil:
    return (
        is_key(walk, b"cached_tokens", 13) or is_key(walk, b"cache_write_tokens", 18)
        or is_key(walk, b"reasoning_tokens", 16)
    )


cdef int copy_details(Buffer *out, Place p, Place end) except -1:
    """The provider's own details, each with a comma behind it; without ours and without its nulls."""
    cdef Walk walk
    cdef Place start
    if p is NULL:
        return 0
    memset(&walk, 0, sizeof(Walk))
    p = open_object(p, end, &walk)
    while not walk.is_closed:
        start = walk.key_at
        is_left_out = is_our_detail(&walk) or is_null(p, p + 4 if end - p >= 4 else end)
        p = skip_value(p, end, &walk, 2)
        if not is_left_out:
            append(out, start, p - start)
            append(out, b",", 1)
        p = next_member(p, end, &walk)
    return 0


cdef int copy_others(Buffer *out, bytes raw) except -1:
    """The provider's other members, each with a comma in front of it."""
    cdef Walk walk
    cdef Place end = <Place>PyBytes_AS_STRING(raw) + PyBytes_GET_SIZE(raw)
    cdef Place start, p = skip_space(<Place>PyBytes_AS_STRING(raw), end)
    memset(&walk, 0, sizeof(Walk))
    p = open_object(p, end, &walk)
    while not walk.is_closed:
        start = walk.key_at
        is_left_out = is_ours(&walk)
        p = skip_value(p, end, &walk, 1)
        if not is_left_out:
            append(out, b",", 1)
            append(out, start, p - start)
        p = next_member(p, end, &walk)
    return 0


cdef int put_cost(Buffer *out, Charge charge) except -1:
    if charge is None:
        return append_text(out, b',"cost":null,"is_byok":false')
    append_text(out, b',"cost":')
    put_nano(out, charge.total)
    return append_text(out, b',"is_byok":false')


cdef int put_cost_details(Buffer *out, Charge charge) except -1:
    if charge is None:
        return append_text(out, b',"cost_details":null')
    append_text(out, b',"cost_details":{"upstream_inference_cost":null,"upstream_inference_prompt_cost":')
    put_nano(out, charge.upstream_prompt)
    append_text(out, b',"upstream_inference_completions_cost":')
    put_nano(out, charge.upstream_completion)
    append_text(out, b',"platform_fee":')
    put_nano(out, charge.total - charge.upstream)
    return append_text(out, b"}")


cpdef bytes write_usage(Usage usage, Charge charge, bytes raw):
    """The `usage` object for the client: the provider's own, with ours on top. `charge` None: the price is unknown."""
    cdef Seen seen
    cdef Buffer out
    if usage is None:
        raise TypeError("what is shown is some usage")
    cdef int64_t prompt = usage.prompt, completion = usage.completion
    is_kept = raw is not None and not usage.is_estimated and look(&seen, raw)
    if not is_kept:
        memset(&seen, 0, sizeof(Seen))
    memset(&out, 0, sizeof(Buffer))
    try:
        append_text(&out, b'{"prompt_tokens":')
        put_number(&out, prompt)
        append_text(&out, b',"completion_tokens":')
        put_number(&out, completion)
        append_text(&out, b',"total_tokens":')
        put_number(&out, prompt + completion)
        put_cost(&out, charge)
        append_text(&out, b',"prompt_tokens_details":{')
        if seen.has_other_details:
            copy_details(&out, seen.before, seen.before_end)
        append_text(&out, b'"cached_tokens":')
        put_number(&out, usage.cached)
        append_text(&out, b',"cache_write_tokens":')
        put_number(&out, usage.cache_written)
        append_text(&out, b'},"completion_tokens_details":{')
        if seen.has_other_details:
            copy_details(&out, seen.after, seen.after_end)
        append_text(&out, b'"reasoning_tokens":')
        put_number(&out, usage.reasoning)
        append_text(&out, b"}")
        put_cost_details(&out, charge)
        if usage.is_estimated:
            append_text(&out, b',"is_estimated":true')
        if seen.has_others:
            copy_others(&out, raw)
        append_text(&out, b"}")
        return PyBytes_FromStringAndSize(out.data, out.size)
    finally:
        dispose(&out)
