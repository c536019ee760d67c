#!/bin/sh
# Make a virtual environment hold exactly what a lock says: setup.sh FOLDER LOCK
# Nothing happens when it already does. The note of what it holds is written last, so a set-up that was
# interrupted is begun again.
set -eu

folder=$1
lock=$2
version=$(cat .python-version)

fail() {
    printf 'set-up: %s\n' "$1" >&2
    exit 1
}

is_right() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]
}

[ -f "$lock" ] || fail "$lock is missing: write it with \`make lock\`"
wanted=$(cat .python-version "$lock" | cksum)
is_complete() {
    [ "$(cat "$folder/.complete" 2>/dev/null)" = "$wanted" ]
}
is_complete && exit 0

if command -v flock >/dev/null; then # two set-ups at once: the second waits, then finds the work done
    exec 9>"$folder.lock"
    flock 9
    is_complete && exit 0
fi

asked=${PYTHON:-python$version}
for python in "$asked" python3; do
    is_right "$python" && break
    python=
done
[ -n "$python" ] || fail "Python $version was not found (tried $asked and python3);
        install it, or name it: make setup PYTHON=/path/to/python$version"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$(command -v "$python") cannot make virtual environments; on Debian and Ubuntu: apt-get install python$version-venv"

printf 'set-up: %s from %s; a few minutes the first time\n' "$folder" "$lock"
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement "$lock" || {
    rm -rf "$folder"
    grep -q '^torch==' "$lock" && printf '%s\n' \
        'set-up: if pip found no torch with "+cpu" in its version, name an index that has the CPU wheels of PyTorch:' \
        '        make setup TORCH_INDEX=<its address>' >&2
    fail "$folder was not made"
}
printf '%s\n' "$wanted" >"$folder/.complete"
