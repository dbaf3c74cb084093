# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours that stay, overlays that show what they should."""

from __future__ import annotations

from dataclasses import replace
import os
from pathlib import Path
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.visualization import (
    class_color,
    colorize,
    draw_legend,
    draw_overlay,
    segment_colors,
    to_ascii,
)


def make_result(height=120, width=160, names=('wall', 'chair', 'chair')):
    """Vertical stripes, one for each name, between unlabeled margins of 10 pixels."""
    instance = np.zeros((height, width), np.int32)
    edges = np.linspace(10, width - 10, len(names) + 1).astype(int)
    segments = []
    for number, name in enumerate(names, start=1):
        x1, x2 = int(edges[number - 1]), int(edges[number])
        instance[:, x1:x2] = number
        segments.append(Segment(
            id=number, class_id=sorted(set(names)).index(name) + 1, name=name, is_thing=True,
            score=0.5, area=height * (x2 - x1), bbox_xyxy=(x1, 0, x2, height)))
    return PanopticResult(instance, segments)


def grey_image(height=120, width=160):
    return np.full((height, width, 3), 100, np.uint8)


def test_colors_are_the_same_in_another_process():
    names = ['wall', 'Stuhl', 'éclair', '桌子']
    code = ('import sys; from eov_seg_core.visualization import class_color; '
            f'print([class_color(name) for name in {names}], "torch" in sys.modules)')
    environment = os.environ | {'PYTHONHASHSEED': '7', 'PYTHONIOENCODING': 'utf-8'}
    output = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True,
                            encoding='utf-8', env=environment, cwd=Path(__file__).parents[2])
    assert output.stdout.strip() == f'{[class_color(name) for name in names]} False'


def test_colors_are_legible_and_spread():
    colors = np.array([class_color(f'class {index}') for index in range(400)])
    luma = colors @ [0.299, 0.587, 0.114]
    assert luma.min() > 60
    assert luma.max() < 235
    assert (colors.max(axis=1) - colors.min(axis=1)).min() > 30     # no greys
    assert len(np.unique(colors, axis=0)) > 395
    hues = cv2.cvtColor(colors[None].astype(np.uint8), cv2.COLOR_RGB2HSV)[0, :, 0]
    assert (np.histogram(hues, bins=6, range=(0, 180))[0] > 20).all()


def test_instances_of_a_class_differ():
    colors = segment_colors(make_result(names=('chair',) * 5).segments)
    assert colors[0] == class_color('chair')
    for index, color in enumerate(colors):
        for other in colors[:index]:
            assert np.abs(np.subtract(color, other)).max() >= 20


def test_colorize():
    result = make_result()
    picture = colorize(result)
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    colors = segment_colors(result.segments)
    for segment, color in zip(result.segments, colors):
        assert (picture[result.instance == segment.id] == color).all()
    assert not picture[result.instance == 0].any()


def test_colorize_nothing():
    assert not colorize(PanopticResult(np.zeros((4, 5), np.int32), [])).any()


def test_overlay_keeps_the_image_and_shows_colors_contours_and_names():
    image, result = grey_image(), make_result()
    before = image.copy()
    picture = draw_overlay(image, result, alpha=0.5)
    np.testing.assert_array_equal(image, before)
    assert (picture[:, :9] == 100).all()                            # unlabeled: untouched
    color = np.array(segment_colors(result.segments)[0])
    assert np.abs(picture[2, 12].astype(int) - (100 + color) / 2).max() <= 1
    assert (picture[:, 9] == 255).all()                             # contour
    named = (picture != draw_overlay(image, make_result(names=('', '', '')), 0.5)).any(axis=2)
    assert named.any()


def luminance(color):
    """WCAG 2.2, "relative luminance", of R, G, B in 0..255."""
    channels = np.asarray(color) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
                    ) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize('name', ['wall', 'person', 'floor', 'bench', *map(str, range(40))])
def test_names_can_be_read_on_their_colors(name):
    drawn = draw_overlay(grey_image(), make_result(names=(name,)), alpha=1.0)
    inner = drawn[20:-20, 30:-30].reshape(-1, 3)    # without the contour, which is white
    ground = luminance(class_color(name))
    ink = luminance(inner[np.abs(inner.astype(int) - class_color(name)).sum(axis=1).argmax()])
    assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5


def test_numbers_are_written_behind_the_names_of_things():
    image, result = grey_image(), make_result()
    numbered = draw_overlay(image, result, ids=[7, 12, 9])
    assert (numbered != draw_overlay(image, result)).any()
    renamed = make_result(names=('wall 7', 'chair 12', 'chair 9'))
    texts = [draw_overlay(image, one, 0.0, ids) for one, ids in ((result, [7, 12, 9]),
                                                                 (renamed, None))]
    ink = [(text == 0).all(axis=2) | (text == 255).all(axis=2) for text in texts]
    assert (ink[0] == ink[1]).mean() > 0.9      # colours differ with the names
    stuff = PanopticResult(result.instance, [replace(item, is_thing=False)
                                             for item in result.segments])
    np.testing.assert_array_equal(draw_overlay(image, stuff, ids=[7, 12, 9]),
                                  draw_overlay(image, stuff))


def test_overlay_without_segments_is_a_copy():
    image = grey_image(4, 5)
    picture = draw_overlay(image, PanopticResult(np.zeros((4, 5), np.int32), []))
    np.testing.assert_array_equal(picture, image)
    assert picture is not image


@pytest.mark.parametrize('alpha', [0.0, 1.0])
def test_alpha_limits(alpha):
    result = make_result()
    picture = draw_overlay(grey_image(), result, alpha)
    expected = grey_image() if alpha == 0 else colorize(result)
    assert (picture[1, 12] == expected[1, 12]).all()


def test_one_pixel_picture_and_long_names():
    instance = np.ones((1, 1), np.int32)
    segment = Segment(1, 1, 'a very long name ' * 9, True, 1.0, 1, (0, 0, 1, 1))
    assert draw_overlay(np.zeros((1, 1, 3), np.uint8), PanopticResult(instance, [segment])
                        ).shape == (1, 1, 3)


def test_read_only_and_strided_images_work():
    image = grey_image()[:, ::-1]
    image.setflags(write=False)
    assert draw_overlay(image, make_result()).shape == (120, 160, 3)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r'expected \(120, 160, 3\)'):
        draw_overlay(grey_image(60, 80), make_result())
    with pytest.raises(ValueError, match=r'alpha.*1\.5'):
        draw_overlay(grey_image(), make_result(), alpha=1.5)


def test_legend_names_each_class_once_and_wraps():
    legend = draw_legend(make_result(), 400)
    assert legend.shape[1:] == (400, 3)
    for name in ('wall', 'chair'):
        assert (legend == class_color(name)).all(axis=2).sum() > 50
    narrow = draw_legend(make_result(names=tuple(f'class {index}' for index in range(9))), 100)
    assert narrow.shape[0] > 3 * legend.shape[0]
    assert draw_legend(PanopticResult(np.zeros((4, 5), np.int32), []), 50).shape == (0, 50, 3)


@pytest.mark.parametrize('has_font', [True, False])
def test_names_in_any_script_are_drawn(monkeypatch, has_font):
    if not has_font:
        monkeypatch.delattr(cv2, 'FontFace', raising=False)
    names = (f'Straße é {has_font}', f'桌子 {has_font}')
    blank = draw_overlay(grey_image(), make_result(names=('', '')))
    named = draw_overlay(grey_image(), make_result(names=names))
    assert (blank != named).any(axis=2).sum() > 100


def test_to_ascii():
    assert to_ascii('éclair à la crème, 桌') == 'eclair a la creme, ?'


def test_overlay_is_fast():
    names = tuple(f'class {index}' for index in range(15))
    image, result = grey_image(480, 640), make_result(480, 640, names)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        draw_overlay(image, result)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.030       # 5 ms on an idle core; the limit is for a busy one
