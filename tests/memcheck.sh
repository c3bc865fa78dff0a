#!/bin/bash
# `make memcheck`: unit tests and a tiny training run under valgrind. First it must find three planted errors.
# MEMCHECK_TESTS="io/test_plan ..." runs those tests only.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
# The program must not execute itself again (world_prepare()): under valgrind that fails. Nor may BLAS use AVX-512.
grep -qs avx2 /proc/cpuinfo && export OPENBLAS_CORETYPE=HASWELL
supp=
for file in /usr/share/openmpi/openmpi-valgrind.supp /etc/openmpi/openmpi-valgrind.supp; do
    [ -e "$file" ] && supp="--suppressions=$file"
done
check() { # whole program: errors and definite leaks give status 99
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --suppressions=tests/valgrind.supp ${supp:+"$supp"} "$@"
}
passed=0
failed=0
note() { # name, good (0/1), log
    if [ "$2" = 0 ]; then passed=$((passed + 1)) && echo "  ok    $1"; else
        failed=$((failed + 1))
        echo "  FAIL  $1"
        tail -n 40 "$3" | sed 's/^/        /'
    fi
}
mkdir -p "$BUILD/log"
for error in read uninitialised leak; do
    check "$BUILD/tests/comm/tool_planted_error" "$error" >"$BUILD/log/planted" 2>&1
    [ $? = 99 ]
    note "finds a planted error: $error" $? "$BUILD/log/planted"
done
# All unit tests but those that take more than 20 s here, because they walk every byte of a file (h5_crafted), every length
# of a vector (vector), every shape of an operation (kernels, ops) or every parameter (model, slopes); sanitizer builds run them.
slow=" io/test_h5_crafted models/test_kernels models/test_model models/test_model_memory models/test_ops models/test_slopes models/test_vector "
tests=()
for source in tests/*/test_*.c; do
    name=${source#tests/} name=${name%.c}
    [[ $slow == *" $name "* ]] || tests+=("$name")
done
for name in ${MEMCHECK_TESTS:-"${tests[@]}"}; do
    [ -x "$BUILD/tests/$name" ] || { note "$name is there" 1 /dev/null; continue; }
    check "$BUILD/tests/$name" >"$BUILD/log/memcheck" 2>&1
    note "$name" $? "$BUILD/log/memcheck"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$BUILD/seqtrain" generate numbers --output "$work" --lines 200 --test-lines 20 >/dev/null 2>&1 &&
    "$BUILD/seqtrain" prepare --source "$work/train.en" --target "$work/train.de" --output "$work/train.h5" --vocab-kind char --vocab-size 60 >/dev/null 2>&1
check "$BUILD/seqtrain" train --run.directory "$work/run" --data.train "$work/train.h5" --train.until 3u --batch.tokens 200 --batch.micro_batches 2 \
    --model.width 16 --model.heads 2 --model.ffn_width 32 --model.encoder_layers 1 --model.decoder_layers 1 >"$BUILD/log/memcheck" 2>&1
note "three updates of a tiny Transformer" $? "$BUILD/log/memcheck"
check "$BUILD/seqtrain" train --run.directory "$work/run" --data.train "$work/train.h5" --train.until 5u --batch.tokens 200 --batch.micro_batches 2 \
    --model.width 16 --model.heads 2 --model.ffn_width 32 --model.encoder_layers 1 --model.decoder_layers 1 >"$BUILD/log/memcheck" 2>&1
note "resume for two more" $? "$BUILD/log/memcheck"
check "$BUILD/seqtrain" info --verify "$work/run/last.h5" >"$BUILD/log/memcheck" 2>&1
note "info --verify" $? "$BUILD/log/memcheck"
check "$BUILD/seqtrain" translate "$work/run" --input "$work/test.en" --output "$work/out" >"$BUILD/log/memcheck" 2>&1
note "greedy translation" $? "$BUILD/log/memcheck"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
