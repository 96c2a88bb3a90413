#!/bin/sh
# Makes the environment of one set of versions, or brings it up to date:
#   requirements/setup.sh STACK FOLDER
# PYTHON names the interpreter; without it the first that fits is taken.
# WHEELS names a folder that `make wheelhouse` filled: no network is asked, and
# PyTorch is the interpreter's own.
set -eu
stack=$1
folder=$2
case $stack in
    classic) oldest=8 newest=11 ;;
    *) oldest=10 newest=14 ;;
esac
log=$folder/setup.log

# Prints "3.12.3 yes" for an interpreter, with "no" where it cannot make an
# environment. A name on the PATH can be a shim that does not start.
describe() {
    "$1" -c 'import sys
print(".".join(map(str, sys.version_info[:3])), end=" ")
try:
    import ensurepip, venv
    print("yes")
except ImportError:
    print("no")' 2> /dev/null
}

# Sets `python`, or tells what was found, what is allowed and what to install.
find_python() {
    found=
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 \
            python3.10 python3.9 python3.8}; do
        about=$(describe "$name") || about=
        [ -n "$about" ] || continue
        version=${about% *}
        minor=${version#3.}
        minor=${minor%%.*}
        if [ "${version%%.*}" = 3 ] && [ "$minor" -ge $oldest ] &&
                [ "$minor" -le $newest ]; then
            if [ "${about#* }" = yes ]; then
                python=$name
                return
            fi
            version="$version without venv"
        fi
        found="$found, $name is $version"
    done
    : "${found:=, none${PYTHON:+: $PYTHON does not start}}"
    cat >&2 <<END
error: the $stack versions need Python 3.$oldest to 3.$newest with venv. Found: ${found#, }.
  Debian, Ubuntu:  sudo apt install python3 python3-venv
  macOS:           brew install python@3.13
Name another interpreter: make setup PYTHON=/path/to/python3
Other sets of versions: STACK=modern and STACK=onedl take Python 3.10 to 3.14,
STACK=classic takes 3.8 to 3.11.
END
    exit 1
}

# Runs a step silently; a failed one tells its name and the end of its output.
step() {
    name=$1
    shift
    if ! "$@" >> "$log" 2>&1; then
        echo "error: set-up failed at: $name. The end of $log:" >&2
        tail -n 12 "$log" >&2
        exit 1
    fi
}

# Without the mark, what lies there is half finished, and with another
# interpreter it is another environment: it is made anew.
if [ ! -e "$folder/.ready" ] || [ -n "${PYTHON:-}" ] ||
        ! "$folder/bin/python" -c '' 2> /dev/null; then
    find_python
    echo "Setting up $folder with $python, Python $version:" \
        'a few minutes the first time'
    rm -rf "$folder"
    mkdir -p "$folder"
    step 'making the environment' "$python" -m venv "$folder"
else
    echo "Bringing $folder up to date"
fi
rm -f "$folder/.ready"
: > "$log"
python_of_torch() {
    "$1" -c 'import os, torch; print(os.path.dirname(torch.__path__[0]))' \
        > "$("$folder/bin/python" -c \
            'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth"
}
# Few of the files are ever imported, and Python compiles these when they are:
# to compile all would be half of the time.
install() {
    "$folder/bin/python" -m pip --disable-pip-version-check install \
        --no-compile "$@"
}
if [ -z "${WHEELS:-}" ]; then
    step 'installing the packages' install --no-deps \
        -r "requirements/$stack.txt"
    step 'installing what PyTorch asks for' install torch torchvision
else
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$WHEELS"
    # Behind the folder's own packages, wherever the interpreter has PyTorch;
    # a virtual environment of a virtual environment would not see that one's.
    step 'finding PyTorch' python_of_torch "${PYTHON:-$python}"
    for file in common "$stack"; do
        sed '/^torch/d' "requirements/$file.txt" > "$folder/$file.txt"
    done
    step 'installing the packages' install --no-deps -r "$folder/$stack.txt"
    "$folder/bin/python" -c 'import torchvision' 2> /dev/null ||
        step 'installing torchvision' install --no-deps torchvision
fi
step 'installing interclr_plugin' install --no-deps --no-build-isolation \
    -e .
# mim 0.3.9 looks for a package beside its metadata, where an editable install
# has none (mmpretrain 1885).
packages=$("$folder/bin/python" -c \
    'import sysconfig; print(sysconfig.get_path("purelib"))')
ln -sfn "$PWD/interclr_plugin" "$packages/interclr_plugin"
echo "${PYTHON:-}" > "$folder/.ready"
