#!/usr/bin/env bash
# Puts into the cache folder, under bench/embedding/, a Python environment with what the bench `embedding` compares with:
# sentence-transformers on PyTorch, and fastembed, in pinned versions. PyTorch comes with the libraries of its GPU build:
# some gigabytes, and minutes. What is there is left alone; nothing else needs it.
set -euo pipefail
home=$(realpath -m -- "${VINEDB_HOME:-${XDG_CACHE_HOME:-${HOME:?is not set: set VINEDB_HOME}/.cache}/vinedb}")/bench/embedding
wanted=$(dirname "${BASH_SOURCE[0]}")/requirements.txt

if cmp -s "$wanted" "$home/requirements.txt"; then
  exit 0
fi
printf '==> Fetching sentence-transformers, PyTorch and fastembed for the benchmarks (some gigabytes) …\n'
rm -rf "$home"
python3 -m venv "$home" || { echo "A Python with venv is needed (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
"$home/bin/python3" -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary=:all: -r "$wanted"
cp "$wanted" "$home/requirements.txt"   # last: what is whole has it
