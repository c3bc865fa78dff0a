#!/bin/bash
# `make memcheck`: unit tests and a tiny training run under valgrind, side by side. First it must find three planted errors.
# MEMCHECK_TESTS="io/test_plan ..." runs those tests only.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
export BUILD OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
# The program must not execute itself again (world_prepare()): under valgrind that fails. Nor may BLAS use AVX-512.
grep -qs avx2 /proc/cpuinfo && export OPENBLAS_CORETYPE=HASWELL
. tests/launch.bash
. tests/side_by_side.bash

supp=
for file in /usr/share/openmpi/openmpi-valgrind.supp /etc/openmpi/openmpi-valgrind.supp; do
    [ -e "$file" ] && supp="--suppressions=$file"
done
# Errors and definite leaks give status 99.
memcheck=(valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --suppressions=tests/valgrind.supp ${supp:+"$supp"})
for error in read uninitialised leak; do
    # shellcheck disable=SC2016
    check "finds a planted error: $error" bash -c '"$@"; [ $? = 99 ]' - "${memcheck[@]}" "$BUILD/tests/comm/tool_planted_error" "$error"
done
check "the program: training, resume, info --verify, translation" \
    bash tests/memcheck_program.sh "${memcheck[@]}"

# All unit tests but those that take more than 20 s here, because they walk every byte of a file (h5_crafted), every length
# of a vector (vector), every shape of an operation (kernels, ops), every parameter (model, slopes) or much of what a file
# can be (fuzz_cases); sanitizer builds run them.
slow=" fuzz/test_fuzz_cases io/test_h5_crafted models/test_kernels models/test_model models/test_model_memory models/test_ops models/test_slopes models/test_vector "
tests=()
for source in tests/*/test_*.c; do
    name=${source#tests/} name=${name%.c}
    [[ $slow == *" $name "* ]] || tests+=("$name")
done
for name in ${MEMCHECK_TESTS:-"${tests[@]}"}; do
    check "$name" "${memcheck[@]}" "$BUILD/tests/$name"
done

finish
