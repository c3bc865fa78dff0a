#!/bin/bash
# `make lint`: what a reviewer should not have to look for. Each finding is one line; nothing found is silence and status 0.
set -u
cd "$(dirname "$0")/.." || exit 1
found=0
say() { echo "lint: $*"; found=1; }

mapfile -t c_files < <(git ls-files '*.c' '*.h' '*.cc')
mapfile -t headers < <(git ls-files '*.h')

if command -v clang-format >/dev/null; then
    clang-format --dry-run -Werror "${c_files[@]}" 2>/tmp/seqtrain-lint.$$ || { grep -m 20 'error:' /tmp/seqtrain-lint.$$; say "not formatted: run 'make format'"; }
    rm -f /tmp/seqtrain-lint.$$
else
    say "clang-format is missing: make deps"
fi

# Arrows go down only.
for rule in 'comm:io|models|train' 'io:models|train' 'models:train'; do
    while read -r line; do say "an arrow goes up: $line"; done < <(git grep -nE "^#include \"(${rule#*:})/" -- "${rule%%:*}/")
done
# Foreign types stay where they belong.
while read -r line; do say "MPI outside comm/: $line"; done < <(git grep -n '#include <mpi.h>' -- io models train)
while read -r line; do say "HDF5 outside io/h5/: $line"; done < <(git grep -n '#include <hdf5.h>' -- ':!io/h5*.c' ':!io/h5/internal.h' ':!tests')
while read -r line; do say "exit or assert below main: $line"; done < <(git grep -nE '(^|[^_a-z])(exit|abort)\(|<assert.h>' -- comm io models train ':!train/main.c' ':!comm/status.c')

for file in "${c_files[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || say "$file has $lines lines (none over 600)"
done
while read -r line; do say "unfinished: $line"; done < <(git grep -nwE 'TODO|FIXME|XXX' -- '*.c' '*.h' '*.cc' '*.sh' Makefile ':!tests/lint.sh')

# Each header compiles alone.
libraries="${BLAS:-openblas} sentencepiece yaml-0.1 libcjson zlib"
[ -n "${HDF5_DIR:-}" ] || libraries="$libraries hdf5"
# shellcheck disable=SC2086
cflags="${HDF5_DIR:+-I$HDF5_DIR/include} $(pkg-config --cflags $libraries)"
for header in "${headers[@]}"; do
    # shellcheck disable=SC2086
    echo "#include \"$header\"" | ${MPICC:-mpicc} -std=gnu11 -D_GNU_SOURCE -I. $cflags -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror -fsyntax-only -x c - || say "$header does not compile alone"
done

if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(git ls-files '*.sh' '*.sbatch' .ci/run)
    [ "${#scripts[@]}" = 0 ] || shellcheck -S warning "${scripts[@]}" || say "shellcheck has objections"
else
    say "shellcheck is missing: make deps"
fi

# Warnings are errors, in the tests too; a build of its own, or what is up to date would not be compiled again.
MAKEFLAGS='' ${MAKE:-make} --no-print-directory -s -j"$(nproc)" WERROR=1 build=build/lint programs >/dev/null || say "warnings"
exit $found
