# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a newcomer gives to the public functions by mistake: refused, with the way out."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from eov_seg_core import EOVSeg, Segmenter, Vocabulary


@pytest.fixture(scope='module')
def segmenter(tmp_path_factory):
    segmenter = Segmenter(EOVSeg.from_variant('t'), device='cpu', input_size=64,
                          embedding_cache_dir=tmp_path_factory.mktemp('cache'))
    segmenter.set_vocabulary(Vocabulary(['chair'], ['floor']))
    return segmenter


def picture(height, width):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize(('image', 'message'), [
    (np.zeros((8, 8, 3), np.float32), 'dtype float32'),
    (np.zeros((8, 8, 3), np.uint16), 'dtype uint16'),
    (np.zeros((8, 8), np.uint8), 'grey'),
    (np.zeros((8, 8, 1), np.uint8), 'grey'),
    (np.zeros((8, 8, 4), np.uint8), 'alpha'),
    (np.zeros((3, 8, 8), np.uint8), 'channel-first'),
    (np.zeros((1, 8, 8, 3), np.uint8), 'list of images'),
    (np.zeros((0, 8, 3), np.uint8), 'empty'),
    (np.zeros((8, 0, 3), np.uint8), 'empty'),
    (torch.zeros(8, 8, 3, dtype=torch.uint8), 'Tensor'),
    ('room.jpg', r"is a str, .*read_image\('room.jpg'\)"),
    (Path('room.jpg'), r"PosixPath, .*read_image\('room.jpg'\)"),
    (None, 'the image is None, .*cv2.imread returns None'),
    ([None], 'the image is None'),
    (PIL.Image.new('RGB', (8, 8)), r'image.convert\('),
    (b'jpeg', 'decode it first'),
    (np.zeros(0, np.uint8), r'is empty \(shape \(0,\)\)'),
    (np.zeros((8, 8, 3), np.int64), r'its values are 0..0: convert it with .astype'),
    (np.full((8, 8, 3), -1.0), r'its values are -1..-1: scale them to 0..255'),
    (np.full((8, 8, 3), 0.5), r'its values are 0.5..0.5: convert it with \(255'),
    (np.full((8, 8, 3), 200.0), r'its values are 200..200: convert it with .astype'),
    (np.ones((8, 8, 3), bool), 'this is a mask'),
    (np.full((8, 8, 3), 'a'), 'check where it was read'),
])
def test_bad_images_are_refused_with_the_reason(segmenter, image, message):
    with pytest.raises(ValueError, match=message):
        segmenter(image)


def test_an_output_beyond_all_memory_is_refused_at_once(segmenter):
    with pytest.raises(ValueError, match='1,000,000 million pixels; at most 1,000 million'):
        segmenter(picture(8, 8), (10**6, 10**6))


@pytest.mark.parametrize('model', ['t', None, EOVSeg])
def test_a_segmenter_of_no_model_says_how_to_load_one(model):
    with pytest.raises(ValueError, match=r"must be an EOVSeg, got .*from_pretrained\('t'\)"):
        Segmenter(model)
    with pytest.raises(ValueError, match=r"ModelConfig, got .*EOVSeg.from_variant\('s'\)"):
        EOVSeg(model)


@pytest.mark.parametrize(('call', 'message'), [
    (lambda it: it.use_vocabulary(None), 'prepare_vocabulary returns, got None'),
    (lambda it: it.use_vocabulary(Vocabulary(['a'])), 'set_vocabulary takes a Vocabulary'),
    (lambda it: it.unknown_words('chair'), r"expected a Vocabulary, got 'chair' \(str\)"),
    (lambda it: it.prepare_vocabulary(Vocabulary(['a']), 5), 'training_names must be a list'),
    (lambda it: it.warm_up('480', 640), "height must be a whole number of pixels.*'480'"),
    (lambda it: it.warm_up(480, 0), 'width must be a whole number of pixels, 1 or more, got 0'),
    *((lambda it, name=name: Segmenter(it.model, name), f"device must be 'auto', .*{name}'")
      for name in ('tpu', 'meta', 'cuda:x', '')),
    (lambda it: Segmenter(it.model, None), "device must be 'auto', .* got 'None'"),
    (lambda it: Segmenter(it.model, embedding_cache_dir=5), 'a path must be a string or a'),
    (lambda it: Segmenter(it.model, keep_instances='no'), 'keep_instances must be True or False'),
    (lambda it: it.model.save(None), r'a path must be .*got None \(NoneType\)'),
    (lambda it: EOVSeg.from_checkpoint(5), 'a path must be'),
    (lambda it: Segmenter.from_pretrained('x.pth'), 'weights is given as checkpoint'),
    (lambda it: Segmenter.from_pretrained(['t']), 'variant must be one of'),
    (lambda it: Segmenter.from_pretrained('t', clip_pretrained=True),
     "'t' has no public CLIP weights. Take the built-in weights of variant t; or give"),
    (lambda it: Segmenter.from_pretrained('t', '/'), 'checkpoint / is a folder, expected a file'),
])
def test_wrong_arguments_are_value_errors_with_the_way_out(segmenter, call, message):
    with pytest.raises(ValueError, match=message):
        call(segmenter)
    segmenter(picture(8, 8))     # and it goes on


def test_weights_are_saved_into_folders_that_are_there(tiny_model, tmp_path):
    for ending in ('.pth', '.safetensors'):
        with pytest.raises(FileNotFoundError, match='no/a.* cannot be written: .* is no folder'):
            tiny_model.save(tmp_path / 'no' / f'a{ending}')
    with pytest.raises(IsADirectoryError, match='cannot be written, because it is a folder'):
        tiny_model.save(tmp_path)
