# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile data sets: each is prepared right, or refused with a sentence that names a file."""

import base64
import copy
import json
from pathlib import Path
import random

from dataset_case import photo, room, write_folder
from export_case import (
    annotation,
    box,
    HEIGHT,
    labelme_shape,
    prepare,
    WIDTH,
    write_coco,
    write_cvat,
    write_labelme,
    write_palette,
)
import numpy as np
from PIL import Image
import pytest

from eov_seg_core.io.media import read_image
from training.data import open_dataset
from training.prepare.__main__ import main

SEEDS = range(40)
VALUES = [None, -1, 0, 1, 2.5, 1e30, float('nan'), float('inf'), True, '', 'x', '../../etc/passwd',
          '/etc/passwd', 'a\nb', '\x00', 'x' * 5000, [], {}, [[]], [[1, 2], [3]], {'id': 1},
          10**20, '٣', json.loads('[' * 40 + ']' * 40)]
"""What a place of a JSON may suddenly hold."""


def check(arguments, folder, capsys):
    """Run a preparation, and return whether it went well."""
    status = main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert status in (0, 1), error
    if status:
        names = {path.name for path in folder.rglob('*')}
        assert any(name in error for name in names), f'names no file: {error}'
        assert not any(word in error for word in ('Traceback', 'KeyError', 'TypeError')), error
    return status == 0


def places(node, path=()):
    """Return the way to every value in a JSON."""
    below = node.items() if isinstance(node, dict) else enumerate(
        node) if isinstance(node, list) else ()
    return [path, *(place for key, value in below for place in places(value, (*path, key)))]


def changed(content, rng):
    """Return a JSON with one place replaced, removed or doubled."""
    content = copy.deepcopy(content)
    *way, last = rng.choice([place for place in places(content) if place])
    parent = content
    for key in way:
        parent = parent[key]
    action = rng.choice(['replace', 'replace', 'replace', 'remove', 'double'])
    if action == 'remove':
        del parent[last]
    elif action == 'double' and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    else:
        parent[last] = rng.choice(VALUES)
    return content


def rewrite(path, rng):
    content = changed(json.loads(path.read_text()), rng)
    path.write_text(json.dumps(content))
    return content


def write_export(kind, folder):
    """Write a small export and return its JSON."""
    if kind == 'coco':
        write_cvat(folder, [annotation(1, 1, 1, box(5, 5, 20, 20)),
                            annotation(2, 1, 2, box(0, 20, 60, 40))])
        return folder / 'annotations/instances_default.json'
    write_labelme(folder, [labelme_shape('chair', [[1, 1], [9, 1], [9, 9]]),
                           labelme_shape('floor', [[5, 5], [20, 20]], 'rectangle', 3)])
    return folder / 'a.json'


@pytest.mark.parametrize('kind', ['coco', 'labelme'])
def test_exports_with_a_wrong_value_anywhere(tmp_path, capsys, kind):
    outcomes = set()
    for seed in SEEDS:
        folder = tmp_path / f'{kind}_{seed}'
        rewrite(write_export(kind, folder), random.Random(seed))
        outcomes.add(check([tmp_path / f'out_{seed}', '--from', folder, '--jobs', '1'], folder,
                           capsys))
    assert outcomes == {True, False}


def test_panoptic_folders_with_a_wrong_value_anywhere(tmp_path, capsys):
    outcomes = set()
    for seed in SEEDS:
        folder = write_folder(tmp_path / f'data_{seed}', [room()])
        rewrite(folder / 'panoptic.json', random.Random(seed))
        is_sound = check([folder, '--check', '--jobs', '1'], folder, capsys)
        outcomes.add(is_sound)
        if is_sound:
            sample = open_dataset(str(folder), None, 'train')[0]
            assert sample.ids.shape == sample.image_rgb.shape[:2]
    assert outcomes == {True, False}


def cut(path, rng):
    data = path.read_bytes()
    path.write_bytes(data[:rng.randrange(len(data))])


def flip(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def as_kind(mode, **options):
    def save(path, rng):
        image = Image.open(path)
        image.load()
        if mode == 'I;16':
            image = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 256)
        else:
            image = image.convert(mode)
        image.save(path, 'PNG', **options)
    return save


def resized(path, rng):
    Image.open(path).resize((31, 17)).save(path, 'PNG')


def recolored(path, rng):
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 99
    Image.fromarray(pixels).save(path, 'PNG')


def turned(orientation):
    def save(path, rng):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.open(path).save(path, 'PNG', exif=exif)
    return save


def as_folder(path, rng):
    path.unlink()
    path.mkdir()


def as_link(path, rng):
    path.unlink()
    path.symlink_to('/etc/passwd')


def remove(path, rng):
    path.unlink()


FILES = {'cut': cut, 'grey': as_kind('L'), '16 bit': as_kind('I;16'), 'resized': resized,
         'unknown ids': recolored, 'turned by 180 degrees': turned(3), 'mirrored': turned(2),
         'turned by 90 degrees': turned(6), 'a folder': as_folder, 'a link': as_link,
         'missing': remove}


@pytest.mark.parametrize('name', FILES)
def test_truth_that_is_damaged_is_refused(tmp_path, capsys, name):
    folder = write_folder(tmp_path / 'data')
    FILES[name](folder / 'panoptic' / 'room_0.png', random.Random(1))
    assert not check([folder, '--check'], folder, capsys)


def test_truth_with_alpha_or_a_neutral_orientation_is_read(tmp_path, capsys):
    folder = write_folder(tmp_path / 'data')
    as_kind('RGBA')(folder / 'panoptic' / 'room_0.png', None)
    turned(1)(folder / 'panoptic' / 'room_1.png', None)
    assert check([folder, '--check'], folder, capsys)


def test_any_bit_and_any_length_of_truth(tmp_path, capsys):
    folder = write_folder(tmp_path / 'data', [room()])
    png = folder / 'panoptic' / 'room_0.png'
    whole = png.read_bytes()
    before = open_dataset(str(folder), None, 'train')[0].ids
    for seed in SEEDS:
        png.write_bytes(whole)
        (flip if seed % 2 else cut)(png, random.Random(seed))
        if check([folder, '--check', '--jobs', '1'], folder, capsys):
            np.testing.assert_array_equal(open_dataset(str(folder), None, 'train')[0].ids, before)


@pytest.mark.parametrize('orientation', [2, 3, 6])
def test_label_maps_that_exif_turns_are_refused(tmp_path, capsys, orientation):
    folder = tmp_path / 'maps'
    write_palette(folder / 'labels' / 'a.png', np.ones((HEIGHT, WIDTH)))
    (folder / 'images').mkdir()
    Image.fromarray(photo()).save(folder / 'images' / 'a.jpg')
    (folder / 'classes.txt').write_text('background\nchair\n')
    assert prepare(tmp_path / 'first', folder) == 0
    turned(orientation)(folder / 'labels' / 'a.png', None)
    capsys.readouterr()
    assert prepare(tmp_path / 'out', folder) == 1
    assert f'a.png is a label map with the EXIF orientation {orientation}' in (
        capsys.readouterr().err)


@pytest.mark.parametrize('entries', [[], [annotation(1, 1, 1, box(5, 5, 20, 20))]])
def test_no_annotation_and_one(tmp_path, entries):
    assert prepare(tmp_path / 'out', write_cvat(tmp_path / 'cvat', entries)) == 0
    data = open_dataset(str(tmp_path / 'out'), None, 'train')
    assert len(data[0].segments) == len(entries)


def test_an_export_without_pictures(tmp_path, capsys):
    write_coco(tmp_path / 'cvat' / 'instances.json', [], pictures=())
    assert prepare(tmp_path / 'out', tmp_path / 'cvat') == 1
    assert 'no picture' in capsys.readouterr().err


# --- labelme's pictures inside of the JSON ----------------------------------------------------

def embed(folder, name, suffix='.jpg'):
    """Move a picture into the JSON beside it, as `labelme --with-data` writes; return pixels."""
    path, picture = folder / f'{name}.json', folder / f'{name}.jpg'
    if suffix == '.png':
        Image.open(picture).save(picture.with_suffix('.png'))
        picture.unlink()
        picture = picture.with_suffix('.png')
    rgb = read_image(picture)
    content = json.loads(path.read_text())
    content['imageData'] = base64.b64encode(picture.read_bytes()).decode()
    path.write_text(json.dumps(content))
    picture.unlink()
    return rgb


def test_labelme_pictures_inside_of_the_json(tmp_path):
    folder = tmp_path / 'labelme'
    shapes = [labelme_shape('chair', [[1, 1], [20, 1], [20, 20]])]
    pixels = {}
    for name, image_path, suffix in (('a', 'a.jpg', '.jpg'), ('b', r'C:\raw\b.heic', '.png'),
                                     ('c', '../../c.jpg', '.jpg')):
        write_labelme(folder, shapes, name)
        pixels[name] = embed(folder, name, suffix)
        path = folder / f'{name}.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | {'imagePath': image_path}))
    write_labelme(folder, shapes, 'd')      # and one beside it
    assert prepare(tmp_path / 'out', folder) == 0
    data = open_dataset(str(tmp_path / 'out'), None, 'train')
    assert [data[index].name for index in range(4)] == ['a.jpg', 'b.png', 'c.jpg', 'd.jpg']
    for index, name in enumerate('abc'):
        np.testing.assert_array_equal(data[index].image_rgb, pixels[name])
        assert len(data[index].segments) == 1
    written = (tmp_path / 'out/panoptic.json').stat().st_mtime_ns
    assert prepare(tmp_path / 'out', folder) == 0       # nothing is made again
    assert (tmp_path / 'out/panoptic.json').stat().st_mtime_ns == written


@pytest.mark.parametrize(('data', 'message'), [
    ('/9j/!!', 'imageData is no picture in base64'),
    (base64.b64encode(b'no picture at all').decode(), 'is a text, no picture'),
    ('', 'is empty'),
    (None, "names the picture 'a.jpg', which is not below"),
    (5, "names the picture 'a.jpg', which is not below"),
])
def test_damaged_pictures_inside_of_the_json(tmp_path, capsys, data, message):
    folder = write_labelme(tmp_path / 'labelme', [
        labelme_shape('chair', [[1, 1], [20, 1], [20, 20]])])
    Path(folder / 'a.jpg').unlink()
    path = folder / 'a.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'imageData': data}))
    assert prepare(tmp_path / 'out', folder) == 1
    error = capsys.readouterr().err
    assert message in error
    assert 'a.json' in error or 'a.jpg' in error
