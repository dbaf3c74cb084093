# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `eov-seg`: options, `info` and `convert`, with untrained weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from cli_case import names_in, ROOT, WORDS
import pytest
import torch
from weights_case import entries_of

from eov_seg_core import EOVSeg
from eov_seg_core.app import commands
from eov_seg_core.app.cli import main
from eov_seg_core.weights.checkpoint import CheckpointError, read_checkpoint


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--untrained'], 'vocabulary'),
    (['--untrained', '--things', 'a', '--vocabulary', 'cityscapes'], 'together with --things'),
    (['--untrained', '--vocabulary', 'no_such'], 'no_such'),
    (['--untrained', '--things', 'a', 'a'], "'a'"),
    (['--things', 'a'], 'weights'),
    (['--things', 'a', '--checkpoint', 'no/such.pth'], 'no/such.pth'),
    (['--things', 'a', '--untrained', '--precision', 'int8'], 'int8'),
    (['--things', 'a', '--untrained', '--device', 'cuda:99'], 'cuda:99')])
def test_wrong_options_are_one_line(pictures, tmp_path, capsys, arguments, words):
    assert main(['segment', str(pictures), '-o', str(tmp_path / 'output'), *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'eov-seg: error:' in line]
    assert len(lines) == 1
    assert words in lines[0]


@pytest.mark.parametrize('arguments', [
    [], ['fly'], ['segment'], ['segment', 'a.png', '-o', 'x', '--max-frames', '0'],
    ['segment', 'a.png', '-o', 'x', '--untrained', '--checkpoint', 'y'], ['convert', 'a']])
def test_usage_errors(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_untrained_warns_loudly(pictures, tmp_path, capsys):
    assert main(['segment', str(pictures / 'a.jpg'), '-o', str(tmp_path / 'output'), *WORDS,
                 '--variant', 't', '--untrained', '--input-size', '64', '--device', 'cpu']) == 0
    assert 'UNTRAINED WEIGHTS' in capsys.readouterr().err


def test_no_usable_input_needs_no_weights(tmp_path, capsys):
    assert main(['segment', str(tmp_path), 'camera:x', '-o', str(tmp_path / 'output'), *WORDS,
                 '--untrained']) == 1
    error = capsys.readouterr().err
    assert 'no image' in error
    assert 'camera:x' in error
    assert not (tmp_path / 'output').exists()


def test_info(checkpoint, capsys):
    assert main(['info', '--variant', 't', '--device', 'cpu', '--json']) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(['info', '--checkpoint', checkpoint, '--device', 'cpu', '--json']) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries['variant'] == 't'
    model = EOVSeg.from_variant('t')
    assert entries['parameters_with_text_tower'] == sum(p.numel() for p in model.parameters())
    model.release_text_tower()
    assert entries['parameters'] == sum(p.numel() for p in model.parameters())
    assert len(entries['checkpoint_sha256']) == 64
    assert {'torch', 'torchvision', 'open_clip_torch', 'timm', 'numpy', 'opencv'} <= set(
        entries['libraries'])
    assert plain['checkpoint_sha256'] is None
    assert plain['parameters'] == entries['parameters']
    assert main(['info', '--device', 'cpu']) == 0
    output = capsys.readouterr().out
    assert '75,283,785' in output


def test_info_says_where_weights_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path))
    (tmp_path / 'weights').mkdir()
    path = tmp_path / 'weights' / 'eov_seg_m.safetensors'
    path.write_bytes(b'x' * 1_500_000)
    assert main(['info', '--device', 'cpu']) == 0
    of_t, of_s, of_m, of_l = (line for line in capsys.readouterr().out.splitlines()
                              if line.startswith('weights of '))
    assert 'in the package, ' in of_t
    assert of_m.endswith(f'in the cache, 2 MB: {path}')
    assert of_s.endswith(f'not here: eov-seg download s brings them to {path.parent}'
                         '/eov_seg_s.safetensors')
    assert 'eov-seg download l' in of_l
    assert main(['info', '--device', 'cpu', '--json']) == 0
    weights = json.loads(capsys.readouterr().out)['weights']
    assert [entry['place'] for entry in weights.values()] == [
        'package', 'not here', 'cache', 'not here']
    assert weights['s']['size'] is None


def test_info_of_another_variant_is_refused(checkpoint, capsys):
    assert main(['info', '--checkpoint', checkpoint, '--variant', 's']) == 2
    assert "variant 't'" in capsys.readouterr().err


def test_convert_there_and_back(checkpoint, tmp_path, capsys):
    published, ours = tmp_path / 'tiny.pth', tmp_path / 'again.safetensors'
    assert main(['convert', checkpoint, str(published)]) == 0
    assert main(['convert', str(published), str(ours)]) == 0
    assert read_checkpoint(published, entries_of).official
    before, after = (read_checkpoint(path, entries_of).state for path in (checkpoint, ours))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name])
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[-1] == second.split()[-1]


@pytest.mark.parametrize(('target', 'words'), [
    ('x.onnx', '.safetensors'), ('missing/x.pth', 'missing')])
def test_convert_refuses(checkpoint, tmp_path, capsys, target, words):
    assert main(['convert', checkpoint, str(tmp_path / target)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [
    ['convert', 'FILE', 'x.safetensors'], ['info', '--checkpoint', 'FILE'],
    ['segment', 'PICTURE', '-o', 'output', '--things', 'a', '--checkpoint', 'FILE']])
def test_an_unusable_checkpoint_is_one_line(pictures, tmp_path, monkeypatch, capsys, arguments):
    def refuse(path, *_):
        raise CheckpointError(f'{path} is damaged:\n  two\n  lines')

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(EOVSeg, 'from_checkpoint', refuse)
    picture = str(pictures / 'a.jpg')
    assert main([{'PICTURE': picture}.get(entry, entry) for entry in arguments]) == 2
    assert capsys.readouterr().err == 'eov-seg: error: FILE is damaged: two lines\n'
    assert not (tmp_path / 'x.safetensors').exists()


def test_failed_convert_keeps_the_old_target(tmp_path, capsys):
    (tmp_path / 'broken.safetensors').write_bytes(b'nothing')
    (tmp_path / 'old.pth').write_bytes(b'old')
    assert main(['convert', str(tmp_path / 'broken.safetensors'), str(tmp_path / 'old.pth')]) == 2
    assert 'broken.safetensors' in capsys.readouterr().err
    assert (tmp_path / 'old.pth').read_bytes() == b'old'
    assert names_in(tmp_path) == ['broken.safetensors', 'old.pth']


@pytest.mark.parametrize('command', ['segment', 'bag'])
@pytest.mark.parametrize('content', [
    'things: {a: [' + ', '.join(['&a [x, x, x, x, x, x, x, x, x]'] + [
        f'&{name} [' + ', '.join([f'*{before}'] * 9) + ']'
        for before, name in zip('abcdefgh', 'bcdefghi')]) + ']}',
    '[' * 10_000, '', 'things: 3'], ids=['aliases', 'deep', 'empty', 'no list'])
def test_a_wrong_vocabulary_file_is_refused_before_torch_is_imported(
        tmp_path, content, command):
    (tmp_path / 'words.yaml').write_text(content)
    code = ('import sys\nfrom eov_seg_core.app.cli import main\n'
            f'status = main([{command!r}, "x", "-o", {str(tmp_path / "out")!r}, '
            f'"--vocabulary", {str(tmp_path / "words.yaml")!r}])\n'
            'sys.exit(9 if "torch" in sys.modules else status)')
    ended = subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False, timeout=60,
                           capture_output=True, text=True)
    assert ended.returncode == 2
    assert len(ended.stderr) < 1000
    assert 'words.yaml: ' in ended.stderr


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_reader_that_has_enough_is_no_error(unbuffered):
    process = subprocess.Popen(
        [sys.executable, '-c', 'import sys; from eov_seg_core.app.cli import main; '
         'sys.exit(main(["info", "--variant", "t"]))'], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {'PYTHONUNBUFFERED': unbuffered})
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ''
    assert process.wait() == 141


def test_help_needs_no_torch():
    code = ('import sys\nfrom eov_seg_core.app.cli import main\n'
            'try:\n    main(["segment", "--help"])\n'
            'except SystemExit:\n    sys.exit("torch" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False,
                          stdout=subprocess.DEVNULL).returncode == 0


def test_a_small_file_is_named_by_its_own_digest(tmp_path):
    source, small = str(tmp_path / 'source.safetensors'), str(tmp_path / 'small.safetensors')
    EOVSeg.from_variant('t').save(source)
    digest = commands.convert(source, small, small=True)
    assert digest == EOVSeg.from_checkpoint(small).weights_digest
    assert digest != EOVSeg.from_checkpoint(source).weights_digest
    with pytest.raises(ValueError, match='--small is for a .safetensors'):
        commands.convert(source, str(tmp_path / 'other.pth'), small=True)
