# For tests of prepare: words for what a command does and says.
# shellcheck disable=SC2034,SC2154 shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/folder.bash"
seqtrain=$program
failures=0

fail() { # what
    echo "FAIL: $*"
    sed 's/^/    /' err
    failures=$((failures + 1))
}

expect() { # status, words that the message holds (| between them), arguments of prepare...
    local status=$1 words=$2 found
    shift 2
    rm -f out.h5
    "$seqtrain" prepare --output out.h5 "$@" >out 2>err
    found=$?
    [ "$found" = "$status" ] || fail "prepare $*: expected status $status, found $found"
    while [ -n "$words" ]; do
        grep -qF -- "${words%%|*}" err || fail "prepare $*: '${words%%|*}' is not in the message"
        [[ $words == *"|"* ]] || break
        words=${words#*|}
    done
    if [ "$status" = 0 ]; then
        [ -s out.h5 ] || fail "prepare $*: no corpus"
    else
        [ ! -e out.h5 ] || fail "prepare $*: left out.h5"
    fi
    [ -z "$(ls -- *.tmp 2>/dev/null)" ] || fail "prepare $*: left a temporary file"
}

says() { # words in the summary
    grep -qF -- "$1" out || { fail "'$1' is not in the summary"; cat out; }
}

same() { # two files
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

