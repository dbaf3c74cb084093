# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published data sets in their published layouts: prepared, opened, interrupted, damaged."""

from __future__ import annotations

import json
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import cv2
from dataset_case import photo, save, segment, write_folder
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
import pytest
from scipy.io import savemat

from eov_seg_core.export import ids_to_rgb, read_panoptic_png
from eov_seg_core.vocabulary import Vocabulary
from training.coco_panoptic import read_panoptic_file
from training.datasets import data_sets, open_dataset
from training.prepare import steps
from training.prepare.__main__ import main
from training.samples import SegmentLabel

WALL, BED, WINDOW = 0, 7, 8     # ADE20K: bed and window are things 1 and 2 of the instance maps


def prepare(name, root, *more):
    return main([name, '--root', str(root), '--split', 'val', '--jobs', '2', *more])


# --- ADE20K, 150 classes ---------------------------------------------------------------------

def ade_maps():
    """A wall with an unlabelled strip; two beds; a window that the label map lacks."""
    labels = np.full((40, 60), WALL + 1, np.uint8)
    labels[:5] = 0
    labels[20:, :30] = BED + 1          # without an instance at its left end: void
    instances = np.zeros((40, 60, 3), np.uint8)
    instances[20:, 5:15] = (1, 1, 0)
    instances[20:, 15:30] = (1, 2, 0)
    instances[8:12, 40:50] = (2, 3, 0)  # window upon wall
    return labels, instances


def write_ade(root, count=3):
    folder = root / 'ADEChallengeData2016'
    labels, instances = ade_maps()
    for index in range(count):
        name = f'ADE_val_{index:08d}'
        save(folder / f'images/validation/{name}.jpg', photo(seed=index))
        save(folder / f'annotations/validation/{name}.png', labels)
        save(folder / f'annotations_instance/validation/{name}.png', instances)
    return folder


def expected_ade():
    labels, instances = ade_maps()
    classes = np.where(labels == BED + 1, -1, labels.astype(int) - 1)
    for thing, index in ((1, BED), (2, WINDOW)):
        classes[instances[..., 0] == thing] = index
    return classes


def classes_of(sample):
    classes = np.full(sample.ids.shape, -1)
    for label in sample.segments:
        classes[sample.ids == label.id] = label.class_index
    return classes


def test_ade20k_panoptic(tmp_path, capsys):
    folder = write_ade(tmp_path)
    assert prepare('ade20k_150', tmp_path) == 0
    assert capsys.readouterr().out == 'ade20k_150, val: 3 images are ready\n'
    data = open_dataset('ade20k_150', tmp_path)
    assert data.vocabulary == Vocabulary.preset('ade20k_150')
    sample = data[1]
    assert sample.name == 'ADE_val_00000001.jpg'
    np.testing.assert_array_equal(classes_of(sample), expected_ade())
    assert sorted(label.class_index for label in sample.segments) == [WALL, BED, BED, WINDOW]
    assert not any(label.is_crowd for label in sample.segments)
    file = read_panoptic_file(folder / 'ade20k_panoptic_val.json')
    assert [entry.id for entry in file.categories] == list(range(150))
    assert [entry.is_thing for entry in file.categories] == list(data.vocabulary.is_thing)
    first = json.loads((folder / 'ade20k_panoptic_val.json').read_text())
    assert first['images'][0] == {'id': 'ADE_val_00000000', 'file_name': 'ADE_val_00000000.jpg',
                                  'height': 40, 'width': 60}
    wall, bed, *_ = first['annotations'][0]['segments_info']
    assert wall == segment(1 + WALL, WALL, area=35 * 60 - 20 * 30 - 40, bbox=[0, 5, 60, 35])
    assert bed == segment(1 + BED + 256, BED, area=20 * 10, bbox=[5, 20, 10, 20])


def test_ade20k_stuff_that_things_cover_is_left_out(tmp_path):
    folder = write_ade(tmp_path, 1)
    instances = np.zeros((40, 60, 3), np.uint8)
    instances[:] = (100, 255, 0)
    save(folder / 'annotations_instance/validation/ADE_val_00000000.png', instances)
    assert prepare('ade20k_150', tmp_path) == 0
    label, = open_dataset('ade20k_150', tmp_path)[0].segments
    assert label == SegmentLabel(1 + 149 + 256 * 255, 149)


def test_ade20k_prepared_by_the_published_script(tmp_path):
    """Its JSON also lists stuff that things cover; such segments are left out."""
    folder = tmp_path / 'ADEChallengeData2016'
    save(folder / 'images/validation/a.jpg', photo())
    save(folder / 'ade20k_panoptic_val/a.png', ids_to_rgb(np.full((40, 60), 999)))
    (folder / 'ade20k_panoptic_val.json').write_text(json.dumps({
        'images': [{'id': 'a', 'file_name': 'a.jpg'}],
        'annotations': [{'image_id': 'a', 'file_name': 'a.png', 'segments_info': [
            segment(5, WALL, area=9), segment(999, BED, area=9)]}],
        'categories': [{'id': WALL, 'name': 'wall', 'isthing': 0},
                       {'id': BED, 'name': 'bed', 'isthing': 1}]}))
    assert open_dataset('ade20k_150', tmp_path)[0].segments == (SegmentLabel(999, BED),)


def test_ade20k_semantic(tmp_path):
    write_ade(tmp_path)
    assert prepare('ade20k_150_semantic', tmp_path) == 0
    data = open_dataset('ade20k_150_semantic', tmp_path)
    assert len(data) == 3
    assert data[0].name == 'ADE_val_00000000.jpg'
    assert data[0].classes.dtype == np.int32
    np.testing.assert_array_equal(data[0].classes, ade_maps()[0].astype(int) - 1)


@pytest.mark.parametrize(('value', 'message'), [
    ((0, 1, 0), r'class 0\.\.2 \(red channel\); expected 1\.\.100'),
    ((101, 1, 0), r'class 1\.\.101 \(red channel\)'),
    ((2, 1, 0), 'an instance of two classes'),
])
def test_ade20k_instances_that_make_no_sense(tmp_path, capsys, value, message):
    folder = write_ade(tmp_path)
    path = folder / 'annotations_instance/validation/ADE_val_00000001.png'
    instances = ade_maps()[1]
    instances[instances[..., 1] == 1] = (1, 5, 0)
    instances[30:, 50:] = value
    instances[25:30, 50:] = (1, 1, 0) if 'two' in message else 0
    save(path, instances)
    assert prepare('ade20k_150', tmp_path) == 1
    error = capsys.readouterr().err
    assert '1 of 3 images are broken' in error
    assert 'ADE_val_00000001.png' in error
    assert re.search(message, error), error


# --- ADE20K, 847 classes ---------------------------------------------------------------------

def write_ade_full(root):
    """Write one large and one small image; sky is object 2420, wall 2978, and 1 no class."""
    folder = root / 'ADE20K_2021_17_01/images/ADE/validation'
    for name, (height, width) in (('street/ADE_val_00000002', (600, 800)),
                                  ('home/ADE_val_00000001', (40, 60))):
        objects = np.full((height, width), 2978)
        objects[:height // 2] = 2420
        objects[:, -width // 4:] = 1
        channels = np.zeros((height, width, 3), np.uint8)
        channels[..., 0] = objects // 256 * 10 + 3
        channels[..., 1] = objects % 256
        channels[..., 2] = 77
        save(folder / f'{name}.jpg', photo(height, width))
        save(folder / f'{name}_seg.png', channels)


def test_ade20k_full(tmp_path):
    write_ade_full(tmp_path)
    assert prepare('ade20k_847', tmp_path) == 0
    data = open_dataset('ade20k_847', tmp_path)
    assert [data[index].classes.shape for index in range(2)] == [(40, 60), (512, 683)]
    for sample in (data[0], data[1]):
        height, width = sample.classes.shape
        assert sample.image_rgb.shape == (height, width, 3)
        assert sample.classes[height // 4, width // 4] == 2     # sky
        assert sample.classes[-1, 0] == 0                       # wall
        assert sample.classes[0, -1] == -1
    assert data.vocabulary.names[:3] == ('wall', 'building', 'sky')


# --- Cityscapes ------------------------------------------------------------------------------

def write_cityscapes(root):
    ids = np.full((40, 60), 7, np.uint16)       # road
    ids[:10] = 23                               # sky
    ids[10:12] = 4                              # static: not judged
    ids[12:14] = 29001                          # caravan: not judged
    ids[20:30, :10] = 26                        # a group of cars
    ids[20:30, 20:30] = 26000
    ids[20:30, 40:50] = 33012                   # bicycle
    for city in ('ulm', 'aachen'):
        stem = f'val/{city}/{city}_000000_000019'
        save(root / f'cityscapes/gtFine/{stem}_gtFine_instanceIds.png', ids)
        save(root / f'cityscapes/leftImg8bit/{stem}_leftImg8bit.png', photo())
    return ids


def test_cityscapes(tmp_path):
    ids = write_cityscapes(tmp_path)
    assert prepare('cityscapes', tmp_path) == 0
    data = open_dataset('cityscapes', tmp_path)
    assert len(data) == 2
    assert data[0].name == 'aachen/aachen_000000_000019_leftImg8bit.png'
    np.testing.assert_array_equal(data[1].image_rgb, photo())
    assert data[0].segments == (
        SegmentLabel(7, 0), SegmentLabel(23, 10), SegmentLabel(26, 13, True),
        SegmentLabel(26000, 13), SegmentLabel(33012, 18))
    np.testing.assert_array_equal(data[0].ids, np.where(np.isin(ids, (4, 29001)), 0, ids))
    names = data.vocabulary.names
    assert (names[0], names[10], names[13], names[18]) == ('road', 'sky', 'car', 'bicycle')
    content = json.loads((tmp_path / 'cityscapes/gtFine/cityscapes_panoptic_val.json').read_text())
    assert content['annotations'][0]['file_name'] == 'aachen_000000_000019_gtFine_panoptic.png'
    assert content['images'][0]['id'] == 'aachen_000000_000019'


# --- PASCAL ----------------------------------------------------------------------------------

def write_voc(root):
    folder = root / 'VOCdevkit/VOC2012'
    values = np.zeros((40, 60), np.uint8)
    values[:10] = 1         # aeroplane
    values[10:20] = 20      # tvmonitor
    values[20:22] = 255
    for name in ('2007_000033', '2008_000001'):
        save(folder / f'JPEGImages/{name}.jpg', photo())
        labels = Image.fromarray(values, mode=None).convert('P')
        labels.putdata(values.ravel().tolist())
        labels.putpalette([(7 * index) % 256 for index in range(768)])
        (folder / 'SegmentationClass').mkdir(exist_ok=True)
        labels.save(folder / f'SegmentationClass/{name}.png')
    (folder / 'ImageSets/Segmentation').mkdir(parents=True)
    (folder / 'ImageSets/Segmentation/val.txt').write_text('2007_000033\n2008_000001\n')


def test_pascal_voc(tmp_path):
    write_voc(tmp_path)
    for name, shift in (('pascal_voc_20', 1), ('pascal_voc_21', 0)):
        assert prepare(name, tmp_path) == 0
        data = open_dataset(name, tmp_path)
        assert len(data) == 2
        assert len(data.vocabulary) == 21 - shift
        classes = data[0].classes
        assert [classes[row, 0] for row in (0, 10, 20, 30)] == [1 - shift, 20 - shift, -1, -shift]
        assert data.vocabulary.names[1 - shift] == 'aeroplane'
    assert data.vocabulary.names[0] == 'background'


def write_context(root):
    """Write two validation images: aeroplane is label 2, accordion 1, wood piece 458."""
    folder = root / 'VOCdevkit/VOC2010'
    labels = np.zeros((40, 60), np.uint16)
    labels[:10], labels[10:20], labels[20:30] = 2, 458, 1
    images, segments = [], []
    for index, name in enumerate(('2008_000002', '2008_000007', '2008_000008')):
        save(folder / f'JPEGImages/{name}.jpg', photo())
        images.append({'file_name': f'{name}.jpg', 'image_id': index + 5, 'height': 40,
                       'width': 60, 'phase': 'train' if index == 0 else 'val'})
        (folder / 'trainval').mkdir(exist_ok=True)
        savemat(folder / f'trainval/{name}.mat', {'LabelMap': labels}, do_compression=True)
        for value in (2, 458):
            encoded = coco_mask.encode(np.asfortranarray(labels == value, np.uint8))
            encoded['counts'] = encoded['counts'].decode()
            segments.append({'id': len(segments), 'image_id': index + 5, 'category_id': value,
                             'segmentation': encoded})
    (folder / 'trainval_merged.json').write_text(
        json.dumps({'images': images, 'annos_segmentation': segments, 'categories': []}))
    return folder


def test_pascal_context(tmp_path):
    write_context(tmp_path)
    for name, expected in (('pascal_context_59', ['aeroplane', 'wood piece', None, None]),
                           ('pascal_context_459', ['aeroplane', 'wood piece', 'accordion', None])):
        assert prepare(name, tmp_path) == 0
        data = open_dataset(name, tmp_path)
        assert len(data) == 2
        classes = data[0].classes[[0, 10, 20, 30], 0]
        assert [data.vocabulary.names[index] if index >= 0 else None
                for index in classes] == expected


def test_damaged_context_files(tmp_path, capsys):
    folder = write_context(tmp_path)
    path = folder / 'trainval/2008_000007.mat'
    path.write_bytes(path.read_bytes()[:150])
    assert prepare('pascal_context_459', tmp_path) == 1
    assert '2008_000007.mat is no MATLAB file' in capsys.readouterr().err
    content = json.loads((folder / 'trainval_merged.json').read_text())
    content['annos_segmentation'][2]['category_id'] = 1
    (folder / 'trainval_merged.json').write_text(json.dumps(content))
    assert prepare('pascal_context_59', tmp_path) == 1
    assert 'a mask of 2008_000007.png is damaged, or of none of' in capsys.readouterr().err
    (folder / 'trainval_merged.json').write_text('{"images": [')
    assert prepare('pascal_context_59', tmp_path) == 1
    assert 'trainval_merged.json is damaged' in capsys.readouterr().err


# --- COCO ------------------------------------------------------------------------------------

def test_coco_needs_no_preparation(tmp_path, capsys):
    folder = tmp_path / 'coco'
    save(folder / 'val2017/000000000139.jpg', photo())
    ids = np.full((40, 60), 3226956)
    ids[:10] = 1
    save(folder / 'panoptic_val2017/000000000139.png', ids_to_rgb(ids))
    (folder / 'annotations').mkdir()
    (folder / 'annotations/panoptic_val2017.json').write_text(json.dumps({
        'images': [{'id': 139, 'file_name': '000000000139.jpg'}],
        'annotations': [{'image_id': 139, 'file_name': '000000000139.png', 'segments_info': [
            segment(3226956, 90, area=1800), segment(1, 200, area=600)]}],
        'categories': [{'id': 90, 'name': 'toothbrush', 'isthing': 1},
                       {'id': 200, 'name': 'rug-merged', 'isthing': 0}]}))
    assert prepare('coco_panoptic', tmp_path) == 0
    assert 'coco_panoptic, val: 1 images are ready' in capsys.readouterr().out
    data = open_dataset('coco_panoptic', tmp_path)
    assert [data.vocabulary.names[label.class_index] for label in data[0].segments] == [
        'toothbrush', 'rug']


def test_ids_of_all_classes():
    """Against the published lists, where they are beside the checkout."""
    path = Path(__file__).parents[3] / 'shared' / 'vocabularies' / 'published.json'
    if not path.is_file():
        pytest.skip('the published lists (../shared/vocabularies) are not beside this checkout')
    published = json.loads(path.read_text())
    from training.datasets import catalogue
    from training.prepare import ade20k, pascal
    for ids, name in ((catalogue.COCO_IDS, 'coco_panoptic'),
                      (catalogue.CITYSCAPES_IDS, 'cityscapes')):
        assert list(ids) == [entry['id'] for entry in published[name]]
    assert {entry['id']: entry['train_id'] for entry in published['ade20k_847']} == {
        key: index for key, index in enumerate(ade20k._class_of_object().tolist())
        if index != 65535}
    names = [entry['names'][0] for entry in published['pascal_context_459']]
    renamed = {'computer': 'computer case', 'road': 'street', 'table': 'diningtable'}
    assert [renamed.get(names[label - 1], names[label - 1]) for label in pascal.CONTEXT_59] == [
        entry['names'][0] for entry in published['pascal_context_59']]
    assert list(catalogue._BACKGROUND) == published['pascal_voc_21'][0]['names']


# --- Interruptions ---------------------------------------------------------------------------

PREPARED = {
    'ade20k_150': (write_ade, 'ADEChallengeData2016/ade20k_panoptic_val'),
    'ade20k_150_semantic': (write_ade, 'ADEChallengeData2016/annotations_detectron2/validation'),
    'ade20k_847': (write_ade_full, 'ADE20K_2021_17_01/annotations_detectron2/validation'),
    'cityscapes': (write_cityscapes, 'cityscapes/gtFine/cityscapes_panoptic_val'),
    'pascal_voc_20': (write_voc, 'pascal_voc_d2/annotations_pascal20/validation'),
    'pascal_context_59': (write_context, 'pascal_ctx_d2/annotations_ctx59/validation'),
    'pascal_context_459': (write_context, 'pascal_ctx_d2/annotations_ctx459/validation'),
}


@pytest.mark.parametrize('name', PREPARED)
def test_files_that_are_lost_are_made_again_and_no_others(tmp_path, name):
    write, where = PREPARED[name]
    write(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_dataset(name, tmp_path)
    assert prepare(name, tmp_path) == 0
    files = sorted((tmp_path / where).iterdir())
    contents = [file.read_bytes() for file in files]
    files[0].unlink()
    (tmp_path / where / '.0123456789abcdef.tmp').write_bytes(contents[0][:20])
    kept = files[1].stat()
    with pytest.raises(FileNotFoundError, match=f'training.prepare {name} --root'):
        open_dataset(name, tmp_path)
    assert prepare(name, tmp_path) == 0
    assert sorted((tmp_path / where).iterdir()) == files
    assert [file.read_bytes() for file in files] == contents
    assert files[1].stat().st_mtime_ns == kept.st_mtime_ns
    assert prepare(name, tmp_path, '--check') == 0


@pytest.mark.parametrize('name', ['ade20k_150', 'ade20k_150_semantic'])
def test_broken_source_is_named_and_the_rest_is_done(tmp_path, capsys, name):
    folder = write_ade(tmp_path)
    path = folder / 'annotations/validation/ADE_val_00000000.png'
    sound = path.read_bytes()
    path.write_bytes(sound[:40])
    assert prepare(name, tmp_path) == 1
    error = capsys.readouterr().err
    assert '1 of 3 images are broken' in error
    assert f'{path} is damaged, cut off' in error
    with pytest.raises(FileNotFoundError, match=f'training.prepare {name} --root'):
        open_dataset(name, tmp_path)
    path.write_bytes(sound)
    assert prepare(name, tmp_path) == 0
    assert prepare(name, tmp_path, '--check') == 0


def test_full_disk_ends_the_work_at_once(tmp_path, capsys, monkeypatch):
    def full(path, content):
        raise OSError(28, 'No space left on device', str(path))

    write_ade(tmp_path, 30)
    monkeypatch.setattr(steps, 'replace_file', full)
    assert prepare('ade20k_150_semantic', tmp_path) == 1
    error = capsys.readouterr().err
    assert error.count('No space left') == 1
    assert 'ADE_val_00000000.png' in error


def test_line_that_was_cut_off_counts_for_nothing(tmp_path):
    """As after a kill: two PNGs, of the second no line but a piece, and no JSON."""
    folder = write_ade(tmp_path)
    assert prepare('ade20k_150', tmp_path) == 0
    json_path = folder / 'ade20k_panoptic_val.json'
    whole = json_path.read_bytes()
    content = json.loads(whole)
    lines = [json.dumps({'image': image, 'annotation': annotation})
             for image, annotation in zip(content['images'], content['annotations'])]
    (folder / '.ade20k_panoptic_val.json.unfinished').write_text(lines[0] + '\n' + lines[1][:50])
    json_path.unlink()
    first, second, third = sorted((folder / 'ade20k_panoptic_val').iterdir())
    third.unlink()
    kept = first.stat()
    assert prepare('ade20k_150', tmp_path) == 0
    assert json_path.read_bytes() == whole
    assert first.stat().st_mtime_ns == kept.st_mtime_ns
    assert [path.name for path in folder.glob('.*')] == []


def test_stopped_at_any_moment(tmp_path, checkout):
    """Kill the command, stop it as Ctrl-C does, run it again: the result is that of one run."""
    once, often = tmp_path / 'once', tmp_path / 'often'
    for root in (once, often):
        write_ade(root, 150)
    command = [sys.executable, '-m', 'training.prepare', 'ade20k_150', '--split', 'val',
               '--jobs', '1', '--root', str(often)]
    progress = often / 'ADEChallengeData2016/ade20k_panoptic_val'
    stopped = 0
    for share, how, status in ((20, signal.SIGKILL, -signal.SIGKILL), (60, signal.SIGINT, 130)):
        process = subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(progress.glob('*.png'))) < share:
            time.sleep(0.001)
        process.send_signal(how)
        stopped += process.wait(60) == status
    assert stopped, 'the command was done before it could be stopped'
    assert prepare('ade20k_150', often) == 0
    assert prepare('ade20k_150', once) == 0
    name = 'ADEChallengeData2016/ade20k_panoptic_val.json'
    assert (often / name).read_bytes() == (once / name).read_bytes()
    data = open_dataset('ade20k_150', often)
    assert len(data) == 150
    for sample in data:
        np.testing.assert_array_equal(classes_of(sample), expected_ade())


# --- The command -----------------------------------------------------------------------------

def test_check_lists_all_that_is_broken(tmp_path, capsys):
    folder = write_folder(tmp_path / 'mine', None)
    assert main([str(folder), '--check', '--split', 'val']) == 0
    assert '2 images are sound' in capsys.readouterr().out
    for name in ('images/room_0.jpg', 'panoptic/room_1.png'):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:len(data) // 2])
    assert main([str(folder), '--check', '--split', 'val']) == 1
    error = capsys.readouterr().err
    assert '2 of 2 images are broken' in error
    assert 'room_0.jpg is damaged' in error
    assert 'room_1.png is no picture' in error


def test_check_finds_a_label_that_is_no_class(tmp_path, capsys):
    folder = write_ade(tmp_path)
    prepare('ade20k_150_semantic', tmp_path)
    maps = folder / 'annotations_detectron2/validation'
    save(maps / 'ADE_val_00000000.png', np.full((40, 60), 150, np.uint8))
    save(maps / 'ADE_val_00000001.png', np.zeros((40, 61), np.uint8))
    save(maps / 'ADE_val_00000002.png', photo())
    assert prepare('ade20k_150_semantic', tmp_path, '--check') == 1
    error = capsys.readouterr().err
    assert 'has the value 150; expected 0..149, or 255 for pixels that are not judged' in error
    assert 'ADE_val_00000001.png has 61 x 40 pixels, but its image' in error
    assert 'ADE_val_00000002.png has colours' in error


@pytest.mark.parametrize('name', data_sets())
def test_nothing_is_there(tmp_path, capsys, name):
    assert prepare(name, tmp_path) == 1
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert 'Download' in error
    with pytest.raises(FileNotFoundError, match='Download|training.prepare'):
        open_dataset(name, tmp_path)


@pytest.mark.parametrize('lost', ['annotations/validation/ADE_val_00000001.png',
                                  'annotations_instance/validation/ADE_val_00000001.png'])
def test_lost_source(tmp_path, capsys, lost):
    folder = write_ade(tmp_path)
    (folder / lost).unlink()
    assert prepare('ade20k_150', tmp_path) == 1
    error = capsys.readouterr().err
    assert f'{folder / lost}: there is no such file; expected a label map. Download' in error


@pytest.mark.parametrize(('arguments', 'message'), [
    (['ade20k'], "no data set 'ade20k' to prepare; there are coco_panoptic, ade20k_150"),
    (['ade20k_150'], '--root is missing'),
])
def test_wrong_arguments(capsys, arguments, message):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_jobs_must_be_positive(capsys):
    with pytest.raises(SystemExit):
        main(['cityscapes', '--root', '.', '--jobs', '0'])
    assert 'at least 1, got 0' in capsys.readouterr().err


def test_wrong_ways_to_open(tmp_path):
    with pytest.raises(ValueError, match='cityscapes needs root'):
        open_dataset('cityscapes')
    with pytest.raises(ValueError, match='vocabulary of its own'):
        open_dataset('cityscapes', tmp_path, vocabulary=Vocabulary(['car']))


def test_pngs_have_the_published_form(tmp_path):
    folder = write_ade(tmp_path, 1)
    prepare('ade20k_150', tmp_path)
    path = folder / 'ade20k_panoptic_val/ADE_val_00000000.png'
    assert read_panoptic_png(path).max() == 1 + WINDOW + 256 * 3
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (40, 60, 3)
