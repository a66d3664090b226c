# The words of the OpenAI chat dialect: which members the contract owns, what the others say.
from libc.string cimport memcmp

from edgeproxy._core.json cimport is_key
from edgeproxy._core.text cimport Place, Walk, unescape

cdef enum:
    FINISH_ROOM = 24      # longer than any finish_reason that means something
    HIGHEST_INDEX = 63    # choices from here on count as one

cdef enum Finish:
    FINISH_NONE
    FINISH_STOP
    FINISH_LENGTH
    FINISH_TOOL_CALLS
    FINISH_CONTENT_FILTER
    FINISH_ERROR
    FINISHES

# Top-level members that every reply has, in the order in which missing ones are put in.
cdef enum Part:
    PART_ID
    PART_OBJECT
    PART_CREATED
    PART_MODEL
    PART_PROVIDER
    PART_CHOICES
    PART_FINGERPRINT  # of whole replies only
    PARTS

cdef inline bint is_word(Place word, Py_ssize_t size, const char *other, Py_ssize_t other_size) noexcept nogil:
    return size == other_size and memcmp(word, other, size) == 0


cdef inline Finish finish_of(Place start, Place stop) noexcept nogil:
    """What a provider's finish_reason means. An empty one, sent by some in every event, means none yet."""
    cdef unsigned char word[FINISH_ROOM]
    cdef Py_ssize_t size, i
    if start[0] != c'"' or stop - start == 2:
        return FINISH_NONE
    size = unescape(start + 1, stop - 1, word, FINISH_ROOM)
    for i in range(size):
        if c'A' <= word[i] <= c'Z':
            word[i] |= 0x20
    if is_word(word, size, b"length", 6) or is_word(word, size, b"max_tokens", 10):
        return FINISH_LENGTH
    if is_word(word, size, b"model_length", 12):
        return FINISH_LENGTH
    if is_word(word, size, b"tool_calls", 10) or is_word(word, size, b"function_call", 13):
        return FINISH_TOOL_CALLS
    if is_word(word, size, b"tool_use", 8):
        return FINISH_TOOL_CALLS
    if is_word(word, size, b"content_filter", 14) or is_word(word, size, b"safety", 6):
        return FINISH_CONTENT_FILTER
    if is_word(word, size, b"recitation", 10):
        return FINISH_CONTENT_FILTER
    if is_word(word, size, b"error", 5):
        return FINISH_ERROR
    return FINISH_STOP


cdef inline int small_number(Place start, Place stop) noexcept nogil:
    """A choice's index; whatever is none counts as 0, and the giants share one."""
    cdef int number = 0
    while start < stop and c'0' <= start[0] <= c'9':
        number = min(10 * number + start[0] - c'0', HIGHEST_INDEX)
        start += 1
    return number if start == stop else 0


cdef inline Part part_of(const Walk *walk) noexcept nogil:
    """Which of the members that are owned or required the last key names; PARTS: none."""
    if is_key(walk, b"id", 2):
        return PART_ID
    if is_key(walk, b"model", 5):
        return PART_MODEL
    if is_key(walk, b"object", 6):
        return PART_OBJECT
    if is_key(walk, b"choices", 7):
        return PART_CHOICES
    if is_key(walk, b"created", 7):
        return PART_CREATED
    if is_key(walk, b"provider", 8):
        return PART_PROVIDER
    if is_key(walk, b"system_fingerprint", 18):
        return PART_FINGERPRINT
    return PARTS
