#!/bin/bash
# `make test-faults`: each fault injected, and a table of what was injected how often. Arguments choose by name: kill, flips,
# nth, power, hostile. The soak (soak.sh MINUTES) is run by itself. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
FAULTS_TABLE=$BUILD/log/faults.table
export BUILD FAULTS_TABLE
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
mkdir -p "$BUILD/log"
rm -rf "$BUILD/log/faults"
: >"$FAULTS_TABLE"

[ $# != 0 ] || set -- kill nth flips power hostile
for name in "$@"; do
    began=$SECONDS
    echo "$name"
    "tests/faults/$name.sh" || echo "0|tests/faults/$name.sh|ended with a failure|1|0" >>"$FAULTS_TABLE"
    echo "  $((SECONDS - began)) s"
done

# Rows that are tested elsewhere: number, scenario, where.
elsewhere='3|SIGTERM, USR1, INT at any time|tests/cli/stop.sh, resume.sh
4|SIGTERM without warning|tests/cli/stop.sh
8|short writes, interruptions without end|tests/io/test_h5.c, test_durable.c
10|all checkpoints are bad|tests/cli/train_errors.sh, tests/io/test_checkpoint.c
11|newer format, foreign HDF5, another vocabulary|tests/io/test_h5.c, test_h5_crafted.c, tests/cli/train_errors.sh
12|resume on 1, 2, 3, 4 ranks|tests/cli/elastic.sh, resume.sh; each case here
13|two jobs in one run directory|tests/cli/lock.sh, tests/io/test_run.c
15|the corpus was replaced|tests/cli/corpus_changes.sh
16|the corpus is written to while it is read|tests/cli/corpus_changes.sh, tests/io/test_reader.c
17|NaN in loss or gradient|tests/cli/numbers.sh
18|a loss far above the others|tests/train/test_spike.c
19|parameters of a rank differ|tests/cli/numbers.sh
20|a rank computes wrong numbers|tests/cli/numbers.sh
22|a slow rank|tests/cli/watch.sh
23|a rank hangs, is stopped or dead|tests/cli/watch.sh, tests/comm/test_watch.c
24|a write that never ends|tests/cli/watch.sh
25|node crash, time limit, requeue|tests/slurm
26|a crash loop is stopped|tests/slurm
27|a full pipe or disk at standard error, closed outlets|tests/cli/outlets.sh, tests/comm/test_outlet.c
28|clocks that jump, files of other times|tests/cli/clock.sh
30|hostile YAML|tests/io/test_options_yaml.c, tests/fuzz
32|hostile text|tests/io/test_text.c, tests/cli/prepare.sh, tests/fuzz
33|tokens and offsets out of range|tests/io/test_corpus.c
36|a failure that all ranks meet is told once|tests/cli/messages.sh
35|ranks disagree|tests/cli/mixed_cores.sh'
echo
{
    sort -t'|' -k1,1n -s "$FAULTS_TABLE"
    while IFS='|' read -r row scenario where; do echo "$row|$scenario|in $where||"; done <<<"$elsewhere"
} | sort -t'|' -k1,1n -s | awk -F'|' 'BEGIN { printf "%4s  %-78s %6s %6s  %s\n", "row", "scenario", "runs", "passed", "how" }
    { printf "%4s  %-78s %6s %6s  %s\n", $1, $2, $4, $5, $3 }'
echo
awk -F'|' '{ passed += $5; failed += $4 - $5 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$FAULTS_TABLE"
