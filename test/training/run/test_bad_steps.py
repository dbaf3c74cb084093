# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps, checkpoints and folders that go wrong, and what a run makes of them."""

from __future__ import annotations

import errno
import re

import pytest
import torch
from training_case import room, Runs

from eov_seg_core.io.files import locked
from training.run.module import TrainingModule
from training.run.saving import newest_usable
from training.train import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return what runs the command in this process, in the folder `run`; returns its status."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    recipe = Runs(tmp_path, [room(0), room(1)], batch_size=1, augmentation={'size': 64},
                  loss={'num_points': 64}, ema_decay=0.9, checkpoint={'every': 1, 'keep': 2},
                  optimizer={'lr': 1e-3}).path

    def command(*overrides):
        return main([str(recipe), *overrides, '--output', str(tmp_path / 'run'),
                     '--accelerator', 'cpu'])

    return command


@pytest.fixture
def poison(monkeypatch):
    """Return what makes the loss of some steps, counted from 1, not a number."""
    def poison_steps(*steps):
        original = TrainingModule.training_step

        def training_step(self, batch, batch_idx):
            output = original(self, batch, batch_idx)
            if self.trainer.global_step + 1 in steps:
                output['loss'] = output['loss'] * torch.nan
            return output

        monkeypatch.setattr(TrainingModule, 'training_step', training_step)

    return poison_steps


def checkpoint(tmp_path, step):
    return tmp_path / 'run' / 'checkpoints' / f'step_{step:08}.ckpt'


def load(path):
    return torch.load(path, weights_only=True)


def flat(state, prefix=''):
    """Return the tensors of nested mappings and lists, by path."""
    if isinstance(state, torch.Tensor):
        return {prefix: state}
    items = state.items() if isinstance(state, dict) else (
        enumerate(state) if isinstance(state, (list, tuple)) else ())
    return {name: tensor for key, value in items
            for name, tensor in flat(value, f'{prefix}/{key}').items()}


@pytest.mark.slow
def test_a_bad_step_changes_nothing_and_is_counted(run, poison, tmp_path, caplog):
    assert run('steps=1') == 0
    before = load(checkpoint(tmp_path, 1))
    poison(2)
    assert run('steps=2') == 0
    after = load(checkpoint(tmp_path, 2))
    for part in ('state_dict', 'optimizer_states', 'callbacks'):
        old, new = flat(before[part]), flat(after[part])
        assert len(old) > 20 or part == 'callbacks'
        assert old.keys() == new.keys()
        assert [name for name in old if not torch.equal(old[name], new[name])] == []
    assert after['callbacks']['BadSteps'] == {'total': 1}
    assert 'step 2 is left out: its gradient is not finite (loss nan, images room_' in caplog.text
    assert '1 of 2 steps were left out' in caplog.text
    assert run('steps=3') == 0      # and the next one trains again
    old, new = flat(after['state_dict']), flat(load(checkpoint(tmp_path, 3))['state_dict'])
    assert any(not torch.equal(old[name], new[name]) for name in old)


@pytest.mark.slow
def test_several_bad_steps_in_a_row_end_the_run(run, poison, tmp_path, capsys):
    assert run('steps=2') == 0
    (tmp_path / 'run' / 'model.safetensors').unlink()
    poison(*range(3, 100))
    assert run('steps=20') == 1
    said = capsys.readouterr().err
    assert '5 steps in a row had a gradient that is not finite, the last one step 7' in said
    assert 'with the images room_' in said
    assert sorted(path.name for path in checkpoint(tmp_path, 1).parent.iterdir()) == [
        'step_00000001.ckpt', 'step_00000002.ckpt']
    assert not (tmp_path / 'run' / 'model.safetensors').exists()


@pytest.mark.slow
def test_weights_that_are_not_finite_are_neither_saved_nor_exported(
        run, tmp_path, monkeypatch, capsys):
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):    # too far a step, of a gradient that is finite
        result = original(self, *args, **kwargs)
        self.param_groups[0]['params'][0].data[0] = torch.inf
        return result

    monkeypatch.setattr(torch.optim.AdamW, 'step', step)
    assert run('steps=1') == 1
    assert 'after step 1 the weights are not finite' in capsys.readouterr().err
    assert not checkpoint(tmp_path, 1).exists()
    assert not (tmp_path / 'run' / 'model.safetensors').exists()


def test_a_second_run_in_the_same_folder_is_refused(run, tmp_path, capsys):
    (tmp_path / 'run').mkdir()
    with locked(tmp_path / 'run', 'training'):
        assert run('steps=1') == 1
    assert 'another training is writing to' in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_is_said_in_a_sentence(run, tmp_path, monkeypatch, capsys):
    assert run('steps=1') == 0
    (tmp_path / 'run' / 'model.safetensors').unlink()

    def save(*_args, **_kwargs):    # as PyTorch does it
        try:
            raise OSError(errno.ENOSPC, 'No space left on device')
        finally:
            raise RuntimeError('[enforce fail at inline_container.cc:664] . unexpected pos 64')

    monkeypatch.setattr(torch, 'save', save)
    assert run('steps=2') == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('training.train: error: checkpoint ')
    assert 'cannot be written ([Errno 28] No space left on device)' in said
    assert [path.name for path in checkpoint(tmp_path, 1).parent.iterdir()] == [
        'step_00000001.ckpt']


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_used_is_passed_over(run, tmp_path, caplog, capsys):
    assert run('steps=2') == 0
    content = load(checkpoint(tmp_path, 2))
    checkpoint(tmp_path, 2).write_bytes(checkpoint(tmp_path, 2).read_bytes()[:-1000])
    assert run('steps=2') == 0
    assert 'step_00000002.ckpt is damaged' in caplog.text
    assert 'looking for the one before' in caplog.text
    again = load(checkpoint(tmp_path, 2))
    assert all(torch.equal(tensor, flat(again['state_dict'])[name])
               for name, tensor in flat(content['state_dict']).items())
    for path in checkpoint(tmp_path, 1).parent.iterdir():
        path.write_bytes(b'no checkpoint')
    assert run('steps=2') == 1
    assert 'none of the 2 checkpoints' in capsys.readouterr().err


def test_checkpoints_of_no_run_or_not_finite_are_passed_over(tmp_path, caplog):
    assert newest_usable(tmp_path) is None
    names = ('state_dict', 'optimizer_states', 'lr_schedulers', 'loops', 'global_step')
    good = dict.fromkeys(names, 0) | {'state_dict': {'weight': torch.ones(2)}}
    for step, content in enumerate((
            good, good | {'state_dict': {'weight': torch.tensor([1.0, torch.nan])}},
            {'weight': torch.ones(2)}, [1, 2])):
        torch.save(content, tmp_path / f'step_{step:08}.ckpt')
    assert newest_usable(tmp_path) == tmp_path / 'step_00000000.ckpt'
    assert caplog.text.count('is none of a training run') == 2
    assert 'holds weights that are not finite' in caplog.text


ONE_SIDED = """
import sys, torch
from training.run.module import TrainingModule
from training.train import main
original = TrainingModule.training_step

def training_step(self, batch, batch_idx):
    output = original(self, batch, batch_idx)
    if self.trainer.global_rank == {rank} and self.trainer.global_step + 1 in {bad}:
        {fault}
    return output

TrainingModule.training_step = training_step
sys.exit(main())
"""
NAN = "output['loss'] = output['loss'] * torch.nan"
FULL = "raise OSError(28, 'No space left on device', 'step.ckpt')"


@pytest.mark.slow
def test_a_bad_loss_of_one_process_is_left_out_by_both(tmp_path):
    """And the images that are named are those of the process whose loss was bad."""
    runs = Runs(tmp_path, [room(seed) for seed in range(4)], batch_size=2, steps=10,
                augmentation={'size': 64}, loss={'num_points': 64},
                checkpoint={'every': 1, 'keep': 20})
    for name, bad in (('once', [2]), ('on', [*range(3, 20)])):
        (tmp_path / f'{name}.py').write_text(ONE_SIDED.format(rank=1, bad=bad, fault=NAN))
    process = runs.start('once', 'steps=3', devices=2, program=[tmp_path / 'once.py'])
    status, said = runs.finish(process)
    assert status == 0, said
    assert re.search(r'step 2 is left out: .* \(loss nan, images room_\d.jpg\)', said)
    assert '1 of 3 steps were left out' in said
    process = runs.start('on', devices=2, program=[tmp_path / 'on.py'])
    status, said = runs.finish(process)
    assert status == 1
    assert 'Traceback' not in said
    # both processes tell the same end
    ends = re.findall(r'^training.train: error: 5 steps in a row .* one step 7 with the images '
                      r'(room_\d.jpg)[.]', said, re.MULTILINE)
    assert len(ends) == 2, said
    assert len(set(ends)) == 1
    assert max(path.name for path in (runs.output('on') / 'checkpoints').iterdir()
               ) == 'step_00000002.ckpt'
    assert not (runs.output('on') / 'model.safetensors').exists()


@pytest.mark.slow
def test_processes_whose_partner_has_ended_say_so(tmp_path):
    """The error of one process is one sentence, without pages from those that wait for it."""
    runs = Runs(tmp_path, [room(0), room(1)], batch_size=2, augmentation={'size': 64},
                loss={'num_points': 64})
    for rank in (0, 1):
        program = tmp_path / f'{rank}.py'
        program.write_text(ONE_SIDED.format(rank=rank, bad=[1], fault=FULL))
        status, said = runs.finish(runs.start(str(rank), devices=2, program=[program]))
        assert status != 0
        assert 'training.train: error: step.ckpt: No space left on device' in said
        assert 'Traceback' not in said
        # where the second process ends first, Lightning ends the one that it started from
        assert rank == 1 or 'another process of this run has ended' in said
