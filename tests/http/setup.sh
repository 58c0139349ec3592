#!/usr/bin/env bash
# Puts into the cache folder, under test/openai/, a Python environment with OpenAI's client in pinned versions: the tests ask a
# server by it. What is there is left alone, and then no network is needed; nothing but the tests needs it.
set -euo pipefail
home=$(realpath -m -- "${VINEDB_HOME:-${XDG_CACHE_HOME:-${HOME:?is not set: set VINEDB_HOME}/.cache}/vinedb}")/test/openai
wanted=$(dirname "${BASH_SOURCE[0]}")/openai.txt

stop() { { echo; printf '%s\n' "$@"; } >&2; exit 1; }
is_there() { cmp -s "$wanted" "$home/openai.txt" && "$home/bin/python3" -c '' 2>/dev/null; }

! is_there || exit 0
mkdir -p "$(dirname "$home")" || stop "Cannot create $home: set VINEDB_HOME to a folder that you may write to."
exec 9<"$(dirname "$home")"
flock 9 2>/dev/null || true   # a second run waits for the first, and then finds what it has made
! is_there || exit 0
printf "==> Fetching OpenAI's Python client for the tests …\n"
rm -rf "$home"
python=
for found in python3 /usr/bin/python3; do
  ! "$found" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { python=$found; break; }
done
[ -n "$python" ] || stop "The tests use OpenAI's client: Python 3.11 or newer with venv is needed (Debian and Ubuntu: apt-get install python3-venv)."
"$python" -m venv "$home" || stop "Python's environment could not be made in $home."
PIP_NO_INPUT=1 "$home/bin/python3" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: -r "$wanted" ||
  stop "OpenAI's Python client could not be fetched. Where PyPI is out of reach, put the wheels of what tests/http/openai.txt names into a folder WHEELS" \
    "and run the same again with PIP_NO_INDEX=1 PIP_FIND_LINKS=WHEELS."
cp "$wanted" "$home/openai.txt"   # last: what is whole has it
