#!/bin/sh
# Run the property tests and the fuzzers over a core built with AddressSanitizer, in a copy of the tree. Arguments go to
# pytest; `FUZZ_SECONDS` is the time of each of the four fuzzers.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
fuzz_s=${FUZZ_SECONDS:-2}
copy=$(mktemp -d)
# Pytest keeps what a test writes, and a finding ends it at once: so reports go to files, and are shown at the end.
trap 'cat "$copy"/report.* 2>/dev/null || true; rm -rf "$copy"' EXIT
cp -R _core edgeproxy tests setup.py pyproject.toml "$copy"
cd "$copy"
find edgeproxy -name '*.so' -delete
CFLAGS="-fsanitize=address -g -O1 -fno-omit-frame-pointer" LDFLAGS="-fsanitize=address" \
    "$python" setup.py -q build_ext --inplace
# Python's own allocator would hide our overflows, and the interpreter itself leaks at exit.
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:log_path="$copy/report" PYTHONMALLOC=malloc PYTHONPATH=. \
    timeout "${ASAN_LIMIT_S:-$((900 + 4 * ${fuzz_s%.*}))}" "$python" -m pytest tests/property tests/fuzz -q -p no:cacheprovider --hypothesis-profile=ci "$@"
