#!/bin/bash
# info: a corpus, a run and a checkpoint as lines and as JSON; all kinds; what is damaged is refused.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
shows() { # PATTERN WORDS...
    local pattern=$1
    shift
    "$program" info "$@" >out 2>err || fail "info $*: status $?: $(cat err)"
    grep -qE "$pattern" out || fail "info $* does not show '$pattern': $(cat out)"
}
crc() { "$program" info "$1" --json | sed -n 's/.*"parameters_crc32":"\([0-9a-f]*\)".*/\1/p'; }
refuses() { # STATUS PATTERN WORDS...
    local status=$1 pattern=$2
    shift 2
    "$program" info "$@" >out 2>err
    local found=$?
    [ "$found" = "$status" ] || fail "info $*: expected status $status, found $found"
    grep -qE "$pattern" err || fail "info $* does not say '$pattern': $(cat err)"
    [ -s out ] && fail "info $* failed and still wrote: $(cat out)"
}

printf 'a b c\n\nb c d\nc d a\n' >source
printf 'x y\ny\nz x\ny z\n' >target
"$program" prepare --source source --target target --output c.h5 --vocab-kind word --vocab-size 11 >prepared 2>&1 || fail "prepare: $(cat prepared)"
"$program" prepare --source source --target target --output valid.h5 --vocab c.h5 >prepared 2>&1 || fail "prepare: $(cat prepared)"
"$program" train --data.train c.h5 --data.valid valid.h5 --run.directory run --train.until 4u --model.width 8 \
    --model.heads 2 --model.ffn_width 8 --model.encoder_layers 1 --model.decoder_layers 1 --batch.micro_batches 1 \
    --checkpoint.every 2u --validate.every 2u --validate.metrics bleu --comm.threads 1 >trained 2>&1 || fail "train: $(cat trained)"

# A corpus.
shows '^kind +corpus$' c.h5
shows '^pairs +3$' c.h5
shows '^    vocabulary_kind +word$' c.h5
shows '^    empty +1$' c.h5
shows 'line 2: empty' c.h5 --skipped
shows '"kind":"corpus".*"pairs":3' c.h5 --json
shows '^verified_arrays +[1-9]' c.h5 --verify

# A checkpoint.
last=run/checkpoints/update-00000004.h5
shows '^kind +checkpoint$' $last
shows '^update +4$' $last --verify
shows '^verified_bytes +[1-9]' $last --verify
shows '^ +2 +[0-9.]+ ' $last # a row of its validations
shows '"kind":"checkpoint".*"update":4,"epoch":4,.*"parameters":[0-9]+,"parameters_crc32":"[0-9a-f]{8}","ema":false.*"source":\{"vocabulary":[0-9]+,"vocabulary_kind":"word"\}' $last --json
shows '^    model.width +8$' $last
shows '^    model.width +8$' run

# A run: what it is made of, how far it is, and a curve.
shows '^kind +run$' run
shows '^state +complete$' run
shows '^reason +train.until is reached$' run
shows '^last_log_line +next: seqtrain translate run ' run
shows '^updates_since_checkpoint +0$' run
shows '^ +4 +[0-9]+  update-00000004.h5  .*last.h5$' run
shows '^ +[24] +[0-9]+  update-0000000[24].h5  .*best.h5' run
shows '^    update +loss +perplexity +accuracy +bleu$' run
shows '^loss by update   \. training   o validation$' run
shows '^ +1 +4$' run # below it
grep -q '^    run.seed' out && fail "a setting at its default is told: $(cat out)"
shows '^    run.seed +1$' run --all
shows '^    run.init +-$' run --all
[ "$(grep -c '^ *[.0-9]* |.' out)" -ge 3 ] || fail "no curve: $(cat out)"
shows '"kind":"run","directory":"run","state":"complete","reason":"train.until is reached",' run --json
shows '"update":4,"epoch":4,.*"parameters":[0-9]+,"parameters_crc32":"[0-9a-f]{8}"' run --json
shows '"training":\{"updates":4,"tokens":[0-9]+,"seconds":[0-9.e-]+,"tokens_per_second":[0-9.]+,"loss":[0-9.]+\}' run --json
shows '"checkpoints":\[\{"update":2,"bytes":[0-9]+,"file":"update-00000002.h5","links":\[.*"last.h5"\]\}\]' run --json
shows '"best":\{"metric":"loss","value":[0-9.]+,"update":[24]\},"validations":\[\{"update":2,"loss":[0-9.]+,"perplexity":[0-9.]+,"accuracy":[0-9.]+,"bleu":[0-9.]+\},\{"update":4,' run --json
shows '"settings":\{"run.directory":"run",.*"validate.metrics":"bleu"' run --json
shows '"verified_arrays":' run --json --verify
[ "$(crc run)" = "$(crc $last)" ] || fail "the run is not told by its newest checkpoint"
[ "$(crc run)" != "$(crc run/checkpoints/update-00000002.h5)" ] || fail "training changes no parameter"

# Other states of a run.
cp -a run other
printf 'host elsewhere\npid 17\nborn 1\nboot b\nspace s\njob 77\nrestart 0\nsince then\n' >other/lock
shows '^reason +process 17 on elsewhere, job 77, since then$' other
shows '"state":"running",.*"held_by":\{"host":"elsewhere","process":17,"job":"77","since":"then"\}' other --json
[ -e other/lock ] || fail "info took the lock away"
touch -d '11 minutes ago' other/lock
shows '^state +complete$' other
rm other/lock
sed -i 's/until: 4u/until: 9u/' other/config.yaml
shows '^state +stopped$' other
shows '^reason +something is left to do' other
{
    printf '{"update":5,"epoch":5,"loss":2.5,"tokens":10,"tokens_per_second":100}\n'
    printf '{"update":6,"epoch":6,"loss":2.5,"tokens":10,"tokens_per_second":100}\n'
    printf '{"update":6,"epoch":6,"valid_loss":1.5}\n{"update":7,"los'
} >>other/metrics.jsonl
shows '^updates_since_checkpoint +2$' other
shows '^    update +6$' other # the best validation
[ -s err ] && fail "a line under way is warned of: $(cat err)"
echo 'no json' >>other/metrics.jsonl
shows '^state +stopped$' other
grep -q 'other/metrics.jsonl: 1 lines are passed over: expected a JSON object with an update' err || fail "no warning of a wrong line: $(cat err)"
rm other/metrics.jsonl
shows '^    update +loss +perplexity +accuracy +bleu$' other # they are in the checkpoint
printf 'model: {widht: 3}\n' >other/config.yaml
shows '^update +4$' other
grep -q 'the settings are not told: other/config.yaml:1: .*widht' err || fail "no warning of wrong settings: $(cat err)"
rm other/config.yaml
shows '^    model.width +8$' other # from the checkpoint
shows '^reason +no config.yaml tells when it is complete$' other
truncate -s -1 other/checkpoints/update-00000004.h5
shows '^update +2$' other
grep -q 'falling back to .*update-00000004.h5' err || fail "no warning of a damaged checkpoint: $(cat err)"
refuses 65 'update-00000004.h5: expected [0-9]+ bytes as its header says' other --verify
rm -r other/checkpoints
refuses 66 'other: expected a run directory, found neither checkpoints nor config.yaml' other
cp run/config.yaml other
shows '^update +0$' other
shows '^reason +no checkpoint yet$' other

# All kinds.
shows '^optimizer.kind$' # without arguments
shows '^    adam +' # its rows
shows '^    bleu +.*' # those of another owner
shows '^ +.*\(Vaswani et al. 2017\)$'
shows '^prepare --vocab-kind$'
shows '"model.position":\{"sinusoidal":\{"help":"[^"]*","source":"Vaswani et al. 2017"\}' --json
[ "$("$program" info | grep -cE '^[a-z]')" = "$("$program" info | grep -E '^[a-z]' | sort -u | wc -l)" ] || fail "a table is told twice"

refuses 64 'expected one file or run directory, found 2' c.h5 run
refuses 64 'info: --verify is about a file or run directory, found none' --verify --json
refuses 64 'info: --skipped is about a file or run directory, found none' --skipped
refuses 64 'info: --skipped is about a corpus, found a checkpoint: run/last.h5' run/last.h5 --skipped --json
refuses 64 'info: --skipped is about a corpus, found a run directory: run' run --skipped
refuses 64 'info: --all is about a checkpoint or a run, found a corpus: c.h5' c.h5 --all
refuses 64 'info: --all is about a file or run directory, found none' --all
refuses 64 'verfy' c.h5 --verfy
refuses 66 'absent' absent
mkdir empty
refuses 66 'empty: expected a run directory' empty
refuses 65 'another kind of file|with a header' source
for file in c.h5 $last; do
    bytes=$(stat -c %s "$file")
    head -c $((bytes - 1)) "$file" >cut.h5
    refuses 65 "cut.h5: expected $bytes bytes as its header says, found $((bytes - 1))" cut.h5
    { head -c 1000 "$file"; printf '\377\376'; tail -c +1003 "$file"; } >flipped.h5
    cmp -s "$file" flipped.h5 && fail "nothing was flipped"
    refuses 65 'flipped.h5: the contents are damaged: expected digest' flipped.h5 --verify
done
exit $failed
