#!/usr/bin/env bash
# Write requirements/*.txt from pyproject.toml and the .in files: exact versions with the hashes of every published wheel.
# One resolution of everything first, so that all files agree and can share one environment.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:?usage: requirements/lock.sh PATH/TO/VENV/bin}
unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL
mkdir -p build/lock

compile() {
    "$bin/pip-compile" --quiet --strip-extras --allow-unsafe --resolver=backtracking --newline=lf --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}

compile --all-extras --upgrade --output-file build/lock/all.txt pyproject.toml

locked() { # name, then what to compile
    local name=$1
    shift
    local file=build/lock/$name.txt
    rm -f "$file"
    compile --generate-hashes --output-file "$file" "$@"
    { echo "# Made by \`make lock\`. Do not edit."; grep -v "^#" "$file" | cat -s; } >"requirements/$name.txt"
}

locked base --constraint build/lock/all.txt pyproject.toml
for extra in build test check cov bench lock; do
    # Only what the extra adds: the project's own dependencies are in base.txt.
    "$bin/python" - "$extra" >"build/lock/$extra.in" <<'PY'
import sys, tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]]))
PY
    locked "$extra" --constraint build/lock/all.txt "build/lock/$extra.in"
done
locked openrouter-0.11 requirements/openrouter-0.11.in
