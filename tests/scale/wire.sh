#!/bin/bash
# `make scale-wire`: what rounding on the way costs. The same run with comm.wire float32 and bfloat16; validation after each epoch side
# by side as markdown, and an error if the last losses are more than a hundredth apart.
#   WIRE_TRAIN WIRE_VALID     corpora (default: the numbers that seqtrain generate writes)
#   WIRE_RECIPE (train/recipes/demo.yaml)   WIRE_EPOCHS (6)   WIRE_RANKS (2), of a thread each
set -eu
cd "$(dirname "$0")/../.."
program=${BUILD:-build}/seqtrain
folder=${BUILD:-build}/wire
rm -rf "$folder"
mkdir -p "$folder"
if [ -z "${WIRE_TRAIN:-}" ]; then
    WIRE_TRAIN=$folder/train.h5 WIRE_VALID=$folder/valid.h5
    "$program" generate numbers --output "$folder" --lines 10000 >/dev/null
    "$program" prepare --source "$folder/train.en" --target "$folder/train.de" --output "$WIRE_TRAIN" --vocab-size 300 --joint >/dev/null
    "$program" prepare --source "$folder/valid.en" --target "$folder/valid.de" --output "$WIRE_VALID" --vocab "$WIRE_TRAIN" >/dev/null
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# Epoch, loss and BLEU (or -) of each validation of a run.
validations() {
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    of = json.loads(line)
    if "valid_loss" in of:
        print(of["epoch"], of["valid_loss"], "%.2f" % of["valid_bleu"] if "valid_bleu" in of else "-")' "$1"
}

for wire in float32 bfloat16; do
    mpirun -q --bind-to none -n "${WIRE_RANKS:-2}" "$program" train "${WIRE_RECIPE:-train/recipes/demo.yaml}" --run.directory "$folder/$wire" \
        --data.train "$WIRE_TRAIN" --data.valid "$WIRE_VALID" --comm.wire "$wire" --comm.threads 1 --validate.every 1e \
        --train.until "${WIRE_EPOCHS:-6}e" >"$folder/$wire.log" 2>&1 || { cat "$folder/$wire.log" >&2; exit 1; }
    validations "$folder/$wire/metrics.jsonl" >"$folder/$wire.losses"
done
echo "| epoch | float32: loss | BLEU | bfloat16: loss | BLEU |"
echo "| --- | --- | --- | --- | --- |"
paste -d ' ' "$folder/float32.losses" "$folder/bfloat16.losses" | awk '
    { printf "| %d | %.4f | %s | %.4f | %s |\n", $1, $2, $3, $5, $6; ratio = $5 / $2 }
    END {
        printf "\nthe last loss with bfloat16 is %.5f of that with float32\n", ratio
        exit !(NR > 0 && ratio > 0.99 && ratio < 1.01)
    }'
