#!/bin/sh
# What seqtrain is built with: `deps.sh check` tells what is missing for the program, `deps.sh check tests` what for it and
# its tests; `deps.sh install` brings all, development tools too (Debian: apt, as root or sudo); `deps.sh ensure [tests]`
# installs what is missing where that needs no question, else tells it. In place of tests, slurm: for tests of jobs;
# scale: for simulated clusters; fuzz: for fuzzers.
set -u
PKG=${PKG:-pkg-config}
MPICC=${MPICC:-mpicc}
CXX=${CXX:-g++}
BLAS=${BLAS:-openblas}

# HDF5 without hdf5.pc: HDF5_DIR holds include/ and lib/.
has_hdf5() {
    [ -n "${HDF5_DIR:-}" ] || { $PKG --exists 'hdf5 >= 1.10.2'; return; }
    [ -n "$(find "$HDF5_DIR/lib/" -maxdepth 1 '(' -name libhdf5.so -o -name libhdf5.a ')' 2>/dev/null)" ] &&
        awk '$2 ~ /^H5_VERS_(MAJOR|MINOR|RELEASE)$/ { version = version * 1000 + $3 } END { exit version < 1010002 }' \
            "$HDF5_DIR/include/H5public.h" 2>/dev/null
}

missing() { # "tests", "slurm", "scale" or "fuzz" as well
    command -v "$CXX" >/dev/null 2>&1 || echo build-essential
    command -v "$PKG" >/dev/null 2>&1 || { echo "pkg-config $all_libraries"; [ "$1" != tests ] || echo libcmocka-dev; return; }
    command -v "$MPICC" >/dev/null 2>&1 || echo libopenmpi-dev
    command -v mpirun >/dev/null 2>&1 || command -v srun >/dev/null 2>&1 || echo openmpi-bin
    $PKG --exists "$BLAS" || if [ "$BLAS" = openblas ]; then echo libopenblas-openmp-dev; else echo "$BLAS"; fi
    has_hdf5 || echo libhdf5-dev
    $PKG --exists zlib || echo zlib1g-dev
    $PKG --exists sentencepiece || echo libsentencepiece-dev
    $PKG --exists yaml-0.1 || echo libyaml-dev
    $PKG --exists libcjson || echo libcjson-dev
    $PKG --exists libpng || echo libpng-dev
    [ "$1" != tests ] && [ "$1" != fuzz ] || $PKG --exists cmocka || echo libcmocka-dev
    [ "$1" != slurm ] || missing_slurm
    [ "$1" != scale ] || missing_scale
    [ "$1" != fuzz ] || missing_fuzz
}
all_libraries="libopenmpi-dev openmpi-bin libopenblas-openmp-dev libhdf5-dev zlib1g-dev libsentencepiece-dev libyaml-dev libcjson-dev libpng-dev"

# For `make test-slurm`: a cluster on this machine.
missing_slurm() {
    command -v slurmctld >/dev/null 2>&1 || echo slurmctld
    command -v slurmd >/dev/null 2>&1 || echo slurmd
    command -v sbatch >/dev/null 2>&1 || echo slurm-client
    command -v munged >/dev/null 2>&1 || echo munge
    command -v ip >/dev/null 2>&1 || echo iproute2
}

# For `make scale`.
missing_scale() {
    command -v smpicc >/dev/null 2>&1 || echo libsimgrid-dev
    command -v python3 >/dev/null 2>&1 || echo python3
}

# For `make fuzz`: clang, for its fuzzer, sanitizers and OpenMP.
missing_fuzz() {
    command -v clang-14 >/dev/null 2>&1 || echo clang-14
    [ -n "$(find /usr/lib/llvm-14/lib/clang -name 'libclang_rt.fuzzer-*.a' 2>/dev/null)" ] || echo libclang-rt-14-dev
    [ -e /usr/lib/llvm-14/lib/libomp.so ] || echo libomp-14-dev
}

# For `make lint`, `make memcheck`, the fault tests and the tests of completion and manual page; the program needs none.
development() {
    command -v clang-format >/dev/null 2>&1 || echo clang-format
    command -v valgrind >/dev/null 2>&1 || echo valgrind
    command -v shellcheck >/dev/null 2>&1 || echo shellcheck
    command -v zsh >/dev/null 2>&1 || echo zsh
    command -v groff >/dev/null 2>&1 || echo groff-base
}

tell() { # what is missing, "tests"
    echo "seqtrain: missing to build${2:+ the tests}: $1" >&2
    echo "          'make deps' installs them on Debian; on a cluster load modules for MPI, HDF5 >= 1.10.2, OpenBLAS," >&2
    echo "          SentencePiece, libyaml, cJSON, zlib${2:+, cmocka}, or set MPICC=, PKG_CONFIG_PATH=, BLAS=, HDF5_DIR= (where its" >&2
    echo "          include/ and lib/ are${HDF5_DIR:+; now $HDF5_DIR})." >&2
}

# Whether packages can be installed without asking a person.
may_install() {
    command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

apt_install() { # packages
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    # shellcheck disable=SC2086
    $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $1
}

case "${1:-check}" in
check)
    absent=$(missing "${2:-}" | tr '\n' ' ')
    [ -z "$absent" ] && exit 0
    tell "$absent" "${2:-}"
    exit 1
    ;;
ensure)
    absent=$(missing "${2:-}" | tr '\n' ' ')
    [ -z "$absent" ] && exit 0
    may_install || { tell "$absent" "${2:-}"; exit 1; }
    echo "installing $absent"
    apt_install "$absent" >/dev/null
    ;;
install)
    absent=$({ missing tests; development; } | tr '\n' ' ')
    [ -z "$absent" ] && { echo "nothing is missing"; exit 0; }
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "no apt here; please load or install what these Debian packages hold: $absent" >&2
        exit 1
    fi
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1 || { echo "please install as root: apt-get install $absent" >&2; exit 1; }
    apt_install "$absent"
    ;;
*)
    echo "usage: deps.sh check [tests|slurm|scale|fuzz] | ensure [tests|slurm|scale|fuzz] | install" >&2
    exit 64
    ;;
esac
