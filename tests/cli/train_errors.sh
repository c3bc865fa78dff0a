#!/bin/bash
# Bad input of train: a clear message, the right status, and nothing harmed.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 120 1
make_corpus other 120 2


# ---- settings ----
train_refused 78 'model.widht.*model.width' -- --model.widht 32
train_refused 78 'model.width' -- --model.width wide
train_refused 78 'model.dropout' -- --model.dropout 1.5
train_refused 78 'optimizer.kind.*adam' -- --optimizer.kind adams
train_refused 78 'model.width 18.*model.heads 4|model.width.*model.heads' -- --model.width 18 --model.heads 4
train_refused 64 'found tiny.yaml and more.yaml' -- more.yaml
sed 's/  width: 16/  widht: 16/' tiny.yaml >typo.yaml
"$program" train typo.yaml --run.directory refused >refused.log 2>&1
status=$?
expect refused 78 'typo.yaml:5' 'model.width'
"$program" train absent.yaml --run.directory refused >refused.log 2>&1
status=$?
expect refused 66 'absent.yaml'
[ ! -e refused ] || fail "refused settings left a run directory"
train_refused 78 'data.train' -- --data.train ''
train_refused 78 'batch.micro_batches. expects|--batch.micro_batches expects a whole number from 1' -- --batch.micro_batches 0
train_refused 64 '--train.until PERIOD: expected' -- --train.until
train 3 ranks --batch.micro_batches 2
expect ranks 78 'batch.micro_batches' '3'
[ ! -e ranks ] || fail "too many ranks left $(find ranks)"
train_refused 78 'batch.tokens 5: expected at least the longest sentence of tiny.h5 \([0-9]+ tokens\), found pair 1 of' -- --batch.tokens 5
train 1 heads --model.width 18 --model.heads 4 --model.head_width 4 --train.until start
expect heads 0
train_refused 78 'tiny(-valid)?.h5 has a (source|target) sentence of [0-9]+ tokens.*model.position_limit' -- \
    --model.position learned --model.position_limit 4

# ---- files ----
train_refused 66 'absent.h5' -- --data.train absent.h5
train_refused 65 'tiny.yaml' -- --data.train tiny.yaml
train_refused 65 'other-valid.h5.*vocabulary' -- --data.valid other-valid.h5
head -c 3000 tiny.h5 >cut.h5
train_refused 65 'cut.h5' -- --data.train cut.h5
cp tiny.h5 flipped.h5
printf '\377' | dd of=flipped.h5 bs=1 seek=2000 conv=notrunc status=none
cmp -s tiny.h5 flipped.h5 && printf '\000' | dd of=flipped.h5 bs=1 seek=2000 conv=notrunc status=none
train_refused 65 'flipped.h5' -- --data.train flipped.h5
mkdir folder.h5
: >empty.h5
train_refused 65 'folder.h5: expected .*found a folder' -- --data.train folder.h5
train_refused 65 'empty.h5: expected a corpus.* found a file of 0 bytes' -- --data.train empty.h5
# From a newer format: version and checksum of the header changed alike (gzip ends with the CRC-32 of what it packed).
newer() {
    { head -c 8 "$1"; printf '\143\0\0\0'; head -c 508 "$1" | tail -c +13; } >header
    { cat header; gzip -c header | tail -c 8 | head -c 4; tail -c +513 "$1"; } >"$2"
}
newer tiny.h5 newer.h5
train_refused 65 'newer.h5: expected format version [0-9]+ or older, found 99' -- --data.train newer.h5
train_refused 65 'newer.h5: expected format version' -- --data.valid newer.h5
# Another user than root: root may read all.
cp tiny.h5 locked.h5
cp tiny.yaml locked.yaml
cp "$program" program
chmod 0 locked.h5 locked.yaml
chmod 755 . program
mkdir -m 777 open
mkdir -m 555 closed
denied() { # what cannot be had, words of train
    local words=$1 as=
    shift
    [ "$(id -u)" != 0 ] || as="setpriv --reuid 65534 --clear-groups"
    $as ./program train --comm.threads 1 "$@" >denied.log 2>&1
    status=$?
    expect denied 77 "$words: Permission denied"
    [ -z "$(find open closed -mindepth 1)" ] || fail "$*: left $(find open closed)"
}
denied locked.h5 tiny.yaml --run.directory open/run --data.train locked.h5
denied locked.h5 tiny.yaml --run.directory open/run --data.valid locked.h5
denied locked.yaml locked.yaml --run.directory open/run
denied closed/run tiny.yaml --run.directory closed/run
train_refused 66 'run.resume is require' -- --run.resume require
train_refused 66 'absent.h5' -- --run.resume absent.h5
train_refused 65 'expected a checkpoint, found a corpus' -- --run.resume other.h5

# ---- a run and what may not change in it ----
train 1 run --train.until 6u --checkpoint.every 3u
expect run 0
saved=$(md5sum run/checkpoints/*)
unharmed() { [ "$saved" = "$(md5sum run/checkpoints/*)" ] || fail "$1: the checkpoints changed"; }
train 2 run --train.until 9u --model.width 32
expect run 78 'model.width is 16 .* and 32 now' 'new run directory' 'run.init'
train 1 run --train.until 9u --run.seed 5
expect run 78 'run.seed is 1 .* and 5 now'
train 2 run --train.until 9u --run.resume never
expect run 78 'run.resume is never, but .*update-00000006.h5'
train 2 run --train.until 9u --data.train other.h5 --data.valid other-valid.h5
expect run 65 'fingerprint' 'other.h5'
train 1 run --data.train run/last.h5
expect run 65 'last.h5'
unharmed "a refused change"
cp -r run noted
train 1 noted --train.until 7u --optimizer.learning_rate 0.5 --optimizer.kind sgd
expect noted 0 'optimizer.learning_rate was 0.001, is now 0.5' 'optimizer.kind was adam, is now sgd' 'moments'

# ---- damaged checkpoints: the newest good one is taken; none good: 65 ----
cp -r run damaged
newest=$(newest damaged)
printf 'garbage' | dd of="$newest" bs=1 seek=1500 conv=notrunc status=none
train 2 damaged --train.until 6u
expect damaged 0 "WARNING.*$(basename "$newest")|$(basename "$newest")" 'resumed from .*update-00000003.h5'
for file in damaged/checkpoints/*.h5; do head -c 1000 "$file" >tail.h5 && cp tail.h5 "$file"; done
train 2 damaged --train.until 6u
expect damaged 65 'checkpoint'
head -c 1000 run/last.h5 >cut.h5
newer run/last.h5 newer.h5
{ head -c 3000 run/last.h5; printf '\252\125\252'; tail -c +3004 run/last.h5; } >flipped.h5
train_refused 65 'cut.h5: expected [0-9]+ bytes as its header says, found 1000' -- --run.resume cut.h5
train_refused 65 'newer.h5: expected format version' -- --run.resume newer.h5
train_refused 65 'flipped.h5: the contents are damaged' -- --run.resume flipped.h5
train_refused 65 'expected a corpus, found a checkpoint' -- --data.train run/last.h5

# ---- a directory in use ----
"$program" train tiny.yaml --run.directory busy --train.until 1000000u >busy-first.log 2>&1 &
holder=$!
until grep -q update busy/metrics.jsonl 2>/dev/null || ! kill -0 $holder; do sleep 0.02; done
train 2 busy
expect busy 73 "$holder" "$(hostname)"
kill -USR1 $holder
wait $holder
[ $? = 75 ] || fail "the holder did not stop on request"

# ---- numbers that are none ----
SEQTRAIN_FAULT=gradient:4:0 train 2 nan --train.until 6u --checkpoint.every 1u
expect nan 70 'update 1|update [0-9]+: expected a finite loss'
SEQTRAIN_FAULT=gradient:20:0 train 2 nan --train.until 9u --checkpoint.every 1u
expect nan 70 'expected a finite loss'
train 1 nan --train.until 9u
expect nan 0 'resumed from'
train 1 steep --optimizer.kind sgd --optimizer.learning_rate 1e6 --train.clip_norm off --train.until 200u --schedule.warmup 0
expect steep 70 'expected a finite loss'
grep -q '^error: update .*expected a finite loss' steep/log.txt || fail "steep: log.txt does not tell its end"

# ---- a full disk: the run goes on, the old checkpoint is intact; the last save failing is 74 ----
cp -r run full
SEQTRAIN_FAULT=write:1+ train 2 full --train.until 12u --checkpoint.every 2u
expect full 74
[ "$saved" = "$(md5sum run/checkpoints/*)" ] || fail "full"
(cd full && md5sum checkpoints/*) | diff - <(cd run && md5sum checkpoints/*) || fail "full: checkpoints changed"
[ -z "$(find full -name '*.tmp')" ] || fail "full: left $(find full -name '*.tmp')"
train 1 full --train.until 12u
expect full 0 'resumed from .*update-00000006.h5'
# The same on a disk that is really full, where one can be mounted: room for the small files, none for a checkpoint.
mkdir mnt
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4m none mnt 2>/dev/null; then
    trap 'umount "$folder/mnt"; rm -rf "$folder"' EXIT
    cp -r run mnt/run && ln -s mnt/run disk
    dd if=/dev/zero of=mnt/filler bs=1k count=$(($(df --output=avail -k mnt | tail -n 1) - 100)) status=none
    train 2 disk --train.until 12u --checkpoint.every 2u
    expect disk 74 'No space left|full' 'CHECKPOINT NOT SAVED'
    (cd disk && md5sum checkpoints/*) | diff - <(cd run && md5sum checkpoints/*) || fail "disk: checkpoints changed"
    rm mnt/filler
    train 1 disk --train.until 12u
    expect disk 0 'resumed from .*update-00000006.h5'
fi

# ---- a corpus that cannot be read ahead, while a save fails, too: the run ends by the first ----
make_corpus many 12000 1
SEQTRAIN_FAULT=read:250+ train 0 ahead --data.train many.h5 --data.valid many-valid.h5 --train.until 400u \
    --checkpoint.every 1u --validate.every never
expect ahead 74 'CHECKPOINT NOT SAVED: .*h5.tmp' '^seqtrain: cannot read many.h5'
exit "$failed"
