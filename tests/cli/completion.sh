#!/bin/bash
# completion and man: what is made from the tables is complete, and bash, zsh and man take it.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
refused 64 'completion: expected one shell, bash or zsh, found 0 words' "$program" completion
refused 64 'completion: expected bash or zsh, found fish' "$program" completion fish
refused 64 'completion: expected one shell, bash or zsh, found 2 words' "$program" completion bash zsh
refused 64 'man: expected nothing more, found train' "$program" man train

mapfile -t commands < <("$program" help | sed -n '/^commands:/,/^$/ s/^  \([a-z]*\) .*/\1/p')
switches_of() { "$program" help "$1" | sed -nE 's/^  --(\[no-\])?([^ ]*).*/\2/p'; } # COMMAND

# ---- bash ----
"$program" completion bash >seqtrain.bash || fail "completion bash: status $?"
# shellcheck disable=SC1091
. ./seqtrain.bash || fail "bash cannot read its script"
complete -p seqtrain 2>/dev/null | grep -q -- '-F _seqtrain' || fail "nothing completes seqtrain"
completes() { # WANTED, words of the line after seqtrain, the last to be completed
    local wanted=$1
    shift
    COMP_WORDS=(seqtrain "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _seqtrain seqtrain "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    [ "${COMPREPLY[*]}" = "$wanted" ] || fail "'seqtrain $*' completes to '${COMPREPLY[*]}', expected '$wanted'"
}
: >train.h5
: >'two words.h5'
mkdir run
completes 'prepare' pre
completes '--help' --he
completes '--version' --v
completes '--vocab-size --vocab-kind --vocab-sample' prepare --source a --vocab-
completes '--no-text' prepare --no
completes 'unigram bpe word char' prepare --vocab-kind ''
completes 'bpe' prepare --vocab-kind = b
completes 'unigram bpe word char' prepare --vocab-kind =
completes 'off' prepare --max-ratio ''
completes '' prepare --vocab-size ''
completes 'train.h5' train --data.train tr
completes 'train.h5' train --data.train a.h5 tr
completes 'run' train --run.directory ''
completes 'two words.h5' info tw
[ "${#COMPREPLY[@]}" = 1 ] || fail "a name with a blank is ${#COMPREPLY[@]} names"
completes 'numbers strands genes copy reverse sort shapes' generate ''
completes 'bash zsh' completion ''
completes "${commands[*]}" help ''
completes 'translate' help transl
for command in "${commands[@]}"; do
    COMP_WORDS=(seqtrain "$command" --) COMP_CWORD=2
    _seqtrain
    for switch in $(switches_of "$command"); do
        [[ " ${COMPREPLY[*]} " == *" --$switch "* || " ${COMPREPLY[*]} " == *" --no-$switch "* ]] ||
            fail "bash does not offer $command --$switch"
    done
done

# ---- zsh ----
"$program" completion zsh >_seqtrain || fail "completion zsh: status $?"
for command in "${commands[@]}"; do
    for switch in $(switches_of "$command"); do
        grep -qE -- "^ +'\*?--(no-)?$switch(=?)\[" _seqtrain || fail "zsh does not offer $command --$switch"
    done
done
if command -v zsh >/dev/null; then
    zsh -n _seqtrain || fail "zsh cannot read its script"
    # A terminal in which Tab is pressed, and a seqtrain that writes down what it is given.
    cat >tabs.zsh <<'END'
zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal "PS1=; fpath=(\$PWD \$fpath); autoload -Uz compinit; compinit -u -D; seqtrain() { print -r -- \$* >>typed }"
type_line() {
    local before=$(wc -l <typed)
    zpty -w terminal "$1"
    repeat 100; do
        [ $(wc -l <typed) -gt $before ] && return
        zpty -r -t terminal >/dev/null
        sleep 0.1
    done
}
: >typed
type_line $'seqtrain pre\t--vocab-k\tbp\t'
type_line $'seqtrain train --data.tr\ttra\t--no-log.t\t'
type_line $'seqtrain gen\tnu\t--test\t7'
type_line $'seqtrain help evalu\t'
END
    zsh -f tabs.zsh 2>zsh.txt
    cat >wanted <<'END'
prepare --vocab-kind=bpe
train --data.train=train.h5 --no-log.tensorboard
generate numbers --test-lines=7
help evaluate
END
    diff wanted typed || fail "zsh completes otherwise: $(cat zsh.txt)"
else
    echo "no zsh here: its script was not tried"
fi

# ---- the manual page ----
"$program" man >seqtrain.1 || fail "man: status $?"
LC_ALL=C grep -n '[^ -~]' seqtrain.1 && fail "man: not plain ASCII"
for command in "${commands[@]}"; do
    grep -qx ".SS \"seqtrain $command\"" seqtrain.1 || fail "man does not tell of $command"
    for switch in $(switches_of "$command"); do
        grep -qF -- "${switch//-/\\-}\\fR" seqtrain.1 || fail "man does not tell of --$switch"
    done
done
for status in 64 65 66 70 71 73 74 75 77 78; do
    grep -qx ".B $status" seqtrain.1 || fail "man does not tell of status $status"
done
if command -v groff >/dev/null; then
    groff -man -ww -Tutf8 seqtrain.1 >page.txt 2>warnings.txt || fail "groff: status $?"
    [ ! -s warnings.txt ] || fail "groff: $(head warnings.txt)"
    for section in NAME SYNOPSIS COMMANDS 'EXIT STATUS' FILES; do
        sed 's/\x1b\[[0-9;]*m//g; s/.\x08//g' page.txt | grep -qx "$section" || fail "the page has no section $section"
    done
else
    echo "no groff here: the page was not set"
fi
exit "$failed"
