#!/bin/bash
# Golden help and golden errors of the program: tests/cli/golden/. UPDATE=1 rewrites them, to be looked at before they
# are committed.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
golden=$tests/golden

compare() { # NAME: $folder/NAME is as the golden file says
    if [ -n "${UPDATE:-}" ]; then
        mkdir -p "$golden" && cp "$folder/$1" "$golden/$1"
    elif [ ! -e "$golden/$1" ]; then
        fail "no golden file $1: run UPDATE=1 tests/cli/help.sh and look at it"
    else
        diff -u "$golden/$1" "$folder/$1" || fail "$1 differs from what is expected"
    fi
}

# Help: the list, and each command of it.
"$program" help >"$folder/help.txt" || fail "help: status $?"
compare help.txt
"$program" --help | cmp -s - "$folder/help.txt" || fail "--help is not help"
mapfile -t commands < <(sed -n '/^commands:/,/^$/ s/^  \([a-z]*\) .*/\1/p' "$folder/help.txt")
[ "${#commands[@]}" -gt 0 ] || fail "help lists no command"
for command in "${commands[@]}"; do
    "$program" help "$command" >"$folder/help-$command.txt" || fail "help $command: status $?"
    compare "help-$command.txt"
    "$program" "$command" word --help | cmp -s - "$folder/help-$command.txt" || fail "$command --help is not help $command"
done
for text in "$folder"/help*.txt; do
    widest=$(LC_ALL=C.UTF-8 wc -L <"$text")
    [ "$widest" -le 80 ] || fail "$(basename "$text") is $widest columns wide (80)"
done
for text in "$golden"/help-*.txt; do
    [ -e "$folder/$(basename "$text")" ] || fail "$(basename "$text") is of no command"
done

"$program" --version | grep -qE '^seqtrain [^ ]+$' || fail "--version: $("$program" --version)"
"$program" --build-info | grep -qE '^seqtrain [^ ]+; CPU ' || fail "--build-info: $("$program" --build-info)"

# Errors: the command line, the one message, the status.
try() { # WORDS...
    {
        echo "\$ seqtrain $*"
        "$program" "$@" 2>&1 </dev/null
        echo "status $?"
    } >>errors.txt
}
try
try hlep
try evaluete
try --verison
try help trian
try help help help
try --version help
compare errors.txt

# One message under mpirun too, and none of the ranks' own.
mpirun -n 3 "$program" help >mpirun.txt 2>&1
status=$?
[ "$status" = 64 ] || fail "help on 3 ranks: expected status 64, found $status"
count=$(grep -c '^seqtrain: help runs alone: expected 1 rank, found 3' mpirun.txt)
[ "$count" = 1 ] || fail "help on 3 ranks: expected one message, found $count: $(cat mpirun.txt)"

mpirun -n 3 "$program" hlep >mpirun.txt 2>&1
count=$(grep -c '^seqtrain: unknown command hlep; did you mean help?' mpirun.txt)
[ "$count" = 1 ] || fail "hlep on 3 ranks: expected one message, found $count: $(cat mpirun.txt)"

# Output that cannot be written is a failure.
"$program" help >/dev/full 2>full.txt
status=$?
[ "$status" = 74 ] || fail "help to a full disk: expected status 74, found $status"
grep -q '^seqtrain: cannot write standard output: No space left on device$' full.txt || fail "full disk: $(cat full.txt)"
exit "$failed"
