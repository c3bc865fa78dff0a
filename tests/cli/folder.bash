# For every test of the command line: the program, a folder of its own to be in, and words for what goes wrong.
# shellcheck disable=SC2034 shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
tests=$root/tests/cli
build=$(realpath "${BUILD:-build}")
program=$build/seqtrain
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
. "$root/tests/launch.bash"
unset OPENBLAS_CORETYPE # the program chooses, and says nothing of it
failed=0
fail() { echo "FAIL: $*"; failed=1; }

refused() { # STATUS WORDS COMMAND...: ends with that status, nothing on standard output, and one message that holds the words
    local status=$1 words=$2 found
    shift 2
    "$@" >refused.out 2>refused.err </dev/null
    found=$?
    [ "$found" = "$status" ] || fail "status $found instead of $status: $* ($(tail -n 1 refused.err))"
    grep -qF -- "$words" refused.err || fail "no '$words': $* ($(tail -n 1 refused.err))"
    [ "$(grep -c '^seqtrain: ' refused.err)" = 1 ] || fail "not one message: $* ($(cat refused.err))"
    [ -s refused.out ] && fail "output before a refusal: $*"
}
