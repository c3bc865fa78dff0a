#!/bin/bash
# `make fuzz`: looks for inputs that bring a reader down, FUZZ_SECONDS (60) for each target, as many side by side as there
# are cores (JOBS=N). FUZZ_TARGETS="yaml corpus" chooses; unset: all but those that are fragile (fuzz.h). What it learns is
# kept in build/fuzz/corpus/TARGET and built upon; what it finds lies in build/fuzz/found/TARGET: once it is mended, it
# belongs into tests/fuzz/cases/TARGET, made small with -minimize_crash=1.
#   FUZZ_FORGIVE=1   metadata of HDF5 passes its checksums whatever it is: this finds where the HDF5 library crashes
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/fuzz}
seconds=${FUZZ_SECONDS:-60}
mapfile -t all < <(sed -n 's/^const struct fuzz_target fuzz_\([a-z_]*\) =.*/\1/p' tests/fuzz/fuzz_*.c)
mapfile -t sound < <(sed -n 's/^const struct fuzz_target fuzz_\([a-z_]*\) = .*false};$/\1/p' tests/fuzz/fuzz_*.c)
read -ra targets <<<"${FUZZ_TARGETS:-${sound[*]}}"
for target in "${targets[@]}"; do
    [[ " ${all[*]} " == *" $target "* ]] || { echo "fuzz: unknown target $target; expected some of: ${all[*]}" >&2; exit 64; }
done

. tests/side_by_side.bash
export TEST_TIMEOUT=$((seconds + 300))
# Leaks are our own count of blocks: HDF5 loses some of its own where files are damaged. Libraries are not instrumented, so
# what they do inside containers cannot be judged.
export ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export OMP_NUM_THREADS=1
[ -d /dev/shm ] && export TMPDIR=${TMPDIR:-/dev/shm}

fuzz() { # TARGET
    local folder=$BUILD/corpus/$1
    local -a inputs=("$folder")
    [ ! -d "tests/fuzz/cases/$1" ] || inputs+=("tests/fuzz/cases/$1")
    mkdir -p "$folder" "$BUILD/found/$1"
    FUZZ_TARGET=$1 FUZZ_SEEDS=$folder "$BUILD/tests/fuzz/libfuzzer" "${inputs[@]}" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1100 -max_len=1048576 -len_control=20 \
        -print_final_stats=1 -artifact_prefix="$BUILD/found/$1/"
}
export -f fuzz
export BUILD seconds
for target in "${targets[@]}"; do check "fuzz $target" bash -c 'fuzz "$1"' - "$target"; done
finish
status=$?
for target in "${targets[@]}"; do
    log=$BUILD/log/fuzz_$target.log
    printf '%-12s %9s executions in %5s s, coverage %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$seconds" "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
done
exit "$status"
