#!/bin/bash
# Pictures with captions: generated, prepared, trained on any layout, translated; and pictures that are none.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"

"$program" generate shapes --output shapes --lines 200 --test-lines 30 --seed 3 >log || fail "generate: $(cat log)"
"$program" generate shapes --output again --lines 200 --test-lines 30 --seed 3 >log
diff -r shapes again || fail "the same seed gave other pictures or captions"
! grep -qxFf <(sort -u shapes/train.en) shapes/valid.en || fail "a caption of valid is one of train"
prepare() { "$program" prepare "$@" >>log 2>&1 || fail "prepare $*: $(tail -n 2 log)"; }
prepare --source-images shapes/train.images --image-size 16x20 --target shapes/train.en --output images.h5 --vocab-kind word --vocab-size 40
prepare --source-images shapes/valid.images --target shapes/valid.en --output images-valid.h5 --vocab images.h5
"$program" info images.h5 | grep -q 'form *images of 16x20x3' || fail "info does not tell the form"

images=(--data.train images.h5 --data.valid images-valid.h5 --batch.tokens 128 --model.image_stages 2 --validate.every 10u)
train 2 once "${images[@]}"
expect once 0
train 0 alone "${images[@]}" --comm.threads 2
expect alone 0
train 3 parts "${images[@]}" --train.until 10u
train 1 parts "${images[@]}"
expect parts 0
for run in alone parts; do
    [ "$(crc_of once)" = "$(crc_of "$run")" ] || fail "$run: other parameters than on two ranks"
done
train 0 still "${images[@]}" --model.encoder_layers 0 --train.until 2u
expect still 0
"$program" translate once --input shapes/valid.images >all 2>log || fail "translate: $(cat log)"
[ "$(wc -l <all)" = 30 ] || fail "expected 30 captions, found $(wc -l <all)"
mpirun -n 2 "$program" translate once --input shapes/valid.images --batch 1 | cmp - all || fail "captions depend on batch and ranks"
"$program" evaluate once --source shapes/valid.images --target shapes/valid.en --output evaluated >log || fail "evaluate: $(cat log)"
cmp all evaluated || fail "evaluate describes otherwise than translate"

refuse() { # STATUS WORDS COMMAND...
    local expected=$1 words=$2
    shift 2
    (ulimit -v 4000000; "$program" "$@") >refused 2>&1
    local found=$?
    [ "$found" = "$expected" ] || fail "$*: expected status $expected, found $found: $(tail -n 2 refused)"
    grep -q -- "$words" refused || fail "$*: expected '$words', found: $(tail -n 2 refused)"
}
bad() { # STATUS WORDS: of the picture `bad`, alone in its list, is refused with them and its line
    refuse "$1" "bad.list:1: .*$2" prepare --source-images bad.list --image-size 16x20 --target one --output x.h5 --vocab images.h5
}
echo bad >bad.list
head -n 1 shapes/valid.en >one
printf 'P6\n32 32\n255\nabc' >bad && bad 65 'expected 32 x 32 pixels, found the end'
printf 'P6\n60000 60000\n255\nabc' >bad && bad 65 'found 60000 x 60000'
printf 'P5\n99999999999999999999 1\n255\nabc' >bad && bad 65 'no such header'
printf 'P5\n0 4\n255\nabcd' >bad && bad 65 'found 0 x 4'
printf 'P5\n1 1\n0\nabcd' >bad && bad 65 'no such header'
printf 'GIF89a' >bad && bad 65 'found something else'
: >bad && bad 65 'found something else'
# A PNG of 2 x 2 grey pixels is good, cut short it is not; one that says it is 60000 pixels wide and high.
printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\002\010\000\000\000\000W\335R\370\000\000\000\016IDATx\234c\020P\1400p\000\000\001v\000\241\3540\212\364\000\000\000\000IEND\256B\140\202' >bad && prepare --source-images bad.list --target one --output grey.h5 --vocab images.h5
head -c 50 bad >short && mv short bad && bad 65 'PNG picture'
printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\352\140\000\000\352\140\010\000\000\000\000\245\271\052\236\000\000\000\014IDATx\234c\140\240\075\000\000\000d\000\001\206d\0745' >bad && bad 65 'found 60000 x 60000'
rm bad && bad 66 'cannot read bad'
echo >bad.list
refuse 65 'bad.list:1: expected the path of an image, found an empty line' prepare --source-images bad.list --image-size 16x20 --target one --output x.h5 --vocab images.h5
refuse 64 'needs --image-size' prepare --source-images shapes/valid.images --target shapes/valid.en --output x.h5
refuse 64 'multiple of 4' prepare --source-images shapes/valid.images --image-size 30x30 --image-grey --target shapes/valid.en --output x.h5
refuse 64 '--max-ratio' prepare --source-images shapes/valid.images --target shapes/valid.en --output x.h5 --vocab images.h5 --max-ratio 2
refuse 65 'found images of 16x20x3' prepare --source-images shapes/valid.images --image-size 32x32 --target shapes/valid.en --output x.h5 --vocab images.h5
[ ! -e x.h5 ] || fail "a refused prepare left a corpus"

# Grey, comments, samples of 16 bits, another size: all become the form of the corpus.
printf 'P5 # a comment\n2 4\n65535\n\0\0\377\377\200\0\200\0\0\0\377\377\200\0\200\0' >grey.pgm
echo grey.pgm >bad.list
prepare --source-images bad.list --target one --output grey.h5 --vocab images.h5
exit "$failed"
