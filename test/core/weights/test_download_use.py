# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `eov-seg download`, the library and real checkpoints, with a server here."""

from __future__ import annotations

from dataclasses import replace
import os

from download_case import serving
import pytest
import torch

from eov_seg_core import EOVSeg, Segmenter
from eov_seg_core.app.cli import main
from eov_seg_core.pretrained import convert_weights
from eov_seg_core.weights.choice import usable_sources
from eov_seg_core.weights.download.cache import read_record, weights_file
from eov_seg_core.weights.download.errors import DownloadError
from eov_seg_core.weights.download.obtain import obtain, Request
from eov_seg_core.weights.download.table import Hosts, PUBLISHED, Published

TINY = Published('t', 'eov_seg_tiny.pth', 'ID')


def request():
    return Request(TINY, convert_weights, Hosts(drive='', use_gdown=False))


@pytest.fixture(scope='module')
def published_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('published') / TINY.file_name
    EOVSeg.from_variant('t').save(path)
    return path


def test_a_published_file_becomes_the_same_weights_in_our_format(published_file):
    expected = EOVSeg.from_checkpoint(published_file).weights_digest
    path = obtain(replace(request(), origin=str(published_file)))
    assert EOVSeg.from_checkpoint(path, 't').weights_digest == expected
    assert read_record('t').weights_digest == expected


def test_another_variant_a_cut_file_and_code_are_refused(published_file, tmp_path):
    take = request()
    with pytest.raises(DownloadError, match="holds variant 't'"):
        obtain(replace(take, published=PUBLISHED['s'], origin=str(published_file)))
    (tmp_path / 'cut.pth').write_bytes(published_file.read_bytes()[:-1000])
    with pytest.raises(DownloadError, match='truncated'):
        obtain(replace(take, origin=str(tmp_path / 'cut.pth')))
    (tmp_path / 'code.pth').write_bytes(
        b"cos\nsystem\n(S'touch " + str(tmp_path / 'ran').encode() + b"'\ntR.")
    with pytest.raises(DownloadError, match='code.pth'):
        obtain(replace(take, origin=str(tmp_path / 'code.pth')))
    assert not (tmp_path / 'ran').exists()
    assert not weights_file('s').exists()


@pytest.fixture
def as_if_published(monkeypatch):
    """Let the command know variant `t`, whose files are small."""
    monkeypatch.setitem(PUBLISHED, 't', TINY)


def test_the_command(published_file, as_if_published, monkeypatch, capsys):
    with serving(published_file.read_bytes()) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        assert main(['download', 't', '--verify']) == 2
        assert 'eov-seg download t' in capsys.readouterr().err
        assert main(['download', 't']) == 0
        output = capsys.readouterr().out
        for words in (str(weights_file('t')), 'mirror', 'Apache-2.0', 'sha256', 'recorded'):
            assert words in output
        assert main(['download', 't']) == 0
        assert 'already here' in capsys.readouterr().out
        assert len(server.asked) == 1
        assert main(['download', 't', '--verify']) == 0
        os.truncate(weights_file('t'), 1000)
        assert main(['download', 't', '--verify']) == 2
        assert main(['download', 't']) == 0
        assert 'fetching again' in capsys.readouterr().out
        assert len(server.asked) == 2
        assert main(['download', '--list']) == 0
        assert 'not here' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'words'), [
    (['t'], 'nothing to fetch'), (['xl'], "'xl'"), (['s', 'm', '--from', 'x'], 'one variant'),
    (['s', '--from', 'no/such.pth'], 'no/such.pth')])
def test_wrong_arguments_are_one_line(capsys, arguments, words):
    assert main(['download', *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'eov-seg: error:' in line]
    assert len(lines) == 1
    assert words in lines[0]


def test_the_library_finds_them_and_fetches_only_when_asked(published_file, monkeypatch):
    monkeypatch.setattr('eov_seg_core.weights.choice.has_builtin_weights', lambda variant: False)
    monkeypatch.setitem(PUBLISHED, 't', TINY)
    with serving(published_file.read_bytes()) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        with pytest.raises(ValueError, match='eov-seg download t'):
            Segmenter.from_pretrained('t', device='cpu')
        assert server.asked == []
        seen = []
        segmenter = Segmenter.from_pretrained('t', device='cpu', download=True,
                                              progress=lambda *figures: seen.append(figures))
        assert seen[-1] == (published_file.stat().st_size,) * 2
        assert segmenter.model.weights_digest == read_record('t').weights_digest
        Segmenter.from_pretrained('t', device='cpu', download=True)
        assert len(server.asked) == 1
        assert usable_sources('t', ['built-in', 'published']) == ['published']


def test_without_weights_the_message_has_the_ways():
    with pytest.raises(ValueError, match='no weights') as caught:
        usable_sources('s', ['built-in', 'published'])
    for words in ('eov-seg download s', 'checkpoint', 'variant t', str(weights_file('s'))):
        assert words in str(caught.value)
