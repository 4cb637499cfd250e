#!/usr/bin/env bash
# Sees to the packages that a group of targets needs: installs them as root on Debian, else says
# exactly which are missing. Usage: scripts/tools.sh build|python|load|policies|redis|postgres|browser ...
set -euo pipefail

missing=()

# need PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

# The library alone will not do: it reads C with headers of its own.
has_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" ]] ||
        { compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' &&
            compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h'; }
}

# Debian keeps the server's programs off the path.
has_postgres() {
    command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'
}

for group in "$@"; do
    case $group in
    build)
        if ! command -v cargo >/dev/null; then
            echo "Rust is missing: install it (https://rustup.rs) and try again." >&2
            exit 1
        fi
        need g++ command -v c++
        need make command -v make
        need cmake command -v cmake      # builds the engine (llama.cpp)
        need libclang-dev has_libclang   # reads the engine's headers
        ;;
    python) need python3-venv python3 -c 'import venv, ensurepip' ;;
    policies) need cvc5 command -v "${CVC5:-cvc5}" ;; # proves policies
    postgres) need postgresql has_postgres ;; # a server for each test that needs one
    redis) need redis-server command -v redis-server ;; # keeps sums that gateways share
    browser) need chromium command -v chromium ;; # looks at the report's page
    load) need nginx command -v nginx ;; # what Isthmus is measured against
    *)
        echo "unknown group of tools: $group" >&2
        exit 2
        ;;
    esac
done

[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "Missing packages: ${missing[*]}" >&2
    echo "On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
