# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Optimiser, schedule, averaged weights, checkpoint files and panels, each by itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from eov_seg_core import Segmenter
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.weights.checkpoint import weights_digest
from training.data.samples import Target, TrainingBatch
from training.recipe import Recipe, ScheduleConfig
from training.run.callbacks.averaging import AveragedWeights
from training.run.callbacks.panels import draw_panel, truth_of
from training.run.engine import initial_model
from training.run.module import TrainingModule
from training.run.optimization import lr_factor
from training.run.saving import checkpoint_step, CheckpointFiles, checkpoints
from training.run.sync_batch_norm import CPUSyncBatchNorm

VOCABULARY = Vocabulary(things=['cup', 'ball'], stuff=['wall'])


@pytest.fixture(scope='module')
def module(tmp_path_factory):
    """Return a training module of untrained weights, with a cache of its own."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield TrainingModule(Recipe(variant='t'), EOVSeg.from_variant('t'))


def test_a_run_starts_from_the_weights_in_the_package():
    started = initial_model(Recipe(variant='t', init_checkpoint='builtin')).state_dict()
    shipped = Segmenter.from_pretrained('t', device='cpu').model.state_dict()
    drawn = EOVSeg.from_variant('t').state_dict()
    assert all(torch.equal(value, shipped[name]) for name, value in started.items())
    assert not all(torch.equal(value, drawn[name]) for name, value in started.items())


def test_a_run_starts_from_fetched_weights(tmp_path, monkeypatch):
    for module in ('training.recipe', 'eov_seg_core.weights.choice'):
        monkeypatch.setattr(f'{module}.has_builtin_weights', lambda variant: False)
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path))
    recipe = Recipe(variant='t', init_checkpoint='published')
    with pytest.raises(ValueError, match='eov_seg_t.safetensors is not there'):
        initial_model(recipe)
    fetched = EOVSeg.from_variant('t')
    (tmp_path / 'weights').mkdir()
    fetched.save(tmp_path / 'weights' / 'eov_seg_t.safetensors')
    assert initial_model(recipe).weights_digest == weights_digest(fetched.state_dict())


def test_weight_decay_spares_norms_and_embeddings(module):
    optimizer = module.configure_optimizers()['optimizer']
    names = {parameter: name for name, parameter in module.named_parameters()}
    decaying, others = ({names[parameter] for parameter in group['params']}
                        for group in optimizer.param_groups)
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0.05, 0.0]
    assert {'model.void_embedding.weight', 'model.decoder.queries.weight',
            'model.decoder.stages.0.ffn_norm.weight', 'model.decoder.vas.depthwise_norm.bias',
            'model.aggregator.top_down.0.deform_norm.weight'} <= others
    assert {'model.decoder.spatial_upscaler.norm.weight', 'model.aggregator.bias',
            'model.decoder.stages.0.logit_scale', 'model.decoder.vas.scale',
            'model.decoder.stages.0.self_attention.in_proj_weight',
            'model.decoder.stages.2.ffn.0.bias'} <= decaying
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert decaying | others == trainable
    assert not any(name.startswith(('model.cnn.', 'model.vit.', 'model.text_tower.'))
                   for name in trainable)


def test_the_published_schedule():
    config = ScheduleConfig()
    factors = [lr_factor(config, 200_000, step) for step in (0, 163_888, 163_889, 187_546)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01])


def test_warm_up_and_cosine():
    config = ScheduleConfig(kind='cosine', warmup_steps=4)
    factors = [lr_factor(config, 12, step) for step in range(13)]
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert factors[8] == pytest.approx(0.5)
    assert factors[12] == pytest.approx(0)
    assert lr_factor(ScheduleConfig(kind='cosine', warmup_steps=3), 3, 3) == 1  # nothing is left


def test_checkpoints_hold_no_frozen_weights(module):
    checkpoint = {'state_dict': module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    names = set(checkpoint['state_dict'])
    assert 'model.decoder.vas.depthwise_norm.running_mean' in names
    assert 'model.void_embedding.weight' in names
    assert not any(name.startswith(('model.cnn.', 'model.vit.', 'model.text_tower.'))
                   for name in names)
    module.on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_other_clip_weights_is_refused(module):
    checkpoint = {'state_dict': module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    torch.manual_seed(1)
    other = TrainingModule(Recipe(variant='t'), EOVSeg.from_variant('t'))
    with pytest.raises(ValueError, match='other CLIP weights'):
        other.on_load_checkpoint(checkpoint)
    del checkpoint['state_dict']['model.void_embedding.weight']
    with pytest.raises(ValueError, match='other trained weights'):
        module.on_load_checkpoint(checkpoint)


def test_long_gradients_are_scaled_down(module):
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    module.configure_gradient_clipping(torch.optim.SGD([torch.zeros(1)], 1.0))
    gradients = [parameter.grad for parameter in module.parameters() if parameter.requires_grad]
    count = sum(gradient.numel() for gradient in gradients)
    assert float(module.grad_norm) == pytest.approx(count ** 0.5)
    clipped = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    assert float(clipped) == pytest.approx(0.01, rel=1e-3)
    module.zero_grad()


def test_averaged_weights():
    net = nn.Linear(1, 1, bias=False)
    average = AveragedWeights(decay=0.75)
    trainer = SimpleNamespace(global_step=0)
    average.on_train_start(trainer, net)
    for trainer.global_step, weight in enumerate([1.0, 2.0, 6.0, 3.0, 7.0], start=1):
        with torch.no_grad():
            net.weight.fill_(weight)
        average.on_train_batch_end(trainer, net, None, None, 0)
    # mean of all while there are few: 1, 1.5, 3, 3; then a quarter of the newest
    with average.in_place(net):
        assert net.weight.item() == pytest.approx(0.75 * 3 + 0.25 * 7)
    assert net.weight.item() == 7
    resumed = AveragedWeights(decay=0.75)
    resumed.load_state_dict(average.state_dict())
    resumed.on_train_start(trainer, net)
    with resumed.in_place(net):
        assert net.weight.item() == pytest.approx(4)


def test_statistics_of_batch_norms_are_averaged_with_the_weights():
    net = nn.BatchNorm1d(1, momentum=1.0)
    average = AveragedWeights(decay=0.5)
    trainer = SimpleNamespace(global_step=0)
    average.on_train_start(trainer, net)
    for trainer.global_step, mean in enumerate([1.0, 3.0, 5.0], start=1):
        net(torch.tensor([[mean - 1], [mean + 1]]))
        average.on_train_batch_end(trainer, net, None, None, 0)
    with average.in_place(net):
        assert net.running_mean.item() == pytest.approx(0.5 * 2 + 0.5 * 5)
        assert net.num_batches_tracked.item() == 3
    assert net.running_mean.item() == 5


def test_checkpoint_files_are_whole_or_not_there(tmp_path):
    files = CheckpointFiles()
    path = tmp_path / 'step_00000012.ckpt'
    files.save_checkpoint({'step': 12, 'weights': torch.ones(2)}, path)
    assert checkpoint_step(path) == 12
    assert files.load_checkpoint(path)['step'] == 12

    class Unwritable:
        def __reduce__(self):
            raise OSError('the disk is full')

    with pytest.raises(OSError, match='full'):
        files.save_checkpoint({'step': 13, 'weights': Unwritable()}, path)
    assert files.load_checkpoint(path)['step'] == 12
    assert checkpoints(tmp_path) == [path] == list(tmp_path.iterdir())


def test_checkpoints_are_in_order(tmp_path):
    assert checkpoints(tmp_path / 'nowhere') == []
    for step in (900, 20000, 5):
        (tmp_path / f'step_{step:08d}.ckpt').touch()
    assert [checkpoint_step(path) for path in checkpoints(tmp_path)] == [5, 900, 20000]


def test_damaged_checkpoints_are_named_and_code_is_not_executed(tmp_path):
    path = tmp_path / 'step_00000001.ckpt'
    path.write_bytes(b'half a chec')
    with pytest.raises(ValueError, match='step_00000001.ckpt is damaged'):
        CheckpointFiles().load_checkpoint(path)

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('executed').touch, ())

    torch.save({'state_dict': Evil()}, path)
    with pytest.raises(ValueError, match='is damaged') as caught:
        CheckpointFiles().load_checkpoint(path, weights_only=False)
    assert 'weights_only' not in str(caught.value)
    assert not (tmp_path / 'executed').exists()


def test_a_lone_process_has_plain_batch_norm():
    torch.manual_seed(0)
    plain, ours = nn.BatchNorm2d(3), CPUSyncBatchNorm(3)
    pixels = torch.randn(2, 3, 4, 5)
    assert torch.equal(plain(pixels), ours(pixels))
    assert torch.equal(plain.running_var, ours.running_var)


def test_truth_without_a_segment_and_with_an_empty_one():
    nothing = truth_of(Target(torch.zeros(0, dtype=torch.int64),
                              torch.zeros(0, 4, 6, dtype=torch.bool)), (4, 6), VOCABULARY)
    assert nothing.segments == []
    assert not nothing.instance.any()
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[1, 1:3, 2:5] = True
    result = truth_of(Target(torch.tensor([0, 2]), masks), (4, 6), VOCABULARY)
    (segment,) = result.segments
    assert (segment.name, segment.is_thing, segment.area) == ('wall', False, 6)
    assert segment.bbox_xyxy == (2, 1, 5, 3)
    assert np.array_equal(result.instance > 0, masks[1].numpy())


def test_a_panel_shows_three_pictures_and_leaves_training_mode(module):
    module.model.train()
    pixels = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8)
    masks = torch.zeros(1, 32, 64, dtype=torch.bool)
    masks[:, :16] = True
    batch = TrainingBatch(pixels, [Target(torch.tensor([1]), masks)], VOCABULARY, (0,))
    panel = draw_panel(module.model, torch.device('cpu'), batch)
    assert panel.shape == (32, 3 * 64, 3)
    assert np.array_equal(panel[:, :64], pixels[0].permute(1, 2, 0).numpy())
    assert module.model.decoder.training
    assert not module.model.cnn.training
