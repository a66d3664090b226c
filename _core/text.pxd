# The strings of strict JSON, and how all the walkers of `json.pxd` report.
#
# A walker takes the place of the next byte and `end`, and answers with the place behind what it has read, or NULL
# with `walk.fault` and `walk.at` set. No byte at or behind `end` is ever touched.

ctypedef const unsigned char *Place

cdef enum:
    KEY_ROOM = 32  # longest key that is looked at when it is written with escapes

cdef enum Fault:
    FAULT_NONE
    FAULT_END          # the text breaks off
    FAULT_VALUE        # no value starts here
    FAULT_NUMBER
    FAULT_KEY          # a key must stand here
    FAULT_COLON
    FAULT_OBJECT       # neither `,` nor `}`
    FAULT_ARRAY        # neither `,` nor `]`
    FAULT_CONTROL      # a raw control character in a string
    FAULT_ESCAPE
    FAULT_UTF8
    FAULT_SURROGATE    # half of a surrogate pair, escaped
    FAULT_DEPTH
    FAULT_TOO_MANY     # set by callers whose own room ran out
    FAULT_MEMORY

cdef struct Walk:
    Fault fault
    Place at
    Py_ssize_t shrink         # bytes that escapes save when strings are unescaped; set to 0 before a string of interest
    bint are_halves_allowed   # lone surrogates: providers cut an emoji in two events, clients join the halves again
    bint is_closed            # the walk has just left the object or array
    Place key_at              # the opening quote of the last key
    Place key                 # the last key, unescaped; in `scratch` if it had escapes
    Py_ssize_t key_size
    unsigned char scratch[KEY_ROOM]

cdef extern from * nogil:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "edgeproxy needs a little-endian machine"
    #endif
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    /* Marks the bytes of a word that end a plain run: quote, backslash, controls, and all that is not ASCII. What is
       looked for turns 0, and 0 - 1 shows its top bit; other bytes show theirs only if they are not ASCII, and are
       marked anyway. A borrow can mark a byte above a true mark, never below: the lowest mark is exact, and it is the
       first byte in memory (the core is built for little-endian machines only). */
    static inline uint64_t edge_marks(uint64_t word) {
        const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\\\');
        return ((quote - ones) | (slash - ones) | (word - ones * 0x20) | word) & tops;
    }
    /* The first byte from `p` on that ends a plain run; `end` if none does. */
    static inline const unsigned char *edge_skip_plain(const unsigned char *p, const unsigned char *end) {
        uint64_t word, marks;
    #if defined(__SSE2__)
        const __m128i quotes = _mm_set1_epi8('"'), slashes = _mm_set1_epi8('\\\\'), spaces = _mm_set1_epi8(0x20);
        while (end - p >= 16) {
            __m128i block = _mm_loadu_si128((const __m128i *)p);
            /* Bytes are compared as signed: what is not ASCII is below a space, as controls are. */
            __m128i odd = _mm_or_si128(_mm_cmplt_epi8(block, spaces),
                                       _mm_or_si128(_mm_cmpeq_epi8(block, quotes), _mm_cmpeq_epi8(block, slashes)));
            int mask = _mm_movemask_epi8(odd);
            if (mask) return p + __builtin_ctz((unsigned)mask);
            p += 16;
        }
    #endif
        while (end - p >= 8) {
            memcpy(&word, p, 8);
            marks = edge_marks(word);
            if (marks) return p + (__builtin_ctzll(marks) >> 3);
            p += 8;
        }
        while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\\\') p++;
        return p;
    }
    static const unsigned char edge_is_escape[256] = {
        ['n'] = 1, ['"'] = 1, ['\\\\'] = 1, ['/'] = 1, ['t'] = 1, ['r'] = 1, ['b'] = 1, ['f'] = 1,
    };
    #if defined(__SSE2__)
    /* A bit for each of 64 bytes that ends a plain run. */
    static inline uint64_t edge_ends_of_runs(const unsigned char *p) {
        const __m128i quotes = _mm_set1_epi8('"'), slashes = _mm_set1_epi8('\\\\'), spaces = _mm_set1_epi8(0x20);
        uint64_t ends = 0;
        for (int part = 0; part < 4; part++) {
            __m128i block = _mm_loadu_si128((const __m128i *)p + part);
            __m128i odd = _mm_or_si128(_mm_cmplt_epi8(block, spaces),
                                       _mm_or_si128(_mm_cmpeq_epi8(block, quotes), _mm_cmpeq_epi8(block, slashes)));
            ends |= (uint64_t)(unsigned)_mm_movemask_epi8(odd) << 16 * part;
        }
        return ends;
    }
    #endif
    /* Past plain runs and escapes of two bytes, for long texts: whatever else comes, the caller looks at. */
    static inline const unsigned char *edge_skip_prose(const unsigned char *p, const unsigned char *end, Py_ssize_t *shrink) {
    #if defined(__SSE2__)
        while (end - p > 64) {
            const unsigned char *block = p;
            uint64_t ends = edge_ends_of_runs(p);
            p += 64;
            while (ends) {
                int at = __builtin_ctzll(ends);
                if (block[at] != '\\\\' || !edge_is_escape[block[at + 1]]) return block + at;
                ++*shrink;
                ends &= ~((uint64_t)3 << at);
                if (at == 63) p++;
            }
        }
    #endif
        return p;
    }
    """
    Place edge_skip_plain(Place p, Place end)
    Place edge_skip_prose(Place p, Place end, Py_ssize_t *shrink)


cdef inline Place fail(Walk *walk, Fault fault, Place at) noexcept nogil:
    walk.fault = fault
    walk.at = at
    return NULL


cdef inline bint is_tail(unsigned char byte) noexcept nogil:
    return (byte & 0xC0) == 0x80


cdef inline Place skip_rune(Place p, Place end, Walk *walk) noexcept nogil:
    """One UTF-8 sequence of two to four bytes: shortest form, no surrogates, nothing above U+10FFFF (RFC 3629)."""
    cdef unsigned char lead = p[0]
    cdef Py_ssize_t left = end - p
    if lead < 0xE0:
        if lead >= 0xC2 and left >= 2 and is_tail(p[1]):
            return p + 2
    elif lead < 0xF0:
        if left >= 3 and is_tail(p[1]) and is_tail(p[2]):
            if not (lead == 0xE0 and p[1] < 0xA0) and not (lead == 0xED and p[1] > 0x9F):
                return p + 3
    elif lead <= 0xF4:
        if left >= 4 and is_tail(p[1]) and is_tail(p[2]) and is_tail(p[3]):
            if not (lead == 0xF0 and p[1] < 0x90) and not (lead == 0xF4 and p[1] > 0x8F):
                return p + 4
    return fail(walk, FAULT_UTF8, p)


cdef inline int hex_digit(unsigned char byte) noexcept nogil:
    if c'0' <= byte <= c'9':
        return byte - c'0'
    byte |= 0x20
    if c'a' <= byte <= c'f':
        return byte - c'a' + 10
    return -1


cdef inline int utf16_unit(Place p, Place end) noexcept nogil:
    """The unit written as four hex digits, or -1."""
    cdef int unit = 0
    cdef int digit, i
    if end - p < 4:
        return -1
    for i in range(4):
        digit = hex_digit(p[i])
        if digit < 0:
            return -1
        unit = (unit << 4) | digit
    return unit


cdef inline int escaped_char(unsigned char kind) noexcept nogil:
    """What a two-byte escape stands for, or -1."""
    if kind == c'n':
        return c'\n'
    if kind == c'"' or kind == c'\\' or kind == c'/':
        return kind
    if kind == c't':
        return c'\t'
    if kind == c'r':
        return c'\r'
    if kind == c'b':
        return 0x08
    if kind == c'f':
        return 0x0C
    return -1


cdef inline Place skip_escape(Place p, Place end, Walk *walk) noexcept nogil:
    cdef int unit, low
    if end - p < 2:
        return fail(walk, FAULT_END, end)
    if p[1] != c'u':
        if escaped_char(p[1]) < 0:
            return fail(walk, FAULT_ESCAPE, p)
        walk.shrink += 1
        return p + 2
    unit = utf16_unit(p + 2, end)
    if unit < 0:
        return fail(walk, FAULT_ESCAPE, p)
    if not 0xD800 <= unit <= 0xDFFF:
        walk.shrink += 5 if unit < 0x80 else 4 if unit < 0x800 else 3
        return p + 6
    if unit <= 0xDBFF and end - p >= 12 and p[6] == c'\\' and p[7] == c'u':
        low = utf16_unit(p + 8, end)
        if 0xDC00 <= low <= 0xDFFF:
            walk.shrink += 8
            return p + 12
    if not walk.are_halves_allowed:
        return fail(walk, FAULT_SURROGATE, p)
    walk.shrink += 3
    return p + 6


cdef inline Place skip_string(Place p, Place end, Walk *walk) noexcept nogil:
    """`p` stands behind the opening quote; the answer stands behind the closing one."""
    while True:
        p = edge_skip_plain(p, end)
        if p == end:
            return fail(walk, FAULT_END, end)
        if p[0] == c'"':
            return p + 1
        if p[0] == c'\\':
            p = skip_escape(p, end, walk)
            if p is not NULL:
                p = edge_skip_prose(p, end, &walk.shrink)
        elif p[0] < 0x20:
            return fail(walk, FAULT_CONTROL, p)
        else:
            p = skip_rune(p, end, walk)
            while p is not NULL and p < end and p[0] >= 0x80:
                p = skip_rune(p, end, walk)
        if p is NULL:
            return NULL


cdef inline Py_ssize_t unescape(Place p, Place end, unsigned char *target, Py_ssize_t room) noexcept nogil:
    """Write what the (already walked) inside of a string stands for. The answer is its size, or -1: no room."""
    cdef Py_ssize_t size = 0
    cdef int rune, low
    while p < end:
        if size + 4 > room and size + (end - p) > room:
            return -1
        if p[0] != c'\\':
            target[size] = p[0]
            size += 1
            p += 1
            continue
        if p[1] != c'u':
            target[size] = <unsigned char>escaped_char(p[1])
            size += 1
            p += 2
            continue
        rune = utf16_unit(p + 2, end)
        p += 6
        if 0xD800 <= rune <= 0xDBFF and end - p >= 6 and p[0] == c'\\' and p[1] == c'u':
            low = utf16_unit(p + 2, end)
            if 0xDC00 <= low <= 0xDFFF:
                rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00)
                p += 6
        size += write_rune(rune, target + size)
    return size


cdef inline int write_rune(int rune, unsigned char *target) noexcept nogil:
    if rune < 0x80:
        target[0] = <unsigned char>rune
        return 1
    if rune < 0x800:
        target[0] = <unsigned char>(0xC0 | (rune >> 6))
        target[1] = <unsigned char>(0x80 | (rune & 0x3F))
        return 2
    if rune < 0x10000:
        target[0] = <unsigned char>(0xE0 | (rune >> 12))
        target[1] = <unsigned char>(0x80 | ((rune >> 6) & 0x3F))
        target[2] = <unsigned char>(0x80 | (rune & 0x3F))
        return 3
    target[0] = <unsigned char>(0xF0 | (rune >> 18))
    target[1] = <unsigned char>(0x80 | ((rune >> 12) & 0x3F))
    target[2] = <unsigned char>(0x80 | ((rune >> 6) & 0x3F))
    target[3] = <unsigned char>(0x80 | (rune & 0x3F))
    return 4
