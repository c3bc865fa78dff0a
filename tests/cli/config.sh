#!/bin/bash
# Settings that train refuses: the one message with its place, the status, and no run directory left.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
recipes=$root/train/recipes
golden=$tests/golden/config-errors.txt

printf 'model:\n  widht: 3\n' >unknown.yaml
printf 'modle:\n  width: 3\n' >group.yaml
printf 'model:\n  width: wide\n' >type.yaml
printf 'model:\n  width: 0\n' >bounds.yaml
printf 'train:\n  until: 2h\n' >unit.yaml
printf 'optimizer:\n  kind: adma\n' >choice.yaml
printf 'batch:\n  tokens: 1\n  tokens: 2\n' >twice.yaml
printf 'train:\n  until: &a 3u\n' >anchor.yaml
printf 'train:\n\tuntil: 3u\n' >tab.yaml
printf 'train:\n  until: 3u\n until: 4u\n' >syntax.yaml
printf 'train:\n  until: 3u\n\0' >nul.yaml
printf 'run:\n  directory: d\xff\n' >latin.yaml
printf '\xff\xfer\0u\0n\0' >utf16.yaml
head -c 1048577 /dev/zero | tr '\0' '#' >large.yaml
printf 'run: {directory: run}\ndata: {train: c.h5}\noptimizer: {kind: sgd, beta2: 0.9}\n' >ignored.yaml
: >empty.yaml
mkdir folder.yaml

try() { # WORDS...
    echo "\$ seqtrain train $*"
    "$program" train "$@" 2>&1 </dev/null
    echo "status $?"
}
{
    for name in unknown group type bounds unit choice twice anchor tab syntax nul latin utf16 large ignored empty folder missing; do
        try $name.yaml
    done
    try --run.directory run
    try --run.directory run --data.train c.h5 --model.widht 3
    try --run.directory run --data.train c.h5 --train.until
    try --run.directory run --data.train c.h5 --train.until=-1u
    try --run.directory run --data.train c.h5 --batch.tokens=many
    try --run.directory run --data.train c.h5 --log.level loud
    try --run.directory run --data.train c.h5 --optimizer.momentum 0.9
    try --run.directory run --data.train c.h5 --model.position_limit 99
    try --run.directory run --data.train c.h5 --validate.metric accuracy
    try --run.directory run --data.train c.h5 --log.every 5s --log.level warning
    try --run.directory '' --data.train c.h5
    try --runs
    try --run.directory run --config-dump
    try -n 2
} >errors.txt
if [ -n "${UPDATE:-}" ]; then
    cp errors.txt "$golden"
fi
diff -u "$golden" errors.txt || failed=1

# All settings as they would be used, from file and command line: read back they are the same. Nothing is trained.
printf "run: {directory: \"it's: run #1\"}\ndata: {train: [c.h5, 'd e.h5:2']}\ntrain: {time_limit: 90m}\n" >some.yaml
"$program" train some.yaml --config-dump --batch.tokens 77 >all.yaml 2>dump.txt || fail "--config-dump: $(cat dump.txt)"
for line in "  directory: 'it''s: run #1'" "  train: [c.h5, 'd e.h5:2']" '  time_limit: 90m' '  tokens: 77'; do
    grep -qFx -- "$line" all.yaml || fail "--config-dump: expected '$line', found $(cat all.yaml)"
done
"$program" train all.yaml --config-dump 2>dump.txt | diff all.yaml - || fail "--config-dump read back differs"
[ ! -e "it's: run #1" ] || fail "--config-dump made a run directory"
for recipe in "$recipes"/*.yaml; do
    "$program" train "$recipe" --run.directory run --data.train c.h5 --data.valid v.h5 --config-dump >dump.txt 2>&1 || fail "$recipe: $(cat dump.txt)"
done
[ ! -e run ] || fail "a refused start left a run directory"
exit "$failed"
