#!/usr/bin/env bash
# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Make ROS and the workspace known, then become the command.
set -e
# shellcheck disable=SC1091
source /opt/ros/jazzy/setup.bash
# shellcheck disable=SC1091
source /workspace/install/setup.bash
exec "$@"
