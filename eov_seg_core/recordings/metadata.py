# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml of a bag whose files were written one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eov_seg_core.io.files import replacing

_INFORMATION = 'rosbag2_bagfile_information'


def read_metadata(folder: Path) -> Any:
    """Return what metadata.yaml says of a bag."""
    text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
    return yaml.safe_load(text)[_INFORMATION]


def write_metadata(folder: Path, bags: list[dict[str, Any]]) -> None:
    """Make a folder the bag of several files; see `merged`.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(folder / 'metadata.yaml') as temporary:
        temporary.write_text(yaml.safe_dump({_INFORMATION: merged(bags)}, sort_keys=False),
                             encoding='utf-8')


def merged(bags: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata of a bag of several files.

    Args:
        bags: The metadata of each file, one at least, with the same topics.
    """
    starts = [bag['starting_time']['nanoseconds_since_epoch'] for bag in bags]
    end = max(start + bag['duration']['nanoseconds'] for start, bag in zip(starts, bags))
    topics = [entry | {'message_count': sum(
        bag['topics_with_message_count'][index]['message_count'] for bag in bags)}
        for index, entry in enumerate(bags[0]['topics_with_message_count'])]
    return bags[0] | {
        'relative_file_paths': [path for bag in bags for path in bag['relative_file_paths']],
        'starting_time': {'nanoseconds_since_epoch': min(starts)},
        'duration': {'nanoseconds': end - min(starts)},
        'message_count': sum(bag['message_count'] for bag in bags),
        'topics_with_message_count': topics,
        'files': [entry for bag in bags for entry in bag['files']]}
