#!/usr/bin/env bash
# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Set up what is missing, then run every check: ruff, mypy, codespell and pytest.
#
#   scripts/test.sh                       # everything
#   scripts/test.sh test/core -k vocab    # arguments go to pytest
#   EOV_SEG_TEST_PROCESSES=0 scripts/test.sh    # one process, whose output is shown at once
#
# Exits non-zero when any check fails; the tests that were skipped are listed with their reasons.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./scripts/setup_env.sh
# shellcheck source=scripts/ros_env.sh
source scripts/ros_env.sh
export PATH="$PWD/.venv/bin:$PATH"
export HF_HUB_OFFLINE=1  # a test that wants the network is a bug

failed=()
check() {
  echo "== $*"
  "$@" || failed+=("$1")
}
check ruff check .
check mypy
check codespell
# Two processes of one thread each: many tests wait for DDS, and two cores are what the smallest machine has.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# A process that crashes fails its test, and the other one goes on.  A new one in its place would wait for ever
# (pytest-xdist with --dist loadfile).
check python -m pytest --numprocesses "${EOV_SEG_TEST_PROCESSES:-2}" --dist loadfile --max-worker-restart 0 "$@"

if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
