#!/bin/bash
# report: what is on the page of a run, of one without validation, of an empty one, of one that was cut off; hostile text; BLEU
# as evaluate has it; what cannot be.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
export OMP_NUM_THREADS=1
corpus=c.h5
train_any() { # RUN SETTINGS...: on $corpus
    "$program" train --run.directory "$1" --data.train "$corpus" --train.until 6u --model.width 8 --batch.micro_batches 1 "${@:2}" >trained 2>&1 || fail "train: $(cat trained)"
}
train() { # RUN SETTINGS...: a Transformer
    train_any "$@" --model.heads 2 --model.ffn_width 8 --model.encoder_layers 1 --model.decoder_layers 2
}
report() { # RUN SWITCHES...: into page.html, which stands by itself
    "$program" report "$@" --output page.html >out 2>err || fail "report $*: status $?: $(cat err)"
    [ -s out ] && fail "report $* prints: $(cat out)"
    sound page.html
}
sound() { # a page that is whole, fetches nothing, and where text ends nothing
    local tag
    [ "$(head -c 15 "$1")" = '<!DOCTYPE html>' ] && [ "$(tail -n 1 "$1")" = '</script></body></html>' ] || fail "$1 is no whole page"
    for tag in html head style main section figure svg script dl div p text g title; do
        [ "$(grep -oE "<${tag}[ >]" "$1" | wc -l)" = "$(grep -oF "</${tag}>" "$1" | wc -l)" ] || fail "$1: <$tag> and </$tag> are not as many"
    done
    # Pictures are on the page itself.
    sed -E 's/href="(#picture[0-9]+|data:image\/png;base64,[A-Za-z0-9+\/]+=*)"//g' "$1" >rest
    grep -qE '(src|href|url)[=(]|https?:|@import|nan|inf"' rest && fail "$1: $(grep -oE '.{20}((src|href|url)[=(]|https?:|@import|nan|inf").{20}' rest)"
}
has() { # TEXT...: on the page
    local text
    for text in "$@"; do grep -qF -- "$text" page.html || fail "not on the page: $text"; done
}
has_not() {
    local text
    for text in "$@"; do grep -qF -- "$text" page.html && fail "on the page: $text"; done
    return 0
}

# Words that HTML, or a script, would read otherwise.
hostile='</script><b>&"'"'"
printf 'a b c\nb c d\nc %s a\n%s\n' "$hostile" "$hostile" >source
printf 'x y\n%s y x\nz x %s\ny\n' "$hostile" "$hostile" >target
"$program" prepare --source source --target target --output c.h5 --vocab-kind word --vocab-size 12 >prepared 2>&1 || fail "prepare: $(cat prepared)"
"$program" prepare --source source --target target --output valid.h5 --vocab c.h5 >prepared 2>&1 || fail "prepare: $(cat prepared)"
train run --data.valid valid.h5 --validate.every 2u --validate.metrics bleu chrf

report run
has '<h1>run</h1>' '>complete<' '<figcaption>Loss<' '<figcaption>Translations of data.valid<' '<figcaption>Learning rate<' '<figcaption>Speed<' \
    '</i>training</span>' '</i>validation</span>' '</i>BLEU</span>' '<title>update 2: ' '<title>update 6: ' '>nats per target token<' \
    'BLEU by sentence length' '4 sentences, beam of 5; nrefs:1|case:mixed|eff:no|tok:13a' '<th>model.width</th><td>8</td>' \
    '"layers":2,"heads":2' '&lt;/script&gt;&lt;b&gt;&amp;&quot;&#39;'
has_not '<b>' '</script><b' 'No sentences'
[ "$(grep -c '<figure class="map">' page.html)" = 3 ] || fail "not 3 maps"
[ "$(grep -o 'n=[0-9]*' page.html | awk -F = '{ n += $2 } END { print n }')" = 4 ] || fail "sentences of all lengths are not 4"
# A row of each map sums to 1.
grep -o 'y="[0-9]*" width="21" height="21" fill-opacity="[0-9.]*"' page.html >cells
[ -s cells ] || fail "no cells"
awk -F '"' '{ if ($2 != row) { if (NR > 1 && (sum < 0.95 || sum > 1.05)) bad = 1; row = $2; sum = 0 } sum += $8 } END { exit bad }' cells || fail "rows do not sum to 1: $(cat cells)"
cp page.html first.html
printf '{"update":7,"epoch":7,"loss":1.5,"learn' >>run/metrics.jsonl
report run
cmp first.html page.html || fail "half a line changes the page"
"$program" report run --output - 2>err | cmp - first.html || fail "standard output is another page"
report run --lines 1 --sentences 0
has '<figure class="map">'
has_not 'BLEU by sentence length'
report run --lines 0 --sentences 0
has_not '<figure class="map">' 'BLEU by sentence length'

# Sentences by name: BLEU of those of one length is what evaluate says of all.
printf 'a b\nc d\nb a\n' >two.source
printf 'x y\nz x y\nx y\n' >two.target
report run --source two.source --target two.target --lines 2 --beam 2
[ "$(grep -c '<figure class="map">' page.html)" = 2 ] || fail "not 2 maps"
bleu=$("$program" evaluate run --source two.source --target two.target --metrics bleu --beam 2 --json | sed -n 's/.*"bleu":{"value":\([0-9.]*\).*/\1/p;s/.*"bleu":\([0-9.]*\).*/\1/p' | head -n 1)
has ">$(printf %.1f "$bleu")</text>" 'n=3<'
report run --source two.source
has_not 'BLEU by sentence length' '>reference<'
has '<figure class="map">'

# Other runs: a hostile name, no validation, no corpus any more, nothing yet.
cp -a run '<i>&amp;'
report '<i>&amp;' --lines 1
has '<h1>&lt;i&gt;&amp;amp;</h1>'
train bare
report bare
has '<figcaption>Loss<' 'No sentences are shown: the run has no data.valid'
has_not '<figcaption>Translations' '</i>validation' '<figure class="map">'
train_any recurrent --data.valid valid.h5 --model.kind recurrent
report recurrent
has '<dd>recurrent</dd>' '"layers":1,"heads":1' '<g class="cells">' 'BLEU by sentence length'
train_any fixed --data.valid valid.h5 --model.kind recurrent --model.attention none
report fixed
has 'This model has no attention' '<dt>translation</dt>' 'BLEU by sentence length'
has_not '<g class="cells">' 'application/json'
mv valid.h5 gone.h5
report run
grep -q 'no sentences are shown: .*valid.h5' err || fail "no warning: $(cat err)"
has '<figcaption>Loss<' 'No sentences are shown: ' 'valid.h5'
mv gone.h5 valid.h5
mkdir empty
cp run/config.yaml empty
report empty
has 'No two updates yet' 'No sentences are shown: '
has_not '<svg'

# Pictures: the map of each piece lies over the picture, which stands on the page as a PNG; its cells are the grid's.
prepare() { "$program" prepare "$@" >prepared 2>&1 || fail "prepare: $(cat prepared)"; }
"$program" generate shapes --output shapes --lines 40 --test-lines 5 >log || fail "generate: $(cat log)"
prepare --source-images shapes/train.images --image-size 16x20 --target shapes/train.en --output i.h5 --vocab-kind word --vocab-size 40
prepare --source-images shapes/valid.images --target shapes/valid.en --output iv.h5 --vocab i.h5
corpus=i.h5 train pictures --data.valid iv.h5 --model.image_stages 2
report pictures --lines 2
has '"layers":2,"heads":2,"relative":true,"over":true' '"row 4, column 5"' '<dt>translation</dt>' '<dt>reference</dt>' 'img-src data:'
has_not 'BLEU by sentence length' '<dt>source</dt>'
[ "$(grep -c '<image id="picture[01]" width="20" height="16" ' page.html)" = 2 ] || fail "not 2 pictures"
tiles=$(grep -c '<use href="#picture0"/>' page.html) veils=$(grep -c 'class="cells veil"' page.html)
[ "$tiles" -gt 1 ] && [ "$(grep -c '<use href="#picture[01]"/>' page.html)" = $((veils + 2)) ] || fail "$tiles tiles, $veils maps"
[ "$(grep -o '<rect x="[0-9]*" y="[0-9]*" width="4" height="4" fill-opacity="[0-9.]*"/>' page.html | wc -l)" = $((veils * 20)) ] || fail "maps have not 20 cells each"
[ "$(grep -o 'fill-opacity="0.000"' page.html | wc -l)" -ge "$veils" ] || fail "what is looked at most is dark"
sed -n 's/.*<image id="picture0".* href="data:image\/png;base64,\([^"]*\)".*/\1/p' page.html | base64 -d >picture.png
head -n 1 shapes/valid.en >one.en
sed -n '1s|^|shapes/|p' shapes/valid.images >first.images
echo picture.png >again.images
prepare --source-images first.images --image-size 16x20 --target one.en --output a.h5 --vocab i.h5
prepare --source-images again.images --image-size 16x20 --target one.en --output b.h5 --vocab i.h5
cmp a.h5 b.h5 || fail "the picture on the page is another"
cp page.html data.html
report pictures --lines 2 --source shapes/valid.images --target shapes/valid.en
diff <(grep -A99 'id="maps"' data.html) <(grep -A99 'id="maps"' page.html) >log || fail "named pictures are shown otherwise: $(head -c 300 log)"
report pictures --lines 1 --source shapes/valid.images
has_not '<dt>reference</dt>'
report pictures pictures --lines 1
has '<image id="picture0"'
has_not 'class="cells'

# Frames: numbers in place of pieces.
"$build/tests/io/tool_frames" source frames.h5 || fail "no frames"
prepare --source-features frames.h5:/frames:/offsets --target target --output f.h5 --vocab-kind word --vocab-size 12
corpus=f.h5 train speech --data.valid f.h5
report speech --lines 2
has '>frames of the source</text>' '"frame 2"' '"relative":true,"over":false' 'columns: frames of the source' 'length of the source (frames)' '<g class="cells">' '<dt>translation</dt>'
has_not '<dt>source</dt>'
cp page.html data.html
report speech --lines 2 --source frames.h5:/frames:/offsets --target target
diff <(grep -A999 'id="maps"' data.html) <(grep -A999 'id="maps"' page.html) >log || fail "named frames are shown otherwise: $(head -c 300 log)"
report speech --lines 1 --source frames.h5:/frames:/offsets
has_not '<dt>reference</dt>' 'BLEU by sentence length'

# Several runs: a series for each in every chart, told apart by more than colour; each by its own model.
report run recurrent bare --source two.source --target two.target --beam 2 --names 'a <b>' second third
has '<h1>a &lt;b&gt;, second, third</h1>' '<h3>second</h3>' '<figcaption>Loss in training<' '<figcaption>Loss on data.valid<' '<figcaption>BLEU<' \
    '<figcaption>Learning rate<' '</i>third</span>' '<h2>Translations</h2>' '<dt>second</dt>' '<dt>reference</dt>' 'defaults: second<'
has_not 'application/json' '<g class="cells">' 'class="bar"' 'defaults<' "<figcaption>Loss<"
i=0
for run in run recurrent bare; do
    i=$((i + 1))
    "$program" evaluate $run --source two.source --target two.target --metrics bleu --beam 2 --output translated --json >evaluated || fail "evaluate $run"
    bleu=$(sed -n 's/.*"bleu":{"value":\([0-9.]*\).*/\1/p' evaluated)
    has "(BLEU $(printf %.1f "$bleu"))</span>"
    grep -qE "class=\"mark s$i d$i\" [^>]*><title>1–2 pieces: $(printf %.1f "$bleu") BLEU</title>" page.html || fail "$run has no mark $i at $bleu"
    [ "$(grep -cE "class=\"line s$i d$i\" d=\"M[0-9. L]*\"" page.html)" -ge 4 ] || fail "$run has no lines of its own"
done
[ "$(grep -oE 'class="mark s[123] d[123]" [^d]*d="[^"]*"' page.html | sed 's/.* d="//' | sort -u | wc -l)" = 3 ] || fail "marks are not of 3 shapes"
report run recurrent
has 'BLEU of sentences of valid.h5' '4 sentences, beam of 5'
report bare run # its colour stays a run's own where another has nothing to draw
awk '/<figcaption>BLEU</ { on = 1 } /<\/figure>/ { on = 0 } on' page.html >part
grep -q 's2 d2' part && ! grep -q 's1 d1' part || fail "the second run is not the second colour: $(cat part)"
report run fixed --lines 1
[ "$(grep -c '<figure class="map">' page.html)" = 1 ] || fail "not one sentence side by side"

# The chart of lengths as a file: equal runs give equal bytes.
whole() { # FILE: an SVG picture
    local tag
    [ "$(head -c 42 "$1")" = '<svg xmlns="http://www.w3.org/2000/svg" wi' ] && [ "$(tail -n 1 "$1")" = '</svg>' ] || fail "$1 is no whole picture"
    for tag in svg style text g title; do
        [ "$(grep -oE "<${tag}[ >]" "$1" | wc -l)" = "$(grep -oF "</${tag}>" "$1" | wc -l)" ] || fail "$1: <$tag> and </$tag> are not as many"
    done
    grep -qE '<(p|i|span|figure|script)[ >]|href|url|nan|inf"' "$1" && fail "$1: $(grep -oE '.{20}(<(p|i|span|figure|script)[ >]|href|url|nan|inf").{20}' "$1")"
}
draw() { "$program" report "$@" --chart lengths --source two.source --target two.target --beam 2 >drawn 2>err || fail "report $*: status $?: $(cat err)"; }
draw run recurrent --names 'a <b>' second
whole lengths.svg
for text in 'a &lt;b&gt; (BLEU ' 'second (BLEU ' 'BLEU by sentence length</text>' 'n=3<' '3 sentences, beam of 2; nrefs:1' 'prefers-color-scheme: dark' 'class="ground"'; do
    grep -qF -- "$text" lengths.svg || fail "not in the picture: $text"
done
draw run recurrent --names 'a <b>' second --output -
cmp lengths.svg drawn || fail "standard output is another picture"
draw run
whole lengths.svg
grep -q 'class="bar"' lengths.svg || fail "one run is no bars"
# One of sixty lines, and none of one piece, are too few for groups of their own.
for i in $(seq 59); do echo "a b"; done >many.source
for i in $(seq 59); do echo "x y"; done >many.target
echo a b c d a >>many.source
echo y >>many.target
"$program" report run --chart lengths --source many.source --target many.target --beam 1 || fail "report: status $?"
grep -qE '>1\+</text><text class="count"[^>]*>n=60<' lengths.svg || fail "a rare length has a group of its own: $(grep -o '>[0-9+]*</text><text class="count"[^>]*>n=[0-9]*<' lengths.svg)"

# What cannot be: status, message, no file left.
rm -f out.html
refused 64 "report takes from one to 6 RUNs (run directories), found 0 words" "$program" report --output out.html
refused 64 "found 7 words" "$program" report run run run run run run run --output out.html
refused 64 "--names expects one name for each RUN: 2, found 1" "$program" report run bare --names a --output out.html
refused 64 "standard input (-) can be read once, found it 2 times" "$program" report run bare --source - --output out.html
refused 64 "--chart lengths needs translations and references" "$program" report run --source two.source --chart lengths --output out.html
refused 64 "--chart lengths needs translations and references" "$program" report run --sentences 0 --chart lengths --output out.html
refused 66 "the run has no data.valid" "$program" report bare --chart lengths --output out.html
refused 64 "--lines" "$program" report run --lines 2 --chart lengths --output out.html
refused 78 "--chart expects page or lengths, found 'length'" "$program" report run --chart length --output out.html
refused 66 "nowhere" "$program" report nowhere --output out.html
mkdir folder
refused 66 "folder: expected a run directory" "$program" report folder --output out.html
refused 64 "--source" "$program" report run --target two.target --output out.html
refused 66 "nowhere.txt" "$program" report run --source nowhere.txt --output out.html
refused 65 "two.source" "$program" report run --source two.source --target source --output out.html
refused 64 "--output two.source would replace two.source" "$program" report run --source two.source --output two.source
refused 64 "report runs alone: expected 1 rank, found 2" mpirun -n 2 "$program" report run --output out.html
SEQTRAIN_FAULT=write:20 refused 74 out.html "$program" report run --output out.html
[ -e out.html ] || [ -e out.html.tmp ] && fail "a failed command left a file"
exit $failed
