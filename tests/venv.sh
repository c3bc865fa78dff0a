# shellcheck shell=bash disable=SC2034
# Sourced: a virtual environment in $BUILD/venv with the Python packages given; their absence is told, not worked around.
venv_open() {
    local venv=$PWD/${BUILD:-build}/venv
    if [ ! -x "$venv/bin/python" ]; then
        python3 -m venv "$venv" || { echo "python3 with its venv module is needed (Debian: python3-venv)" >&2; return 1; }
    fi
    local missing=()
    for package in "$@"; do
        grep -qxF "$package" "$venv/installed" 2>/dev/null || missing+=("$package")
    done
    if [ "${#missing[@]}" != 0 ]; then
        "$venv/bin/pip" install -q "${missing[@]}" || return 1
        printf '%s\n' "${missing[@]}" >>"$venv/installed"
    fi
    PYTHON=$venv/bin/python
}
