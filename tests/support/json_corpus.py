"""JSON texts by judgement: values that RFC 8259 allows, texts that it does not, and those it leaves to the reader."""

VALID_VALUES = (
    b"null", b"true", b"false", b"[]", b"{}", b'""', b"0", b"-0", b"1", b"-1", b"10", b"1.0", b"-0.1", b"0.5", b"1e5",
    b"1E5", b"1e+5", b"1e-5", b"1E+05", b"0e1", b"0e+1", b"0e-1", b"0.0e0", b"-0.0", b"-0e-0", b"123456789012345678",
    b"1.7976931348623157e308", b"5e-324", b"0.000000000000000000000000000000000000000000000000000000001", b"[null]",
    b"[[]]", b"[[[[[]]]]]", b"[1,2]", b"[ 1 , 2 ]", b"[\n1\r\n,\t2 ]", b'["a",1,true,null,{},[]]', b'{"b":1}',
    b'{"b":{"c":{"d":[]}}}', b'{ "b" : 1 , "c" : 2 }', b'{"":0}', b'{"\\u0000":0}', b'{"b":1,"b":2}', b'"a"', b'" "',
    b'"\\""', b'"\\\\"', b'"\\/"', b'"/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0000"', b'"\\u0041"', b'"\\u00e9"',
    b'"\\u20AC"', b'"\\ud83d\\ude00"', b'"\\uD83D\\uDE00"', b'"\\uD800\\uDC00"', b'"\\uDBFF\\uDFFF"', b'"\\uD7FF"',
    b'"\\uE000"', b'"\\uFFFE"', b'"\\uFFFF"', b'"\\u2028"', b'"\\ufeff"', b'"\x7f"', b'"\xc2\x80"', b'"\xc3\xa9"',
    b'"\xdf\xbf"', b'"\xe0\xa0\x80"', b'"\xe2\x82\xac"', b'"\xed\x9f\xbf"', b'"\xee\x80\x80"', b'"\xef\xbb\xbf"',
    b'"\xef\xbf\xbe"', b'"\xef\xbf\xbf"', b'"\xf0\x90\x80\x80"', b'"\xf0\x9f\x98\x80"', b'"\xf4\x8f\xbf\xbf"',
    b'"\xe2\x80\xa8"', b'"1234567"', b'"12345678"', b'"123456789"', b'"1234567\\n"', b'"1234567\xc3\xa9"',
    b'"aaaaaaaaaaaaaaa\\\\"', b'"\\\\\\\\\\\\\\\\"', b'"\\u0022\\u005c"', b'"{}[],:"', b'"null"',
    b'"/* no comment */"', b'"# nor this"',
)  # fmt: skip

INVALID_VALUES = (
    b"", b",", b":", b"}", b"]", b"nul", b"nulll", b"Null", b"NULL", b"True", b"tru", b"fals", b"undefined", b"None",
    b"NaN", b"-NaN", b"Infinity", b"-Infinity", b"inf", b"+1", b"-", b"--1", b"01", b"-01", b"00", b"1.", b".1",
    b"-.1", b"1.e1", b"1e", b"1e+", b"1E-", b"1ee1", b"1e1.5", b"1.2.3", b"0x10", b"0b1", b"1_000", b"1,000",
    b"1 000", b"1a", b"-a", b"- 1", b"\xef\xbc\x91", b"'a'", b'"a', b'a"', b"a", b'"\\"', b'"\\x41"', b'"\\a"',
    b'"\\\'"', b'"\\0"', b'"\\v"', b'"\\"a', b'"\\u"', b'"\\u1"', b'"\\u12"', b'"\\u123"', b'"\\u123g"', b'"\\u+123"',
    b'"\\u 123"', b'"\\U0041"', b'"\\u{41}"', b'"\\ud83d\\u"', b'"\n"', b'"\r"', b'"\t"', b'"\x00"', b'"\x1f"',
    b'"\x08"', b'"aaaaaaaa\n"', b'"aaaaaaaaaaaa\x01aa"', b'"\\\n"', b'"\x80"', b'"\xbf"', b'"\xc0\x80"',
    b'"\xc1\xbf"', b'"\xc3"', b'"\xc3a"', b'"\xe0\x80\x80"', b'"\xe0\x9f\xbf"', b'"\xe2\x82"', b'"\xe2\x82a"',
    b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xf0\x80\x80\x80"', b'"\xf0\x8f\xbf\xbf"',
    b'"\xf0\x9f\x98"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xfe"', b'"\xff"',
    b'"\\\xff"', b'"\\ud83d"', b'"\\ude00"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ud83d"', b'"\\ud83da"', b'"\\ud83d\\n"',
    b'"\\ud83d\\u0041"', b'"\\ud83d\\uE000"', b'{"\\ud800":1}', b"[", b"[1", b"[1,", b"[,1]", b"[1,]", b"[1,,2]",
    b"[1 2]", b"[1;2]", b"[1}", b"[1:2]", b"[[]", b"[]]", b"[\x0b1]", b"[\x0c]", b"[\xc2\xa01]", b"[\xe2\x80\x831]",
    b"{", b'{"b"', b'{"b":', b'{"b":1', b'{"b":1,', b'{"b":1,}', b'{,"b":1}', b'{"b" 1}', b'{"b":}', b'{"b"}',
    b'{"b":1:2}', b'{"b":1 "c":2}', b'{"b":1,,"c":2}', b"{b:1}", b"{'b':1}", b"{1:1}", b"{null:1}", b"{[]:1}",
    b'{"b":1]', b'{"b":1}}', b"/**/1", b"1/**/", b"1//", b"1#", b"<1>", b"\x00", b"\xff", b"\xef\xbb\xbf1", b"1\x00",
    b"true false", b"{}{}", b"`a`",
)  # fmt: skip

INVALID_TEXTS = (
    b"", b" ", b"\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}", b"\xfe\xff\x00{\x00}", b"{\x00}\x00",
    b"{}x", b"{} {}", b"{},", b"{}\x00", b"{}\x0b", b"}", b"{", b"{]", b'{"', b'{"a', b'{"a"', b'{"a":', b'{"a":"',
    b'{"a":"\\', b'{"a":"\\u', b'{"a":"\\u0', b'{"a":t', b'{"a":-', b'{"a":1e', b'{"a":[', b"\xa0{}", b"\xc2\xa0{}",
    b"//\n{}", b"({})",
)  # fmt: skip

VALID_TEXTS = (
    b"{}", b" {} ", b"\r\n\t {}\r\n\t ", b'{"a":1}', b'{"a":1,"b":2}', b'{"":""}',
    b'{"a":1,"A":2,"a ":3,"\\u0000":4}', b'{"\xc3\xa9":1,"e\xcc\x81":2}', b'\t{\n"a"\r:\n1\t,"b" : [ ] }\n',
)  # fmt: skip

NOT_OBJECTS = (b"[]", b"1", b'"a"', b"null", b"true", b" [{}] ", b"-0.5e3", b'["a",1]')

# The grammar allows these numbers and leaves their range to the reader: the gateway passes them on as they are.
BEYOND_RANGE = (
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"9" * 5000,
    b"-" + b"9" * 400,
    b"0." + b"3" * 5000,
    b"1" + b"0" * 400,
    b"1e99999",
)

# Nesting is left to the reader as well: 1,024 containers are accepted, the body itself among them.
DEEPEST = 1024

# So are repeated keys; a gateway that looked at one and passed on both could be deceived. However the key is written.
REPEATED = (
    b'{"model":1,"model":2}', b'{"model":1,"model":1}', b'{"model":1,"x":2,"mod\\u0065l":3}',
    b'{"\\u006dodel":1,"model":2}', b'{"":1,"":2}', b'{"\\u0000":1,"\\u0000":2}', b'{"\xc3\xa9":1,"\\u00e9":2}',
    b'{"\xf0\x9f\x98\x80":1,"\\ud83d\\ude00":2}', b'{"a/b":1,"a\\/b":2}', b'{"\\n":1,"\\u000a":2}',
)  # fmt: skip
