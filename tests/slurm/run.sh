#!/bin/bash
# `make test-slurm`: slurm/train.sbatch on a cluster of two nodes made on this machine (cluster.sh). Arguments choose tests
# by name. Ends with `N passed, N failed`, and leaves no process and no file.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(realpath "${BUILD:-build}/seqtrain")
sources=$PWD
cluster=$PWD/tests/slurm/cluster.sh

[ "$(id -u)" = 0 ] || { echo "test-slurm: expected root, to make a cluster of namespaces; found user $(id -un)" >&2; exit 1; }
unshare -n -u -i -m -p -f --mount-proc true ||
    { echo "test-slurm: this machine permits no namespaces (see the line above): expected CAP_SYS_ADMIN" >&2; exit 1; }

folder=$(mktemp -d /tmp/seqtrain-slurm.XXXXXX) || exit 1
trap '"$cluster" stop "$folder/cluster"; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP
cd "$folder" || exit 1
export SLURM_CONF=$folder/cluster/slurm.conf TMPDIR=$folder/tmp
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mkdir tmp
passed=0
failed=0
wrong=0

# ---- words for the tests ----

fail() {
    echo "        $*"
    wrong=1
}
ctl() { "$cluster" exec cluster ctl "$@"; }
submit() { # NAME WORDS of sbatch: $job; what it says goes to NAME.log, its run is NAME
    name=$1
    shift
    # shellcheck disable=SC2016
    job=$(ctl bash -c '. "$0/site.sh" && sbatch --parsable "$@"' "${site:-mpirun}" -J "$name" -o "$name.log" --ntasks-per-node=1 "$@" \
        --run.directory "$name" 2>submit.txt) && return
    fail "sbatch: $(cat submit.txt)"
    return 1
}
field() { ctl scontrol show job "$job" | sed -n "s/^\(.* \)\?$1=\([^ ]*\).*/\2/p"; }
await() { # WORDS: until NAME.log has a line with the expression, at most two minutes
    for _ in $(seq 600); do
        grep -qE -- "$1" "$name.log" 2>/dev/null && return
        sleep 0.2
    done
    fail "expected '$1' in the log, found: $(tail -n 8 "$name.log" 2>&1)"
    return 1
}
progress() { wc -l 2>/dev/null <"$name/metrics.jsonl" || echo 0; }
await_progress() { # SINCE: until the run has told of more updates than that
    for _ in $(seq 600); do
        [ "$(progress)" -gt "$1" ] && return
        sleep 0.1
    done
    fail "expected more updates, found: $(tail -n 8 "$name.log" 2>&1)"
    return 1
}
await_checkpoint() { # the run has saved since this is called: the next start is the first from there
    local before
    before=$(newest "$name")
    for _ in $(seq 600); do
        [ "$(newest "$name")" != "$before" ] && return
        sleep 0.1
    done
    fail "expected a checkpoint after $before, found: $(tail -n 8 "$name.log" 2>&1)"
    return 1
}
await_end() { # STATE CODE RESTARTS (a pattern): the job ends so. On the way it may show other states, or none while the controller is busy.
    local found=
    for _ in $(seq 600); do
        found="$(field JobState) $(field ExitCode) $(field Restarts)"
        # shellcheck disable=SC2053
        [[ $found == $1\ $2:0\ $3 ]] && return
        [[ $found == @(COMPLETED|FAILED|CANCELLED|TIMEOUT)* ]] && break
        sleep 0.2
    done
    fail "expected the job to end as $1 $2:0 $3, found $found: $(tail -n 8 "$name.log")"
    fail "job $(field Reason); $(ctl sinfo -N -h -o '%N %T %E;' | tr '\n' ' ')$(tail -n 30 cluster/log/slurm*.log cluster/log/n?.log)"
}
says() { # WORDS...: NAME.log has a line with each
    local words
    for words in "$@"; do
        grep -qE -- "$words" "$name.log" || fail "expected '$words' in the log, found: $(tail -n 20 "$name.log")"
    done
}
fact() { "$program" info "$1" --json | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
newest() { basename "$(readlink -f "$1/last.h5")"; }
until_update() { sed -i "s/until: .*/until: ${1}u/" train.yaml; }

# The run ended where one that nobody disturbed ends, on another number of ranks.
compare_with_undisturbed() {
    local end
    end=$(fact "$name" update)
    if ! mpirun -n 3 --oversubscribe "$program" train train.yaml --run.directory "$name-undisturbed" --train.until "${end}u" \
        --comm.threads 1 >undisturbed.txt 2>&1; then
        fail "the undisturbed run: $(tail -n 5 undisturbed.txt)"
        return
    fi
    [ "$(fact "$name" parameters_crc32)" = "$(fact "$name-undisturbed" parameters_crc32)" ] ||
        fail "other parameters than the undisturbed run: $(fact "$name" parameters_crc32), $(fact "$name-undisturbed" parameters_crc32)"
    cmp "$name/last.h5" "$name-undisturbed/last.h5" || fail "the last checkpoint differs from the undisturbed run's"
}

# ---- tests ----

# One job over four starts: stopped by Slurm's warning before the time limit, a rank killed, a node lost, to the end.
test_resume() {
    until_update 1000000
    submit resume -N2 -t1 --signal=B:USR1@30 mpirun/train.sbatch train.yaml || return
    await 'restart 0: queued again' || return
    says 'asked to stop by USR1' 'stopped after update [0-9]+ .on a signal.' 'ended with status 75' '2 ranks on n\[1-2\], threads of each: 1'
    ctl scontrol update "JobId=$job" TimeLimit=10

    await 'resumed from' && await_checkpoint || return
    # shellcheck disable=SC2016
    "$cluster" exec cluster n2 bash -c 'kill -KILL $(pgrep -o -x seqtrain)'
    await 'restart 1: queued again' || return
    says 'restart 1: .*ended with status 137'

    await 'restart 2: start 1 from' && await_checkpoint || return
    "$cluster" crash cluster n2
    await 'restart 2: queued again' || return
    says 'restart 2: .*ended with status (1[3-9][0-9]|2[0-9][0-9])'
    until_update $(($(fact resume update) + 300))
    ctl scontrol update NodeName=n2 State=DOWN Reason=crashed # until it comes back
    # No node is back at once. A job that starts again in the second of its end has a credential that n1 takes for the one
    # it has just revoked (cred_expire), and Slurm ends it for that.
    sleep 7
    "$cluster" boot cluster n2

    await_end COMPLETED 0 '[3-5]' # a node just back may miss a start; three are allowed without a new checkpoint
    says 'restart [3-5]: .*ended with status 0'
    [ ! -e resume/slurm-starts ] || fail "the count of starts is left over"
    compare_with_undisturbed
}

# Ranks started by srun; stopped by hand.
test_srun() {
    until_update 1000000
    site=srun submit srun -N2 -t10 srun/train.sbatch train.yaml || return
    await_progress 1 || return
    ctl scancel --batch --signal=USR1 "$job"
    await 'restart 0: queued again' || return
    says 'stopped after update [0-9]+ .on a signal.' 'ended with status 75'
    until_update $(($(fact srun update) + 200))
    await_end COMPLETED 0 1
    compare_with_undisturbed
}

# Where no signal comes, the trainer stops by itself before the end of the job, and earlier if its settings say so.
test_time_limit() {
    until_update 1000000
    submit time_limit -N1 -t1 --signal=B:CONT@1 mpirun/train.sbatch train.yaml --train.time_limit 1h || return
    await 'restart 0: queued again' || return
    says 'stopped after update [0-9]+ .train.time_limit.' 'ended with status 75'
    until_update 1
    await_end COMPLETED 0 1
    until_update 1000000
    submit own_limit -N1 -t5 mpirun/train.sbatch train.yaml --train.time_limit 2s || return
    await 'restart 0: queued again' || return
    says 'stopped after update [0-9]+ .train.time_limit.'
    until_update 1
    await_end COMPLETED 0 1
}

# Without site.sh in the shell that submits: the job finds it beside the script. Nothing is left of a refused start.
test_refused() {
    job=$(ctl sbatch --parsable -J refused -o refused.log -N1 "$folder/mpirun/train.sbatch" train.yaml --model.width 0 \
        --run.directory refused 2>&1)
    name=refused
    await_end FAILED 78 0
    says 'model.width' 'nothing was started'
    [ ! -e refused ] || fail "a refused start left $(ls -d refused/*)"
    submit missing -N1 -t10 mpirun/train.sbatch train.yaml --data.train nothing.h5 || return
    await_end FAILED 66 0
    says 'nothing.h5' 'ended with status 66' 'not queued again: it would end the same way'
}

# What follows each status, by a launcher that only ends with what is written for each start of the job.
test_statuses() {
    local case cases=('71 0:COMPLETED 0 1' '205 1 0:COMPLETED 0 2' '75 137 71:FAILED 71 2' '1:FAILED 1 0' '70:FAILED 70 0')
    local -A jobs
    cp -r mpirun launcher
    sed -i "s|^SITE_LAUNCH=.*|SITE_LAUNCH=$folder/launcher/launch|" launcher/site.sh
    cat >launcher/launch <<'END'
#!/bin/bash
statuses=(${SLURM_JOB_NAME//-/ })
exit "${statuses[${SLURM_RESTART_COUNT:-0}]}"
END
    chmod +x launcher/launch
    for case in "${cases[@]}"; do
        name=${case%%:*}
        site=launcher submit "${name// /-}" -N1 -t10 launcher/train.sbatch train.yaml || return
        jobs[$case]=$job
    done
    for case in "${cases[@]}"; do
        name=${case%%:*} name=${name// /-} job=${jobs[$case]}
        # shellcheck disable=SC2086
        await_end ${case#*:}
    done
    name=75-137-71
    says 'start 1 from nothing' 'start 3 from nothing' 'not queued again: 3 starts without a new checkpoint'
}

# scancel ends it; making room for a job of higher priority does not, whoever is first to queue it again.
test_cancelled() {
    until_update 1000000
    submit cancelled -N2 -t10 mpirun/train.sbatch train.yaml || return
    await_progress 0 || return
    ctl scancel "$job"
    await_end CANCELLED 71 0
    says 'asked to stop by TERM' 'not queued again: the job is cancelled'
}
test_preempted() {
    until_update 1000000
    submit preempted --exclusive -N2 -t10 mpirun/train.sbatch train.yaml || return
    await_progress 0 || return
    ctl sbatch -J high --exclusive -p high -N2 -o high.log --wrap true >/dev/null
    await 'restart 0: (queued again|Slurm has queued the job again)' || return
    until_update 1
    await_end COMPLETED 0 1
}

# What is wrong in site.sh is told before anything is submitted.
test_site() {
    local line
    cp -r mpirun broken
    for line in 'SITE_PROGRAM=nowhere/seqtrain' 'SITE_PROGRAM=/bin/false' 'SITE_LAUNCH=mpirum' 'SITE_MODULES=openmpi/4.1'; do
        sed "s|^${line%%=*}=.*|$line|" mpirun/site.sh >broken/site.sh
        # shellcheck source=slurm/site.sh
        (. broken/site.sh) 2>site.txt && fail "$line: expected a refusal, found none"
        grep -q "^site.sh: .*${line%%=*}.*${line#*=}" site.txt || fail "$line: expected a message of it, found $(cat site.txt)"
    done
    sed 's/^SITE_PARTITION=.*/SITE_PARTITION=high/' mpirun/site.sh >broken/site.sh
    until_update 1
    site=broken submit partition -N2 -t10 broken/train.sbatch train.yaml || return
    [ "$(field Partition)" = high ] || fail "expected the partition of site.sh, high, found $(field Partition)"
    await_end COMPLETED 0 0
}

# ---- all of them ----

echo "a cluster of two nodes"
"$cluster" start cluster 2 2 || exit 1
for kind in mpirun srun; do
    cp -r "$sources/slurm" "$kind"
    sed -i "s|^SITE_PROGRAM=.*|SITE_PROGRAM=$program|" "$kind/site.sh"
done
sed -i 's/^SITE_LAUNCH=.*/SITE_LAUNCH="srun --mpi=pmix -K1"/' srun/site.sh
{
    "$program" generate numbers --output text --lines 600 --test-lines 40 --seed 1 &&
        "$program" prepare --source text/train.en --target text/train.de --output train.h5 --vocab-size 100 --joint
} >corpus.txt 2>&1 || { cat corpus.txt; exit 1; }
cat >train.yaml <<'END'
data: {train: train.h5}
model: {width: 32, encoder_layers: 1, decoder_layers: 1, heads: 2, ffn_width: 64}
batch: {tokens: 512, micro_batches: 8}
schedule: {warmup: 100}
train:
  until: 1u
checkpoint: {every: 100u}
log: {every: 50u, level: detail}
END

for test in site refused statuses cancelled preempted srun time_limit resume; do
    [ $# = 0 ] || [[ " $* " == *" $test "* ]] || continue
    wrong=0 job=none name=$test start=$SECONDS
    "test_$test"
    ctl scancel "$job" 2>/dev/null
    if [ "$wrong" = 0 ]; then
        passed=$((passed + 1))
        echo "  ok    slurm/$test ($((SECONDS - start)) s)"
    else
        failed=$((failed + 1))
        echo "  FAIL  slurm/$test"
    fi
done
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
