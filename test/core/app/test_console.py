# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The console without a browser: words, the session, files."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from types import SimpleNamespace
import zipfile

import numpy as np
from PIL import Image
import pytest

from eov_seg_core.app.console import local_session
from eov_seg_core.app.console.command import usable_sources
from eov_seg_core.app.console.files import archive, outline
from eov_seg_core.app.console.frame import Frame, jpeg, MAX_SHOWN_PX, shrunk_jpeg
from eov_seg_core.app.console.local_session import LocalSession
from eov_seg_core.app.console.memory import Extent, KnownObject, TopView, Viewer
from eov_seg_core.app.console.words import Words
from eov_seg_core.io.coco.ids import rgb_to_ids
from eov_seg_core.io.media import load_picture, MediaError, to_rgb
from eov_seg_core.results.result import PanopticResult, RawResult, Segment
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import presets, Vocabulary
from eov_seg_core.vocabulary.file import from_yaml


class TwoHalves:
    """Stands for a segmenter: the left half is the first class, the right half is unlabeled."""

    vocabulary = None

    def set_vocabulary(self, vocabulary):
        self.vocabulary = vocabulary

    def unknown_words(self, vocabulary):
        return tuple(name for name in vocabulary.names if name.startswith('glorp'))

    def __call__(self, rgb, **thresholds):
        if rgb.shape[0] == 13:
            raise RuntimeError('13 rows are too\nunlucky')
        height, width = rgb.shape[:2]
        instance = np.zeros((height, width), np.int32)
        instance[:, :width // 2] = 1
        segment = Segment(1, 1, self.vocabulary.names[0], True, 0.7, height * (width // 2),
                          (0, 0, width // 2, height))
        rest = (len(self.vocabulary) - 1) * [0.1]
        raw = RawResult(np.log(np.array([[0.2, *rest, 0.5], [0.7, *rest, 0.1]], np.float32)),
                        np.zeros((2, 1, 1), np.float32))
        return PanopticResult(instance, [segment], raw=raw)


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.01)


@pytest.fixture
def session():
    made = LocalSession(TwoHalves, Words(('mug, cup',), ('wall',)))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def shown(session):
    session.show('room', np.full((20, 40, 3), 90, np.uint8))
    wait_for(lambda: session.state == 'ready')
    return session


def test_words_are_added_moved_renamed_and_removed() -> None:
    words = Words().added('mug, cup\n\n chair ', is_thing=True)
    assert words == Words(('mug, cup', 'chair'))
    assert words.moved('chair', is_thing=False) == Words(('mug, cup',), ('chair',))
    assert words.moved('lamp', is_thing=False) == words
    assert words.replaced('chair', ' stool ', is_thing=True).things == ('mug, cup', 'stool')
    assert words.removed('chair', is_thing=True).removed('chair', is_thing=True) == Words(
        ('mug, cup',))


@pytest.mark.parametrize(('text', 'reason'), [
    ('Mug', "'Mug' is there already, as 'mug, cup'"), ('cup, mug', 'is there already'),
    ('tall\x00mug', 'control character'), ('\u202emug', r"'\\u202emug' holds a control"),
    ('\u200b', r"'\\u200b' cannot be seen"), ('lamp, \u200d', 'cannot be seen')])
def test_what_would_change_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Words(('mug, cup',), ('wall',)).added(text, is_thing=True)


@pytest.mark.parametrize('text', ['tall\x00mug', '\u202emug', '\u200b'])
def test_an_entry_cannot_become_what_cannot_be_seen(text: str) -> None:
    with pytest.raises(ValueError, match='type it anew'):
        Words(('mug, cup',)).replaced('mug, cup', text, is_thing=True)


def test_scripts_that_need_unseen_characters_are_words() -> None:
    texts = ('\u0643\u0631\u0633\u06cc', '\u0645\u06cc\u200c\u0632', '\U0001f469\u200d\U0001f680')
    assert Words().added('\n'.join(texts), is_thing=True).things == texts


def test_two_edits_at_a_time_are_both_kept(session) -> None:
    is_open = threading.Event()

    def slow(words: Words) -> Words:
        is_open.wait(5)
        return words.added('lamp', is_thing=True)

    first = threading.Thread(target=session.edit_words, args=(slow,))
    second = threading.Thread(target=session.edit_words,
                              args=(lambda words: words.added('rug', is_thing=False),))
    first.start()
    second.start()
    is_open.set()
    first.join()
    second.join()
    assert session.words == Words(('mug, cup', 'lamp'), ('wall', 'rug'))


def test_a_top_view_holds_all_objects_and_the_camera() -> None:
    for x, y in ((0.0, 0.0), (40.0, -3.0), (-2.0, 700.0)):
        item = KnownObject('1', 'mug', 1.0, (x, y, 0.0), (0.4, 0.2, 0.1), 30.0, 0.0, None)
        extent = Extent.around(TopView('odom', [item], Viewer(1.0, 2.0, 1.0, 0.0)))
        for place in ((x - 0.2, y), (x + 0.2, y), (x, y - 0.2), (x, y + 0.2), (1.0, 2.0)):
            assert all(0 < share < 1 for share in extent.shares(*place))
        assert extent.width / extent.height == pytest.approx(1.5)
        assert extent.shares(x, y + 1)[1] < extent.shares(x, y)[1]     # y points upwards


def test_no_words_are_no_vocabulary_and_one_is_one() -> None:
    assert Words().vocabulary() is None
    assert Words(('<b>🎈</b>',)).vocabulary().names == ('<b>🎈</b>',)


@pytest.mark.parametrize(('words', 'reason'), [
    (Words(('mug',), ('mug,cup',)), 'thing and of a stuff'), (Words(('mug', 'Mug')), 'the same'),
    (Words(('mug,,cup',)), 'empty'), (Words(('x' * 201,)), '201 characters')])
def test_wrong_words_are_refused_with_the_reason(words: Words, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        words.vocabulary()


@pytest.mark.parametrize('name', presets())
def test_every_preset_survives_chips_and_yaml(name: str) -> None:
    words = Words.of(Vocabulary.preset(name))
    again = Words.from_yaml(words.to_yaml())
    assert (again, again.marks) == (words, words.marks)
    assert sorted(words.vocabulary().names) == sorted(Vocabulary.preset(name).names)


def test_ids_and_colours_of_a_file_stay_with_their_words() -> None:
    words = Words.from_yaml("""categories:
      - {thing: 'mug, cup', id: 7, color: [1, 2, 3]}
      - {thing: lamp, id: 9}
      - {stuff: wall, color: [4, 5, 6]}
      - {stuff: rug}""")
    edited = words.removed('rug', False).added('chair', True).moved('lamp', False).replaced(
        'mug, cup', 'mug', True)
    found = {category.names: (category.is_thing, category.dataset_id, category.color)
             for category in Vocabulary.from_categories(from_yaml(edited.to_yaml())).categories}
    assert found == {('mug',): (True, 7, (1, 2, 3)), ('chair',): (True, None, None),
                     ('wall',): (False, None, (4, 5, 6)), ('lamp',): (False, 9, None)}
    assert edited.vocabulary().categories[0].dataset_id == 7


def test_a_file_that_is_no_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match='things'):
        Words.from_bytes(b'wheels: 4')
    with pytest.raises(ValueError, match='no UTF-8'):
        Words.from_bytes('things: [café]'.encode('latin-1'))
    assert Words.from_bytes(b'\xef\xbb\xbfthings: [mug]') == Words(('mug',))


def test_words_that_the_network_never_learned_are_named(shown) -> None:
    assert shown.note == ''
    shown.edit_words(lambda _: Words((*(f'glorp {number}' for number in range(6)), 'mug')))
    wait_for(lambda: 'not learned glorp 0, glorp 1, glorp 2, glorp 3 and 2 more' in shown.note)
    shown.undo()
    wait_for(lambda: shown.note == '')


def test_a_session_is_empty_then_shows_what_it_finds(session) -> None:
    wait_for(lambda: session.state == 'empty')
    assert (session.frame, session.frame_of(1)) == (None, None)
    session.show('one', np.zeros((1, 1, 3), np.uint8))
    wait_for(lambda: session.state == 'ready')
    assert session.frame.name == 'one'


def test_a_pixel_tells_segment_and_next_names(shown) -> None:
    left, right = shown.frame.pixel(0.1, 0.99), shown.frame.pixel(1.0, 5.0)
    assert (left.x, left.y, left.segment.name) == (4, 19, 'mug')
    assert [(name, round(share, 3)) for name, share in left.others] == [('wall', 0.1)]
    assert (right.x, right.y, right.segment, right.others) == (39, 19, None, [])


def test_words_change_the_picture_and_can_be_taken_back(shown) -> None:
    before = shown.frame.overlay
    shown.edit_words(lambda _: Words(('lamp',)))
    wait_for(lambda: shown.frame.vocabulary.names == ('lamp',))
    assert shown.frame.overlay != before
    assert shown.word_delay_s >= 0
    assert shown.undo()
    wait_for(lambda: shown.frame.vocabulary.names == ('mug', 'wall'))
    assert not shown.undo()


def test_wrong_words_change_nothing(shown) -> None:
    words = shown.words
    with pytest.raises(ValueError, match='thing and of a stuff'):
        shown.edit_words(lambda _: Words(('mug',), ('mug,cup',)))
    assert shown.words == words
    assert not shown.undo()


def test_without_words_nothing_is_looked_for(shown) -> None:
    shown.edit_words(lambda _: Words())
    wait_for(lambda: shown.state == 'no words' and shown.frame.vocabulary is None)
    assert (shown.frame.result.segments, shown.figures) == ([], '')
    with pytest.raises(ValueError, match='words'):
        archive(shown.frame)


def test_a_failure_is_said_and_the_next_picture_works(shown) -> None:
    shown.show('bad', np.zeros((13, 9, 3), np.uint8))
    wait_for(lambda: shown.state == 'error')
    assert shown.error == '13 rows are too unlucky'
    assert shown.frame.name == 'room'
    shown.set_thresholds(Thresholds(0.5, 0.5))
    shown.show('good', np.zeros((14, 9, 3), np.uint8))
    wait_for(lambda: shown.state == 'ready')
    assert (shown.frame.name, shown.error) == ('good', '')


def test_weights_that_cannot_be_loaded_are_said() -> None:
    def load():
        raise ValueError('there are no weights')

    session = LocalSession(load, Words())
    session.start()
    wait_for(lambda: session.state == 'error')
    session.stop()
    assert session.error == 'there are no weights'


def test_a_source_is_chosen_by_number_only(tmp_path, shown) -> None:
    (tmp_path / 'a.png').write_bytes(b'no picture')
    session = LocalSession(TwoHalves, Words(), usable_sources([str(tmp_path / 'a.png')]))
    with pytest.raises(ValueError, match='is a text, no picture'):
        session.choose(0)
    for index in (-1, 1):
        with pytest.raises(ValueError, match='1 pictures'):
            session.choose(index)


class LateCamera:
    """A camera that is plugged in after it was asked for a picture."""

    path, is_image, is_live = 'camera:3', False, True
    is_there = False

    def pictures(self):
        if not self.is_there:
            raise MediaError('camera:3 cannot be opened')
        yield SimpleNamespace(rgb=np.zeros((20, 40, 3), np.uint8))


def test_a_camera_that_is_not_there_is_told_until_it_comes(monkeypatch) -> None:
    monkeypatch.setattr(local_session, '_RETRY_S', 0.01)
    camera = LateCamera()
    segmenter = TwoHalves()
    session = LocalSession(lambda: segmenter, Words(('mug',)), [camera])
    session.choose(0)
    told = 'camera:3 cannot be opened; it is tried again every 0.01 s'
    wait_for(lambda: session.error == told)
    session.start()
    session.edit_words(lambda _: Words(('lamp',)))      # which succeeds, and changes nothing here
    wait_for(lambda: segmenter.vocabulary == Vocabulary(['lamp']))
    time.sleep(0.05)
    assert (session.state, session.error) == ('error', told)
    camera.is_there = True
    wait_for(lambda: session.frame is not None)
    session.stop()


def test_videos_and_missing_files_are_refused(tmp_path) -> None:
    (tmp_path / 'a.mp4').write_bytes(b'')
    with pytest.raises(ValueError, match=r'gone.*no such file.*a\.mp4 is a video'):
        usable_sources([str(tmp_path / 'gone'), str(tmp_path / 'a.mp4')])
    assert usable_sources([]) == []


def test_who_knows_the_newest_frame_waits_for_the_next_one(shown) -> None:
    async def ask() -> tuple[Frame, Frame | None, Frame]:
        known = await shown.wait_for_frame(0)
        nothing = await shown.wait_for_frame(known.number, timeout_s=0.05)
        waiting = asyncio.ensure_future(shown.wait_for_frame(known.number))
        await asyncio.sleep(0.05)
        shown.edit_words(lambda _: Words(('lamp',)))
        return known, nothing, await waiting

    assert not shown.is_watched
    known, nothing, after = asyncio.run(ask())
    assert (known.number, nothing, after.number) == (1, None, 2)
    assert shown.is_watched
    assert shown._listeners == []


def test_a_frame_can_be_asked_about_after_newer_ones_came(shown) -> None:
    for number in range(2, 6):
        shown.show(f'{number}', np.full((20, 40, 3), number, np.uint8))
        wait_for(lambda number=number: shown.frame.number == number)
    assert [shown.frame_of(number) and shown.frame_of(number).name
            for number in (0, 2, 3, 5, 6)] == [None, None, '3', '5', None]


def test_the_next_names_are_those_of_the_query_that_won(shown) -> None:
    # the first query has the score for this class too, but is of another class
    log_probs = np.log(np.array([[0.7, 0.1, 0.75, 0.1], [0.69, 0.01, 0.2, 0.1]], np.float32))
    segment = Segment(1, 1, 'a', True, 0.7, 1, (0, 0, 1, 1))
    frame = Frame(1, '', b'', lambda: PanopticResult(
        np.ones((1, 1), np.int32), [segment], raw=RawResult(log_probs, np.zeros((2, 1, 1)))),
        Vocabulary(['a', 'b', 'c']))
    assert [name for name, _ in frame.pixel(0, 0).others] == ['c', 'b']


def test_large_pictures_are_sent_smaller_and_outlines_fit_them(session) -> None:
    session.show('4K', np.zeros((2160, 3840, 3), np.uint8))
    wait_for(lambda: session.state == 'ready')
    sent = to_rgb(load_picture(session.frame.overlay, 'sent'), 'sent')
    drawn = load_picture(outline(session.frame, 1), 'drawn')
    assert sent.shape == (1080, MAX_SHOWN_PX, 3)
    assert (drawn.size, drawn.mode) == ((MAX_SHOWN_PX, 1080), 'RGBA')
    assert np.asarray(drawn)[:, :1000].any()
    assert not np.asarray(load_picture(outline(session.frame, 7), 'none')).any()


@pytest.mark.parametrize(('size', 'expected'), [
    ((3840, 2160), (MAX_SHOWN_PX, 1080)), ((2560, 1440), (MAX_SHOWN_PX, 1080)),
    ((60, 8000), (14, MAX_SHOWN_PX)), ((1920, 1080), (1920, 1080)), ((1, 1), (1, 1))])
def test_the_overlay_of_a_large_camera_is_sent_smaller(size, expected) -> None:
    packed = io.BytesIO()
    Image.new('RGB', size, (250, 10, 60)).save(packed, 'JPEG')
    sent = load_picture(shrunk_jpeg(packed.getvalue()), 'sent')
    assert sent.size == expected
    assert np.abs(np.asarray(sent, int) - (250, 10, 60)).max() < 6
    assert (sent.size == size) == (shrunk_jpeg(packed.getvalue()) == packed.getvalue())
    half = packed.getvalue()[:300]
    assert [shrunk_jpeg(data) for data in (b'', b'no picture', half[:20])] == [
        b'', b'no picture', half[:20]]


def test_colours_are_sent_in_the_right_order() -> None:
    red = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    assert to_rgb(load_picture(jpeg(red), 'red'), 'red')[4, 4, 0] > 240


def test_what_is_saved_is_complete(shown) -> None:
    with zipfile.ZipFile(io.BytesIO(archive(shown.frame))) as packed:
        labels = to_rgb(load_picture(packed.read('panoptic/picture.png'), 'labels'), 'labels')
        found = json.loads(packed.read('panoptic.json'))
        assert {'picture.png', 'overlay.png', 'detections.json'} <= set(packed.namelist())
    assert np.array_equal(rgb_to_ids(labels), shown.frame.result.instance)
    assert found['annotations'][0]['segments_info'][0]['area'] == 400
