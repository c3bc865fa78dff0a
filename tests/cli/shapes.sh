#!/bin/bash
# The recipe of pictures learns to describe those of combinations it has not seen: two of its epochs, with a rate that falls to 0 in
# them, leave at most one caption of twenty wrong (none was).
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/folder.bash"
"$program" generate shapes --output shapes --lines 20000 --test-lines 200 >log 2>&1 &&
    "$program" prepare --source-images shapes/train.images --image-size 32x32 --target shapes/train.en --output train.h5 \
        --vocab-kind word --vocab-size 40 >>log 2>&1 &&
    "$program" prepare --source-images shapes/valid.images --target shapes/valid.en --output valid.h5 --vocab train.h5 >>log 2>&1 || { cat log; fail "no corpus"; exit 1; }
"$program" train "$root/train/recipes/shapes.yaml" --run.directory run --data.train train.h5 --data.valid valid.h5 \
    --comm.threads 1 --train.until 2e --validate.every 2e --schedule.kind linear --schedule.warmup 100 >run.log 2>&1 || fail "training: $(tail -n 3 run.log)"
for split in valid test; do
    exact=$("$program" evaluate run --source shapes/$split.images --target shapes/$split.en --metrics exact 2>>run.log |
        sed -n 's/^exact.* = \([0-9.]*\)$/\1/p')
    awk -v a="${exact:-0}" 'BEGIN { exit !(a >= 95) }' || fail "$split: '$exact' % of captions are exact, expected 95: $(tail -n 3 run.log)"
    echo "$split: $exact % exact"
done
grep -Fxf shapes/train.en shapes/test.en && fail "captions of test stand in train"
exit "$failed"
