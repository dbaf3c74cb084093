# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training of variant t's CLIP: loss, resumption, and what comes out."""

from dataclasses import replace
import sys

import open_clip
import pytest
import torch

from eov_seg_core.io.files import locked
from eov_seg_core.network.model import EOVSeg
from training import pretrain_clip
from training.clip import accuracy as clip_accuracy
from training.clip.trainer import ClipTrainer, contrastive_loss
from training.pretrain_clip import ClipRecipe, train
from training.run.callbacks.bad_steps import DivergedError
from training.world.frames import FrameSet

RECIPE = ClipRecipe(steps=2, batch_size=2, warmup=1)


@pytest.fixture
def small_world(monkeypatch):
    monkeypatch.setattr(clip_accuracy, 'ROOMS', replace(clip_accuracy.ROOMS, rooms=1))
    monkeypatch.setattr(pretrain_clip, 'CLIP_FRAMES', FrameSet(500_000, rooms=2))


def run(output, cache, recipe=RECIPE):
    train(output, recipe, cache, torch.device('cpu'), validate_every=1, workers=0)


def test_each_fitting_region_and_caption_counts_once():
    logits = torch.tensor([[9.0, -9.0], [9.0, -9.0], [-9.0, 9.0], [0.0, 0.0]])
    target = torch.tensor([0, 0, 1, -1])
    # the caption that fits two regions cannot give more than a half to each: ln 2
    expected = 0.25 * torch.tensor([2.0, 1.0]).log().mean()
    assert contrastive_loss(logits, target) == pytest.approx(float(expected), abs=1e-3)
    assert contrastive_loss(-logits, target) > 10


def test_no_region_that_any_caption_fits_costs_nothing():
    logits = torch.randn(3, 4, requires_grad=True)
    loss = contrastive_loss(logits, torch.tensor([-1, -1, -1]))
    assert torch.equal(loss.detach(), torch.tensor(0.0))
    loss.backward()
    assert contrastive_loss(logits[:0], torch.zeros(0, dtype=torch.int64)) == 0


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, small_world, monkeypatch):
    run(tmp_path / 'whole', tmp_path / 'cache')
    step = pretrain_clip._step

    def stopped(module, trainer, optimizer, recipe, number, *arguments):
        if number == 1:
            raise KeyboardInterrupt
        return step(module, trainer, optimizer, recipe, number, *arguments)
    monkeypatch.setattr(pretrain_clip, '_step', stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'stopped', tmp_path / 'cache')
    assert not (tmp_path / 'stopped' / 'clip.safetensors').exists()
    monkeypatch.setattr(pretrain_clip, '_step', step)
    run(tmp_path / 'stopped', tmp_path / 'cache')
    whole, again = (EOVSeg.from_checkpoint(tmp_path / name / 'clip.safetensors')
                    for name in ('whole', 'stopped'))
    for tower in ('text_tower', 'cnn', 'vit'):
        for name, tensor in getattr(whole, tower).state_dict().items():
            torch.testing.assert_close(getattr(again, tower).state_dict()[name], tensor)


def test_another_recipe_does_not_go_on_there(tmp_path, small_world):
    run(tmp_path / 'run', tmp_path / 'cache', replace(RECIPE, steps=1))
    with pytest.raises(ValueError, match='was trained with'):
        run(tmp_path / 'run', tmp_path / 'cache', RECIPE)


def test_tokens_that_no_caption_holds_share_one_row():
    trainer = ClipTrainer(('anvil',))
    table = trainer.full_text_tower()['token_embedding.weight']
    assert table.shape == (49408, 128)
    known = set(trainer.tokens_N.tolist())
    unknown = [token for token in range(1000) if token not in known]
    assert (table[unknown] == table[unknown[0]]).all()
    assert torch.equal(table[trainer.tokens_N], trainer.text.token_embedding.weight)
    texts = ['a photo of a red anvil.', 'a chair on a table']
    model = EOVSeg.from_variant('t')
    model.text_tower.load_state_dict(trainer.full_text_tower())
    with torch.no_grad():
        expected = model.text_tower(trainer.tokenizer(texts))
        actual = trainer.eval().text_embeddings(texts)
    torch.testing.assert_close(actual, torch.nn.functional.normalize(expected, dim=-1),
                               rtol=0.05, atol=0.02)     # bfloat16 against float32


def test_the_towers_fit_into_a_clip_of_open_clip():
    model = EOVSeg.from_variant('t')
    config = model.config
    clip = open_clip.CLIP(
        config.embed_dim, quick_gelu=True,
        vision_cfg=open_clip.CLIPVisionCfg(layers=list(config.cnn.layers), width=config.cnn.width,
                                           image_size=config.cnn.image_size),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=config.text.context_length, width=config.text.width,
            heads=config.text.heads, layers=config.text.layers))
    state = {**model.cnn.state_dict(), **model.text_tower.state_dict(),
             'logit_scale': model.clip_logit_scale.detach()}
    clip.load_state_dict(state)
    texts = open_clip.tokenizer.SimpleTokenizer(
        context_length=config.text.context_length)(['a red chair'])
    clip.eval()
    with torch.no_grad():
        torch.testing.assert_close(clip.encode_text(texts), model.text_tower(texts))


def test_a_step_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
        tmp_path, small_world, monkeypatch):
    run(tmp_path, tmp_path / 'cache', replace(RECIPE, steps=1))
    before = (tmp_path / 'last.ckpt').read_bytes()
    (tmp_path / 'clip.safetensors').unlink()
    forward = ClipTrainer.forward
    monkeypatch.setattr(ClipTrainer, 'forward', lambda self, *inputs: {
        name: loss * torch.nan for name, loss in forward(self, *inputs).items()})
    other = tmp_path / 'other'
    with pytest.raises(DivergedError, match='the gradient of step 1 is not finite'):
        run(other, tmp_path / 'cache')
    assert not (other / 'last.ckpt').exists()
    assert not (other / 'clip.safetensors').exists()
    assert (tmp_path / 'last.ckpt').read_bytes() == before


@pytest.mark.parametrize('content', [b'', b'no checkpoint'])
def test_a_damaged_checkpoint_is_a_sentence(tmp_path, monkeypatch, capsys, content):
    (tmp_path / 'last.ckpt').write_bytes(content)
    monkeypatch.setattr(sys, 'argv', ['pretrain_clip', '--output', str(tmp_path), '--device',
                                      'cpu', '--cache', str(tmp_path / 'cache')])
    assert pretrain_clip.main() == 1
    assert 'last.ckpt is damaged' in capsys.readouterr().err


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['pretrain_clip', '--output', str(tmp_path)])
    with locked(tmp_path, 'training'):
        assert pretrain_clip.main() == 1
    assert 'another training is writing to' in capsys.readouterr().err
