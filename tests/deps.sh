#!/bin/sh
# What seqtrain is built with: `deps.sh check` tells what is missing, `deps.sh install` brings it (Debian: apt, as root or sudo).
set -u
PKG=${PKG:-pkg-config}
MPICC=${MPICC:-mpicc}
CXX=${CXX:-g++}
BLAS=${BLAS:-openblas}

missing() {
    command -v "$CXX" >/dev/null 2>&1 || echo build-essential
    command -v "$PKG" >/dev/null 2>&1 || { echo pkg-config; echo "$all_libraries"; return; }
    command -v "$MPICC" >/dev/null 2>&1 || echo libopenmpi-dev
    command -v mpirun >/dev/null 2>&1 || command -v srun >/dev/null 2>&1 || echo openmpi-bin
    $PKG --exists "$BLAS" || if [ "$BLAS" = openblas ]; then echo libopenblas-openmp-dev; else echo "$BLAS"; fi
    $PKG --exists 'hdf5 >= 1.10.2' || echo libhdf5-dev
    $PKG --exists zlib || echo zlib1g-dev
    $PKG --exists sentencepiece || echo libsentencepiece-dev
    $PKG --exists yaml-0.1 || echo libyaml-dev
    $PKG --exists libcjson || echo libcjson-dev
    $PKG --exists cmocka || echo libcmocka-dev
}
all_libraries="libopenmpi-dev openmpi-bin libopenblas-openmp-dev libhdf5-dev zlib1g-dev libsentencepiece-dev libyaml-dev libcjson-dev libcmocka-dev"

# For `make lint`, `make memcheck` and the fault tests; the program needs none of them.
development() {
    command -v clang-format >/dev/null 2>&1 || echo clang-format
    command -v valgrind >/dev/null 2>&1 || echo valgrind
    command -v shellcheck >/dev/null 2>&1 || echo shellcheck
}

case "${1:-check}" in
check)
    absent=$(missing | tr '\n' ' ')
    [ -z "$absent" ] && exit 0
    echo "seqtrain: missing to build: $absent" >&2
    echo "          'make deps' installs them on Debian; on a cluster load modules for MPI, HDF5 >= 1.10.2, OpenBLAS," >&2
    echo "          SentencePiece, libyaml, cJSON, zlib, cmocka, or set MPICC=, PKG_CONFIG_PATH=, BLAS=." >&2
    exit 1
    ;;
install)
    absent=$({ missing; development; } | tr '\n' ' ')
    [ -z "$absent" ] && { echo "nothing is missing"; exit 0; }
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "no apt here; please load or install what these Debian packages hold: $absent" >&2
        exit 1
    fi
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || { echo "please install as root: apt-get install $absent" >&2; exit 1; }
        as_root=sudo
    fi
    $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $absent
    ;;
*)
    echo "usage: deps.sh check|install" >&2
    exit 64
    ;;
esac
