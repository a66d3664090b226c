# What a chat delta or message says: whether there is anything, and how many bytes of text it is.
from edgeproxy._core.json cimport is_empty, is_key, next_item, next_member, open_array, open_object, skip_value
from edgeproxy._core.text cimport Place, Walk

cdef enum:
    MESSAGE_DEPTH = 6  # containers around what a message says, at most

cdef enum Meaning:
    MEANS_NOTHING
    MEANS_ROLE
    MEANS_TEXT
    MEANS_THOUGHT
    MEANS_CALLS
    MEANS_MORE

cdef struct Said:
    Py_ssize_t size     # bytes of text, unescaped: content, reasoning, refusal, names and arguments of calls
    bint has_content
    bint has_role
    int parts           # values that say something
    Place text          # the opening quote of the last of them, if it is a text or a thought in a string; else NULL
    Place text_end      # behind its closing quote


cdef inline Meaning meaning_of(const Walk *walk) noexcept nogil:
    """What the last key of a delta or message stands for."""
    if is_key(walk, b"role", 4):
        return MEANS_ROLE
    if is_key(walk, b"content", 7) or is_key(walk, b"refusal", 7):
        return MEANS_TEXT
    if is_key(walk, b"reasoning", 9) or is_key(walk, b"reasoning_content", 17):
        return MEANS_THOUGHT
    if is_key(walk, b"tool_calls", 10) or is_key(walk, b"function_call", 13):
        return MEANS_CALLS
    if is_key(walk, b"reasoning_details", 17) or is_key(walk, b"images", 6) or is_key(walk, b"audio", 5):
        return MEANS_MORE
    return MEANS_NOTHING


cdef inline Place read_text(Place p, Place end, Walk *walk, Said *said) noexcept nogil:
    """A value of which only a string's bytes count."""
    cdef Place start = p
    walk.shrink = 0
    p = skip_value(p, end, walk, MESSAGE_DEPTH)
    if p is not NULL and start[0] == c'"':
        said.size += p - start - 2 - walk.shrink
    return p


cdef inline Place read_function(Place p, Place end, Walk *walk, Said *said) noexcept nogil:
    """The model wrote the name and the arguments."""
    if p == end or p[0] != c'{':
        return skip_value(p, end, walk, MESSAGE_DEPTH)
    p = open_object(p, end, walk)
    while p is not NULL and not walk.is_closed:
        if is_key(walk, b"name", 4) or is_key(walk, b"arguments", 9):
            p = read_text(p, end, walk, said)
        else:
            p = skip_value(p, end, walk, MESSAGE_DEPTH)
        p = next_member(p, end, walk)
    return p


cdef inline Place read_call(Place p, Place end, Walk *walk, Said *said) noexcept nogil:
    if p == end or p[0] != c'{':
        return skip_value(p, end, walk, MESSAGE_DEPTH)
    p = open_object(p, end, walk)
    while p is not NULL and not walk.is_closed:
        if is_key(walk, b"function", 8):
            p = read_function(p, end, walk, said)
        else:
            p = skip_value(p, end, walk, MESSAGE_DEPTH)
        p = next_member(p, end, walk)
    return p


cdef inline Place read_calls(Place p, Place end, Walk *walk, Said *said) noexcept nogil:
    """`tool_calls`, or the older `function_call`, which is the function itself."""
    if p == end or p[0] != c'[':
        return read_function(p, end, walk, said)
    p = open_array(p, end, walk)
    while p is not NULL and not walk.is_closed:
        p = next_item(read_call(p, end, walk, said), end, walk)
    return p


cdef inline Place read_message(Place p, Place end, Walk *walk, Said *said) noexcept nogil:
    """Add up what is said. Reasoning that comes under two names counts once."""
    cdef Place start
    cdef Py_ssize_t before, thought = 0
    cdef Meaning meaning
    if p == end or p[0] != c'{':
        return skip_value(p, end, walk, 3)
    p = open_object(p, end, walk)
    while p is not NULL and not walk.is_closed:
        start = p
        before = said.size
        meaning = meaning_of(walk)
        if meaning == MEANS_CALLS:
            p = read_calls(p, end, walk, said)
        else:
            p = read_text(p, end, walk, said)
        if p is NULL:
            return NULL
        if meaning == MEANS_NOTHING or meaning == MEANS_ROLE:
            said.size = before
            said.has_role = said.has_role or meaning == MEANS_ROLE
        elif (start[0] == c'"' or start[0] == c'[' or start[0] == c'{') and not is_empty(start, p):
            said.has_content = True
            said.parts += 1
            said.text = start if start[0] == c'"' and (meaning == MEANS_TEXT or meaning == MEANS_THOUGHT) else NULL
            said.text_end = p
            if meaning == MEANS_THOUGHT:
                thought = max(thought, said.size - before)
                said.size = before
        p = next_member(p, end, walk)
    said.size += thought
    return p
