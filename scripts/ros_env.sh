# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# To be sourced in the checkout's top: the surroundings in which our tests and demo use ROS.
#
# Two promises: no DDS packet leaves this machine, and neither another robot's nodes nor a ROS
# installation that the shell has sourced are mixed with the wheels in .venv.  Read
# CONTRIBUTING.md, "DDS stays at home".

export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
# Humble knows only the older variable, about which the others warn.
if [ "${ROS_DISTRO:-}" = humble ]; then export ROS_LOCALHOST_ONLY=1; else unset ROS_LOCALHOST_ONLY; fi
export FASTRTPS_DEFAULT_PROFILES_FILE="$PWD/config/fastdds_loopback.xml"
export FASTDDS_DEFAULT_PROFILES_FILE="$FASTRTPS_DEFAULT_PROFILES_FILE"
# Two runs at the same time shall not hear each other: a domain of this shell's own, 1..101.
export ROS_DOMAIN_ID="${EOV_SEG_DOMAIN_ID:-$((1 + $$ % 101))}"
export ROS_LOG_DIR="$PWD/.ros_log"
mkdir -p "$ROS_LOG_DIR"

# What a sourced ROS installation leaves in the environment.
if [ -n "${ROS_DISTRO:-}" ]; then unset LD_LIBRARY_PATH; fi
unset PYTHONPATH PYTHONHOME COLCON_PREFIX_PATH CMAKE_PREFIX_PATH RMW_IMPLEMENTATION ROS_DISTRO \
    ROS_STATIC_PEERS
# Set by the wheels in the python that they restart; a child that inherited it would not find them.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
export AMENT_PREFIX_PATH="$PWD/.venv"
