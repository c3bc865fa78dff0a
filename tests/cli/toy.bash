# For tests of models in use: folders of hardly trained models, and lines for them.
# shellcheck disable=SC2034,SC2154 shell=bash
tool=$build/tests/models/tool_model
export OMP_NUM_THREADS=1

# FOLDER [NAME VALUE]...: a run directory with a model of these settings.
make_model() { mkdir -p "$1/checkpoints" && "$tool" "$@" || exit 1; }

# 150 lines of words, one of which no model knows; every ninth is empty.
make_lines() {
    local words=(zero one two three four five six seven eight nine unheard) line i k
    for i in $(seq 150); do
        line=
        for ((k = i * 7 % 9; k > 0; k--)); do line+="${words[$(((i * k + k) % 11))]} "; done
        echo "${line% }"
    done
}
