# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of pictures: the right pixels, or an error that says why there are none."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
from picture_case import CLOSE, EXACT, REFUSED, RGB, saved, tiff
from PIL import Image
import pytest

from eov_seg_core.io.media import (
    load_picture,
    MediaError,
    picture_size,
    read_image,
    save_picture,
)


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize('name', EXACT)
def test_exact_files(tmp_path, name):
    data, expected = EXACT[name]
    rgb = read_image(write(tmp_path, name, data))
    assert (rgb.dtype, rgb.flags.writeable, rgb.flags.c_contiguous) == (np.uint8, True, True)
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize('name', CLOSE)
def test_lossy_files(tmp_path, name):
    data, expected = CLOSE[name]
    difference = np.abs(read_image(write(tmp_path, name, data)).astype(int) - expected)
    assert difference.mean() < 3


@pytest.mark.parametrize('name', REFUSED)
def test_refused_files(tmp_path, name):
    data, message = REFUSED[name]
    with pytest.raises(MediaError, match=message) as caught:
        read_image(write(tmp_path, name, data))
    assert name in str(caught.value)


@pytest.mark.parametrize('name', [name for name in EXACT | CLOSE if name.startswith('turned')])
def test_size_without_decoding(tmp_path, name):
    assert picture_size(write(tmp_path, name, (EXACT | CLOSE)[name][0])) == RGB.shape[:2]


def test_the_limit_can_be_chosen(tmp_path):
    path = write(tmp_path, 'a.png', EXACT['rgb.png'][0])
    assert read_image(path, max_megapixels=0.00096).shape == (24, 40, 3)
    with pytest.raises(MediaError, match='40 x 24 pixels'):
        read_image(path, max_megapixels=0.00095)


def test_a_tile_that_is_larger_than_its_picture_is_refused(tmp_path):
    data = tiff({256: 40, 257: 24, 258: 8, 259: 5, 262: 1, 322: 16000, 323: 16000, 324: 8,
                 325: 100})
    with pytest.raises(MediaError, match='a tile of'):
        read_image(write(tmp_path, 'a.tif', data))


def test_a_jpeg_of_many_scans_is_refused(tmp_path):
    data = CLOSE['progressive.jpg'][0]
    start = data.rindex(b'\xff\xda')
    path = write(tmp_path, 'a.jpg', data[:start] + 200 * data[start:-2] + data[-2:])
    with pytest.raises(MediaError, match='scans'):
        read_image(path)


def test_other_formats_can_be_left_out():
    with pytest.raises(MediaError, match='expected JPEG, PNG'):
        load_picture(EXACT['rgb.webp'][0], 'a message', formats=('JPEG', 'PNG'))


def test_a_motion_jpeg_without_tables_is_read(tmp_path):
    """Cameras leave out the usual Huffman tables."""
    data = CLOSE['motion.jpg'][0]
    parts, rest = [data[:2]], data[2:]
    while rest[1] != 0xDA:
        size = 2 + int.from_bytes(rest[2:4], 'big')
        parts += [] if rest[1] == 0xC4 else [rest[:size]]
        rest = rest[size:]
    image = load_picture(b''.join(parts) + rest, 'a frame')
    np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(data))))


def test_a_broken_exif_note_does_not_matter(tmp_path):
    exif = b'Exif\0\0II*\0\xff\xff\xff\xff'
    path = write(tmp_path, 'a.jpg', saved(Image.fromarray(RGB), 'JPEG', exif=exif))
    assert read_image(path).shape == (24, 40, 3)


def test_only_png_and_jpeg_are_written(tmp_path):
    save_picture(tmp_path / 'a.png', RGB)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png'), RGB)
    with pytest.raises(ValueError, match=r'\.png or \.jpg'):
        save_picture(tmp_path / 'a.gif', RGB)


@pytest.mark.skipif(sys.platform != 'linux', reason='a limit of the address space')
@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_writing_where_memory_ends_is_an_error(checkout, tmp_path, suffix):
    """OpenCV's encoder ended the process."""
    done = subprocess.run([sys.executable, '-c', f"""
import resource, sys
import numpy as np
from eov_seg_core.io.media import save_picture
save_picture({str(tmp_path / f"small.{suffix}")!r}, np.zeros((8, 8, 3), np.uint8))
picture = np.random.default_rng(0).integers(0, 255, (6000, 6000, 3), np.uint8)
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20),) * 2)
try:
    save_picture({str(tmp_path / f"large.{suffix}")!r}, picture)
except (MemoryError, OSError) as error:
    print(type(error).__name__)
"""], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ('MemoryError', 'OSError')
    assert [path.name for path in tmp_path.iterdir()] == [f'small.{suffix}']
