# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from image files, videos, cameras and streams, as RGB; see `pictures` for the rules."""

from eov_seg_core.io.media.pictures import (
    check_upright,
    load_picture,
    MAX_MEGAPIXELS,
    MediaError,
    picture_size,
    read_image,
    save_picture,
    to_rgb,
)
from eov_seg_core.io.media.sources import (
    describe_folders,
    find_media,
    IMAGE_SUFFIXES,
    is_live,
    name_sources,
    Picture,
    Source,
    VIDEO_SUFFIXES,
)
from eov_seg_core.io.media.video import open_video

__all__ = [
    'IMAGE_SUFFIXES', 'MAX_MEGAPIXELS', 'VIDEO_SUFFIXES', 'MediaError', 'Picture', 'Source',
    'check_upright', 'describe_folders', 'find_media', 'is_live', 'load_picture',
    'name_sources', 'open_video', 'picture_size', 'read_image', 'save_picture', 'to_rgb']
