#!/usr/bin/env bash
# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Make .venv: this package (editable), PyTorch, ROS 2 Jazzy from wheels, vision_msgs and tf2_msgs.
# A second run sees that nothing changed and returns at once.
#
#   scripts/setup_env.sh                      # the first python3 that is new enough
#   PYTHON=python3.12 scripts/setup_env.sh    # a certain one; an environment of another is remade
#
# Missing system packages are installed with apt where that needs no password; otherwise the one
# line to run is printed and the exit status is 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE

readonly VENV=.venv
readonly OLDEST='3.10'

say() { echo "[setup] $*"; }
stop() { printf '[setup] %s\n' "$*" >&2; exit "${2:-1}"; }

is_new_enough() {
  "$1" -c "import sys; sys.exit(sys.version_info < (${OLDEST/./, }))" 2>/dev/null
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_new_enough "$PYTHON" || stop "PYTHON=$PYTHON is not a Python >= $OLDEST that runs"
    echo "$PYTHON"
    return
  fi
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if is_new_enough "$candidate"; then echo "$candidate"; return; fi
  done
}

# The Debian packages without which the next steps would fail, given a python command or none.
missing_packages() {
  local python=$1 base=python3
  if [ -z "$python" ]; then
    echo python3 python3-venv python3-dev
  else
    # a system Python of another version than the default one has packages of its own
    case "$(command -v "$python")" in */python3.*) base=$(basename "$python") ;; esac
    "$python" -c 'import venv, ensurepip' 2>/dev/null || echo "$base-venv"
    "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' || echo "$base-dev"
  fi
  command -v gcc >/dev/null || echo gcc
  command -v g++ >/dev/null || echo g++
}

install_packages() {
  local install=(apt-get install -y --no-install-recommends "$@") as_root=()
  if ! command -v apt-get >/dev/null; then
    stop "these are missing, under the names that Debian gives them: $*" 3
  fi
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || stop "system packages are missing; run this, then try again:
    sudo apt-get update && sudo ${install[*]}" 3
    as_root=(sudo -n)
  fi
  # A foreign source that does not answer need not stop us: the packages are in the main one.
  "${as_root[@]}" apt-get update -qq || say 'apt-get update failed; trying with the lists there are'
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" \
    || stop "apt-get could not install them; install them by hand, then try again: $*" 3
}

# One number for the state of some files: `digest FILE...`.
digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

is_done() { [ "$(cat "$VENV/.done_$1" 2>/dev/null)" = "$2" ]; }

# `once NAME DIGEST COMMAND`: run the command unless it succeeded before with the same digest.
once() {
  if is_done "$1" "$2"; then return; fi
  rm -f "$VENV/.done_$1"
  "$3"
  echo "$2" > "$VENV/.done_$1"
}

pip_install() {
  "$VENV/bin/python" -m pip install --disable-pip-version-check --progress-bar off "$@" \
    | { grep -v '^Requirement already satisfied' || true; }
}

install_package() {
  say "installing PyTorch, ROS 2 from wheels and the tools: about 3 GB to download, some minutes"
  pip_install --upgrade pip 'setuptools>=70.1'
  pip_install --editable '.[ros,bags,ray,console,onnx,openvino,demo,training,test,dev]'
}

install_messages() {
  say 'building vision_msgs and tf2_msgs (25 s)'
  local package
  for package in vision_msgs tf2_msgs; do
    pip_install --quiet --no-deps --no-build-isolation --force-reinstall "./scripts/$package"
    rm -rf "scripts/$package/build" scripts/"$package"/*.egg-info
  done
}

# The tests of the page in the browser want Chromium; without it they are skipped.
install_browser() {
  if command -v chromedriver >/dev/null || ! command -v apt-get >/dev/null; then return; fi
  (install_packages chromium chromium-driver) >/dev/null 2>&1 \
    || say 'no Chromium could be installed, so the tests of eov-seg console in a browser are skipped'
}

version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || true; }

# An environment is kept when it runs and nobody asked for another Python.
is_usable() {
  local version
  version=$(version_of $VENV/bin/python)
  [ -n "$version" ] && { [ -z "${PYTHON:-}" ] || [ "$version" = "$(version_of "$PYTHON")" ]; }
}

make_environment() {
  local python packages
  python=$(find_python)
  mapfile -t packages < <(missing_packages "$python")
  if [ ${#packages[@]} -gt 0 ]; then
    say "missing on this system: ${packages[*]}"
    install_packages "${packages[@]}"
    python=$(find_python)
  fi
  [ -n "$python" ] || stop "Python >= $OLDEST is needed and apt gave none; install one, then run
    PYTHON=/path/to/python3 scripts/setup_env.sh"
  if is_usable; then return; fi
  say "making $VENV with Python $(version_of "$python")"
  "$python" -m venv --clear $VENV
}

# An editable install points to this folder, and .venv does not survive a move either.
package_digest="$(digest setup.py setup.cfg package.xml pyproject.toml scripts/setup_env.sh) $(pwd -P)"
messages_digest="$(digest scripts/message_package.py scripts/*_msgs/setup.py scripts/*_msgs/msg/*.msg)"
if ! { is_usable && is_done package "$package_digest" && is_done messages "$messages_digest"; }; then
  make_environment
  once package "$package_digest" install_package
  install_browser
  once messages "$messages_digest" install_messages
fi
say "$VENV is ready: Python $(version_of $VENV/bin/python)"
