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
describes() { # RUN [words]: trains alike on any layout, describes pictures in any company, and tells what it looked at
    local run=$1 part
    shift
    train 2 "$run" "${images[@]}" "$@"
    expect "$run" 0
    train 0 "$run-alone" "${images[@]}" "$@" --comm.threads 2
    expect "$run-alone" 0
    train 3 "$run-parts" "${images[@]}" "$@" --train.until 10u
    train 1 "$run-parts" "${images[@]}" "$@"
    expect "$run-parts" 0
    for part in alone parts; do
        [ "$(crc_of "$run")" = "$(crc_of "$run-$part")" ] || fail "$run-$part: other parameters than on two ranks"
    done
    "$program" translate "$run" --input shapes/valid.images --attention "$run.h5" >all 2>log || fail "$run: translate: $(cat log)"
    [ "$(wc -l <all)" = 30 ] || fail "$run: expected 30 captions, found $(wc -l <all)"
    mpirun -n 2 "$program" translate "$run" --input shapes/valid.images --batch 1 --attention ranks.h5 | cmp - all || fail "$run: captions depend on batch and ranks"
    cmp "$run.h5" ranks.h5 || fail "$run: what is looked at depends on batch and ranks"
    "$program" info "$run.h5" --json --verify | grep -q '"sentences":30,.*"height":4,"width":5,' || fail "$run: attention is not to 4 by 5 cells"
}
describes once
"$program" evaluate once --source shapes/valid.images --target shapes/valid.en --output evaluated >log || fail "evaluate: $(cat log)"
"$program" translate once --input shapes/valid.images | cmp - evaluated || fail "evaluate describes otherwise than translate"
train 0 still "${images[@]}" --model.encoder_layers 0 --train.until 2u
expect still 0

# Recurrent decoders look at the grid itself.
config=recurrent.yaml
describes gru --model.encoder_layers 0
train 0 mean "${images[@]}" --model.encoder_layers 0 --model.cell lstm --model.attention none --model.attention_dropout 0 --train.until 2u
expect mean 0
train_refused 78 'use model.attention luong_general' -- "${images[@]}" --model.encoder_layers 0 --model.attention luong_local_p
train_refused 78 'set model.encoder_layers 0' -- "${images[@]}"
config=

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

# A folder is its pictures in natural order; errors name the picture.
mkdir folder
i=0
while read -r picture; do cp "shapes/$picture" "folder/$((++i)).ppm"; done <shapes/valid.images
echo "no picture" >folder/captions.txt
prepare --source-images folder --target shapes/valid.en --output folder.h5 --vocab images.h5
cmp folder.h5 images-valid.h5 || fail "a folder is not its pictures in natural order"
"$program" translate once --input folder | cmp - evaluated || fail "a folder is described otherwise than a list"
head -n 29 shapes/valid.en >short
refuse 65 'found 29 and 30' prepare --source-images folder --target short --output x.h5 --vocab images.h5
: >folder/7.ppm
refuse 65 'folder/7.ppm: expected a PNG' prepare --source-images folder --target shapes/valid.en --output x.h5 --vocab images.h5
mkdir none
refuse 65 'none: expected pictures in this folder' prepare --source-images none --target shapes/valid.en --output x.h5 --vocab images.h5
refuse 66 'cannot read no.h5' prepare --source-images no.h5:/images --target shapes/valid.en --output x.h5 --vocab images.h5

# Grey, comments, samples of 16 bits, another size: all become the form of the corpus.
printf 'P5 # a comment\n2 4\n65535\n\0\0\377\377\200\0\200\0\0\0\377\377\200\0\200\0' >grey.pgm
echo grey.pgm >bad.list
prepare --source-images bad.list --target one --output grey.h5 --vocab images.h5
exit "$failed"
