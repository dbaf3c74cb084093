# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from files: names and pixels."""

from __future__ import annotations

import os
import struct

from cli_case import make_video
import cv2
import pytest

from eov_seg_core.io.media import describe_folders, find_media, MediaError, name_sources

CONTAINERS = [('avi', 'MJPG'), ('avi', 'XVID'), ('mp4', 'mp4v'), ('mov', 'mp4v'), ('mkv', 'MJPG'),
              ('webm', 'VP80'), ('mpg', 'MPG2')]


def names(paths, folder='.', known=None):
    return [source.name for source in name_sources(paths, folder, known)]


def test_media_of_arguments(tmp_path):
    for name in ('x.png', 'a.AVI', 'notes.txt'):
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'empty').mkdir()
    paths, problems = find_media([str(tmp_path), 'camera:0', 'camera:', '/dev/video7',
                                  'rtsp://me:secret@host/live', str(tmp_path / 'empty')])
    assert paths == [str(tmp_path / 'a.AVI'), str(tmp_path / 'x.png'), 'camera:0', 'camera:7',
                     'rtsp://me:secret@host/live']
    assert [problem.split(':')[0] for problem in problems] == ['camera', str(tmp_path / 'empty')]
    assert find_media([]) == ([], [])


def test_cameras_that_opencv_would_take_for_others(tmp_path):
    """OpenCV opens camera 0 for 100, and has no number that is larger than 31 bits."""
    paths, problems = find_media([f'camera:{number}' for number in (
        '99', '007', '100', '9' * 20, '-1', '\u0661')] + ['/dev/video200'])
    assert paths == ['camera:99', 'camera:007']
    assert len(problems) == 5
    assert all('expected camera:N with N = 0 to 99' in problem for problem in problems)


def test_hidden_pictures_of_a_folder_are_left_out(tmp_path):
    for name in ('._a.jpg', '.trashed-1.png', 'a.jpg', '.DS_Store'):
        (tmp_path / name).write_bytes(b'')
    assert find_media([str(tmp_path)]) == ([str(tmp_path / 'a.jpg')], [])
    (note,) = describe_folders([str(tmp_path)])
    assert '; leaving out 2 hidden (a dot before the name), because' in note
    named = str(tmp_path / '._a.jpg')
    assert find_media([named]) == ([named], [])


def test_folders_say_what_they_leave_out(tmp_path):
    for name in ('a.heic', 'b.HEIC', 'c.png', 'd', '.hidden'):
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'e').mkdir()
    (note,) = describe_folders([
        str(tmp_path), 'camera:0', 'http://host/x', str(tmp_path / 'c.png')])
    assert ': reading 1 .png; leaving out 1 .HEIC, 1 .heic, 1 sub-folders (name them' in note
    assert ', 1 without an ending, because images end in .bmp' in note
    assert describe_folders([str(tmp_path / 'e')]) == []    # `find_media` says that it is empty
    assert describe_folders([]) == []


@pytest.mark.parametrize(('paths', 'expected'), [
    ([], []),
    (['a.jpg'], ['a']),
    (['a.jpg', 'a.png', 'a_1.png', 'other/a.jpg', 'a.jpg'], ['a', 'a_1', 'a_1_1', 'a_2', 'a_3']),
    (['a.jpg', 'A.png'], ['a', 'A_1']),
    (['clip.avi', 'clip_000001.jpg'], ['clip', 'clip_000001_1']),
    (['clip_000001.jpg', 'clip.avi'], ['clip_000001', 'clip_1']),
    (['clip.avi', 'clip.jpg', 'clip_1.jpg', 'clip.mp4'], ['clip', 'clip', 'clip_1', 'clip_1']),
    (['rtsp://me:secret@host:1/a?b', 'rtsp://host:1/a?b'],
     ['rtsp_host_1_a_b', 'rtsp_host_1_a_b_1']),
    (['camera:0', 'camera_0.avi', 'camera_0_1000000.png'],
     ['camera_0', 'camera_0_1', 'camera_0_1000000_1'])])
def test_no_two_pictures_share_a_name(paths, expected):
    assert names(paths) == expected


def test_known_origins_keep_their_names():
    known = {'a': 'p/a.jpg', 'clip_000000': 'clip.avi#0', 'clip_000001': 'clip.avi#1'}
    paths = ['q/a.jpg', 'p/a.jpg', 'clip_000007.png', 'q/clip.avi', 'clip.avi', 'p/a.jpg']
    assert names(paths, '.', known) == ['a_1', 'a', 'clip_000007_1', 'clip_1', 'clip', 'a_2']


def test_two_recordings_of_a_camera_are_different_pictures():
    known = {'camera_0_000000': 'camera:0#0', 'camera_0_000001': 'camera:0#1'}
    assert names(['camera:0'], '.', known) == ['camera_0_1']


def test_origins_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    monkeypatch.chdir(tmp_path)
    outside = name_sources(['in/a.jpg', 'camera:0'], 'out')
    monkeypatch.chdir(tmp_path / 'in')
    assert name_sources(['a.jpg'], '../out')[0].origin == outside[0].origin == '../in/a.jpg'
    assert outside[1].origin == 'camera:0'


def frames_of(path):
    """Return the number of pictures and the error at their end."""
    read = 0
    try:
        for _ in name_sources([str(path)], path.parent)[0].pictures():
            read += 1
    except MediaError as error:
        return read, str(error)
    return read, None


def make_or_skip(path, frames, fourcc):
    make_video(path, frames, fourcc)
    if not path.exists() or not path.stat().st_size:
        pytest.skip(f'this OpenCV cannot write {fourcc} to {path.suffix}')
    return path


@pytest.mark.parametrize('frames', [1, 2, 30])
@pytest.mark.parametrize(('suffix', 'fourcc'), CONTAINERS)
def test_a_complete_video_is_not_reported(tmp_path, suffix, fourcc, frames):
    path = make_or_skip(tmp_path / f'clip.{suffix}', frames, fourcc)
    assert frames_of(path) == (frames, None)


@pytest.mark.parametrize('share', [0.5, 0.9])
@pytest.mark.parametrize(('suffix', 'fourcc'), [
    entry for entry in CONTAINERS if entry[0] in ('avi', 'mkv', 'webm')])
def test_a_cut_video_gives_its_frames_and_an_error(tmp_path, suffix, fourcc, share):
    path = make_or_skip(tmp_path / f'clip.{suffix}', 30, fourcc)
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
    frames, error = frames_of(path)
    assert 1 <= frames < 30
    assert f'{frames} frames can be decoded, expected 30' in error


@pytest.mark.parametrize('suffix', ['mp4', 'avi'])
def test_a_video_without_frames_is_an_error(tmp_path, suffix):
    path = make_or_skip(tmp_path / f'clip.{suffix}', 30, 'mp4v')
    path.write_bytes(path.read_bytes()[:2000])
    frames, error = frames_of(path)
    assert frames == 0
    assert path.name in error


@pytest.mark.parametrize('name', [
    b'caf\xe9.avi', b'a:b.avi', b'http:x.avi', b'new\nline.avi', b'frame_%03d.avi', b'0001.avi',
    b'-o.avi', b'a b.avi'])
def test_videos_of_any_name(tmp_path, name):
    make_or_skip(tmp_path / 'clip.avi', 3, 'MJPG').rename(tmp_path / os.fsdecode(name))
    assert frames_of(tmp_path / os.fsdecode(name)) == (3, None)


@pytest.mark.parametrize('content', [
    b'', b'no video', b'#EXTM3U\n#EXTINF:1,\n/tmp/secret.avi\n',
    b'#EXTM3U\n#\0\n/tmp/secret.avi\n',
    b'ffconcat version 1.0\nfile clip.avi\n'])
def test_a_playlist_is_no_video(tmp_path, content):
    path = tmp_path / 'list.mp4'
    path.write_bytes(content)
    assert frames_of(path) == (0, f'{path} is no video, but a text, a playlist or nothing')


def test_frames_over_the_limit_are_refused(tmp_path):
    path = make_or_skip(tmp_path / 'clip.avi', 3, 'MJPG')
    source = name_sources([str(path)], tmp_path)[0]
    with pytest.raises(MediaError, match='a frame of .* has 64 x 48 pixels'):
        next(source.pictures(0.003))


def edited_video(path, shown, hidden, frames=30):
    """Write an MP4 whose edit list hides frames at both ends, as phones do that trim it."""
    make_or_skip(path, frames, 'mp4v')

    def walk(data):
        start, result = 0, b''
        while start < len(data):
            size, kind = struct.unpack('>I4s', data[start:start + 8])
            body = data[start + 8:start + size]
            if kind in (b'moov', b'trak', b'edts', b'mdia'):
                body = walk(body)
            if kind == b'mdhd':
                scales[:] = struct.unpack('>I', body[12:16])
            if kind == b'elst':     # at 5 frames a second
                body = struct.pack('>IIIihh', 0, 1, 200 * shown, hidden * scales[0] // 5, 1, 0)
            result += struct.pack('>I4s', 8 + len(body), kind) + body
            start += size
        return result

    scales = [1]
    data = path.read_bytes()
    walk(data)      # the media's header comes behind the list
    path.write_bytes(walk(data))
    return path


@pytest.mark.parametrize(('shown', 'hidden'), [(17, 13), (10, 5), (1, 0), (29, 0)])
def test_a_trimmed_video_is_not_reported(tmp_path, shown, hidden):
    frames, error = frames_of(edited_video(tmp_path / 'clip.mp4', shown, hidden))
    assert error is None
    assert abs(frames - shown) <= 1


def test_a_trimmed_video_that_is_cut_off_is_reported(tmp_path):
    """The index lies in front, as in files that are meant for streaming."""
    data = edited_video(tmp_path / 'clip.mp4', 25, 0).read_bytes()
    boxes, start = {}, 0
    while start < len(data):
        size, kind = struct.unpack('>I4s', data[start:start + 8])
        boxes[kind] = data[start:start + size]
        start += size
    moov = bytearray(boxes[b'moov'])
    table = moov.index(b'stco') + 8
    count, = struct.unpack_from('>I', moov, table)
    for index in range(count):      # the frames come that much later
        position = table + 4 + 4 * index
        struct.pack_into('>I', moov, position,
                         struct.unpack_from('>I', moov, position)[0] + len(moov))
    whole = b''.join(boxes[kind] if kind != b'moov' else b'' for kind in (b'ftyp',)) + bytes(moov)
    whole += b''.join(part for kind, part in boxes.items() if kind not in (b'ftyp', b'moov'))
    path = tmp_path / 'stream.mp4'
    path.write_bytes(whole)
    frames, error = frames_of(path)
    assert (abs(frames - 25) <= 1, error) == (True, None)
    path.write_bytes(whole[:len(whole) // 2])
    frames, error = frames_of(path)
    assert 1 <= frames < 20
    assert 'is damaged or cut off' in error


def test_frames_shown_for_longer_are_not_missing(tmp_path):
    """30 frames over the time of 75: OpenCV calls them 75."""
    if not hasattr(cv2, 'VIDEOWRITER_PROP_PTS'):
        pytest.skip('this OpenCV cannot write frames of different durations')
    source = make_or_skip(tmp_path / 'even.avi', 30, 'MJPG')
    reader = cv2.VideoCapture(str(source), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    writer = cv2.VideoWriter(str(tmp_path / 'uneven.mkv'), cv2.CAP_FFMPEG,
                             cv2.VideoWriter_fourcc(*'MJPG'), 5, (64, 48),
                             [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1])
    for index in range(30):
        writer.set(cv2.VIDEOWRITER_PROP_PTS, max(index, 4 * index - 42))
        writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, 1)
        writer.write(reader.read()[1])
    writer.release()
    assert cv2.VideoCapture(str(tmp_path / 'uneven.mkv')).get(cv2.CAP_PROP_FRAME_COUNT) > 70
    assert frames_of(tmp_path / 'uneven.mkv') == (30, None)
