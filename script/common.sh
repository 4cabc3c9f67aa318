# Shared by the scripts: finds the root, a Python, and installs what is missing. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.12 python3.11 python3.13 python3.10; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.10 to 3.13 is needed (TensorFlow has no wheels for others); set PYTHON=/path/to/python"
}

apt_install() {
    local sudo=""
    command -v apt-get >/dev/null || die "these packages are missing and apt-get is not here: $*"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "run as root once: apt-get install --no-install-recommends $*"
        sudo="sudo"
    fi
    say "installing system packages: $*"
    $sudo apt-get update -qq >&2
    # libstdc++ for Arm (1.5 GB) stays out: the emitted C++ does without the standard library.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

install_system_packages() {
    local missing=()
    command -v arm-none-eabi-g++ >/dev/null || missing+=(gcc-arm-none-eabi)
    case "$(arm-none-eabi-gcc -print-file-name=nano.specs 2>/dev/null)" in
        /*) ;;
        *) missing+=(libnewlib-arm-none-eabi) ;;
    esac
    command -v g++ >/dev/null || missing+=(g++)
    command -v make >/dev/null || missing+=(make)
    command -v cmake >/dev/null || missing+=(cmake)
    if [ ! -e .venv/bin/python ] && ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        missing+=("python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
    fi
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

install_python_packages() {
    local python="$1" stamp
    stamp="$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)"
    if [ "$(cat .venv/.installed 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    say "installing Python packages into .venv (about 2.7 GB, once)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation --editable .
    echo "$stamp" >.venv/.installed
}

setup() {
    local python
    python="$(find_python)"
    install_system_packages "$python"
    install_python_packages "$python"
}
