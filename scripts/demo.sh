#!/usr/bin/env bash
# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Set up what is missing, then run the whole system for half a minute: a camera, the node, and a
# watcher that changes the words half-way and writes what comes back.
#
#   scripts/demo.sh                                  # the built-in camera, which knows the truth
#   scripts/demo.sh PICTURE|FOLDER|VIDEO ... [--checkpoint FILE] [--variant s] [--output DIR]
#
# Results go to ./demo_output.  No ROS installation is needed; nothing leaves this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$here/scripts/setup_env.sh"
cd "$here"
# shellcheck source=scripts/ros_env.sh
source scripts/ros_env.sh
cd "$OLDPWD"
exec "$here/.venv/bin/python" -m eov_seg_ros.demo "$@"
