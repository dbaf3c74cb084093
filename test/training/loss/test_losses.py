# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses and matching against float64 loops, and batches that are easy to get wrong."""

from __future__ import annotations

from itertools import permutations
import math
import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from network_case import all_stages
import pytest
import torch
import torch.nn.functional as F

from eov_seg_core.network.decoder import StageOutput
from eov_seg_core.network.model import EOVSeg
from training.data.samples import Target
from training.loss.losses import dice_loss, LossConfig, mask_cross_entropy, PanopticLoss
from training.loss.matcher import match, matching_cost, TermWeights

NAMES, QUERIES = 3, 5
SMALL = LossConfig(num_points=8)


# one process of two: its share of the batch, then its loss and gradients, through files
ONE_OF_TWO = """
import sys, torch
from torch import distributed
from eov_seg_core.network.decoder import StageOutput
from training.loss.losses import LossConfig, PanopticLoss, Target
rank, folder = int(sys.argv[1]), sys.argv[2]

def draw(shape, device):
    generator = torch.Generator().manual_seed(shape[1])
    return torch.rand(1, *shape[1:], generator=generator).expand(shape)

distributed.init_process_group(
    'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
classes, masks, *target = torch.load(f'{folder}/inputs.pt')[rank]
stage = StageOutput(classes.requires_grad_(), masks.requires_grad_())
total = PanopticLoss(LossConfig(num_points=8))([stage], [Target(*target)], draw).total
total.backward()
torch.save((total.detach(), [tensor.grad for tensor in stage]), f'{folder}/{rank}.pt')
distributed.barrier()
distributed.destroy_process_group()
"""


def stages(batch, seed=0, count=1, queries=QUERIES):
    generator = torch.Generator().manual_seed(seed)
    return [StageOutput(
        torch.randn(batch, queries, NAMES + 1, generator=generator, requires_grad=True),
        torch.randn(batch, queries, 4, 6, generator=generator, requires_grad=True))
        for _ in range(count)]


def target(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Target(torch.randint(NAMES, (count,), generator=generator),
                  torch.rand(count, 16, 24, generator=generator) > 0.5)


def grid_draw(shape, device):
    """Give every mask the same points, so that results do not depend on the batch."""
    generator = torch.Generator().manual_seed(shape[1])
    return torch.rand(1, *shape[1:], generator=generator).expand(shape).to(device)


def cross_entropy(logit, true):
    probability = 1 / (1 + math.exp(-logit))
    return -(true * math.log(probability) + (1 - true) * math.log(1 - probability))


def dice(logits, true):
    probs = [1 / (1 + math.exp(-logit)) for logit in logits]
    overlap = sum(p * t for p, t in zip(probs, true))
    return 1 - (2 * overlap + 1) / (sum(probs) + sum(true) + 1)


@settings(deadline=None, max_examples=20)
@given(masks=st.integers(0, 4), points=st.integers(1, 9), seed=st.integers(0, 99))
def test_mask_losses_equal_loops(masks, points, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(masks, points, generator=generator)
    true = torch.rand(masks, points, generator=generator)
    rows = list(zip(logits.tolist(), true.tolist()))
    assert mask_cross_entropy(logits, true).tolist() == pytest.approx(
        [sum(map(cross_entropy, *row)) / points for row in rows], rel=1e-4)
    assert dice_loss(logits, true).tolist() == pytest.approx(
        [dice(*row) for row in rows], rel=1e-4, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(queries=st.integers(1, 4), segments=st.integers(0, 5), seed=st.integers(0, 99))
def test_matching_cost_equals_loops(queries, segments, seed):
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randn(queries, NAMES + 1, generator=generator)
    logits = 3 * torch.randn(queries, 7, generator=generator)
    labels = torch.randint(NAMES, (segments,), generator=generator)
    masks = torch.rand(segments, 7, generator=generator)
    cost = matching_cost(classes, logits, labels, masks, TermWeights(ce=2, mask=5, dice=7))
    assert cost.shape == (queries, segments)
    probs = classes.double().softmax(1)
    for q, t in [(q, t) for q in range(queries) for t in range(segments)]:
        row, true = logits[q].tolist(), masks[t].tolist()
        expected = (-2 * probs[q, labels[t]].item()
                    + 5 * sum(map(cross_entropy, row, true)) / 7 + 7 * dice(row, true))
        assert cost[q, t].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(queries=st.integers(1, 4), segments=st.integers(0, 4), seed=st.integers(0, 999))
def test_match_is_the_cheapest_of_all_pairings(queries, segments, seed):
    cost = torch.randn(queries, segments, generator=torch.Generator().manual_seed(seed))
    pairs = match(cost)
    assert len(pairs.queries) == len(pairs.segments) == min(queries, segments)
    assert pairs.queries.tolist() == sorted(set(pairs.queries.tolist()))
    assert len(set(pairs.segments.tolist())) == len(pairs.segments)
    wide = cost if queries <= segments else cost.t()
    cheapest = min(sum(wide[row, column].item() for row, column in enumerate(columns))
                   for columns in permutations(range(wide.shape[1]), wide.shape[0]))
    assert cost[pairs.queries, pairs.segments].sum().item() == pytest.approx(cheapest, abs=1e-5)


def test_match_survives_costs_that_are_no_numbers():
    cost = torch.tensor([[math.nan, math.inf], [1.0, 2.0], [math.nan, 0.0]])
    assert match(cost).queries.tolist() == [1, 2]


def test_class_loss_of_a_hand_worked_batch():
    """One segment, five queries: four say void at a tenth of the weight."""
    stage = stages(1)[0]
    loss = PanopticLoss(SMALL)([stage], [target(1)])
    matched = loss.matches[0][0].queries.item()
    log_probs = stage.class_logits_BQK[0].double().log_softmax(1)
    label = target(1).labels_T.item()
    expected = -log_probs[matched, label] - 0.1 * sum(
        log_probs[q, -1] for q in range(QUERIES) if q != matched)
    assert loss.terms['s0_loss_ce'].item() == pytest.approx(2 * expected.item() / 1.4, rel=1e-5)


def test_class_loss_without_any_query_left_over():
    stage = stages(1)[0]
    nine = target(9)
    loss = PanopticLoss(SMALL)([stage], [nine])
    queries, segments = loss.matches[0][0]
    log_probs = stage.class_logits_BQK[0].log_softmax(1)
    expected = -log_probs[queries, nine.labels_T[segments]].mean()
    assert loss.terms['s0_loss_ce'].item() == pytest.approx(2 * expected.item(), rel=1e-5)


@pytest.mark.parametrize('counts', [(0,), (1,), (0, 0), (0, 1), (9,), (9, 0), (2, 9)])
def test_any_number_of_segments_trains(counts):
    outputs = stages(len(counts), count=3)
    loss = PanopticLoss(SMALL)(outputs, [target(count) for count in counts])
    assert list(loss.terms) == [f's{stage}_loss_{name}' for stage in range(3)
                                for name in ('ce', 'mask', 'dice')]
    assert loss.total.item() == pytest.approx(sum(t.item() for t in loss.terms.values()))
    loss.total.backward()
    for output in outputs:
        for tensor in output:
            assert tensor.grad.isfinite().all()
        assert output.class_logits_BQK.grad.abs().sum() > 0
        assert (output.mask_logits_BQhw.grad.abs().sum() > 0) == (sum(counts) > 0)
    for matches in loss.matches:
        assert [len(pairs.queries) for pairs in matches] == [min(n, QUERIES) for n in counts]


@pytest.mark.parametrize('counts', [(0, 0), (1, 0), (60, 2)])
def test_the_network_trains_on_any_number_of_segments(counts):
    """Every trainable parameter has a finite gradient: DDP waits for all of them."""
    torch.manual_seed(0)
    model = EOVSeg.from_variant('t').train()
    text = F.normalize(torch.randn(NAMES, model.embed_dim), dim=1)
    vocabulary = model.embed_vocabulary(text, list(range(NAMES)), (True,) * NAMES)
    outputs = all_stages(model, torch.randn(2, 3, 64, 64), vocabulary)
    loss = PanopticLoss(SMALL)(outputs, [target(count) for count in counts])
    assert loss.total.isfinite()
    loss.total.backward()
    without = [name for name, parameter in model.named_parameters()
               if parameter.requires_grad and parameter.grad is None]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters()
               if parameter.requires_grad)


def test_the_published_divisor_counts_segments_beyond_the_queries():
    config = LossConfig(num_points=8, cost=TermWeights(ce=0, mask=0, dice=0))
    outputs = stages(1, queries=1)
    two = Target(torch.zeros(2, dtype=torch.int64), target(1).masks_Thw.repeat(2, 1, 1))
    one = Target(two.labels_T[:1], two.masks_Thw[:1])
    of_two, of_one = (PanopticLoss(config)(outputs, [it], grid_draw).terms for it in (two, one))
    assert of_two['s0_loss_mask'].item() == pytest.approx(of_one['s0_loss_mask'].item() / 2)


def test_empty_masks_are_kept_unless_told_otherwise():
    labels, masks = target(3)
    masks[1] = False
    outputs = stages(1)
    kept = PanopticLoss(SMALL)(outputs, [Target(labels, masks)])
    left_out = PanopticLoss(LossConfig(num_points=8, skip_empty_masks=True))(
        outputs, [Target(labels, masks)])
    assert len(kept.matches[0][0].queries) == 3
    assert len(left_out.matches[0][0].queries) == 2


def test_padding_may_be_left_out():
    labels, masks = target(3)
    masks[:, 12:] = False
    masks[:, :, 17:] = False
    outputs = stages(1)
    padded, cropped = (PanopticLoss(SMALL)(outputs, [Target(labels, it)], grid_draw).total.item()
                       for it in (masks, masks[:, :12, :17]))
    assert padded == cropped


def test_half_precision_logits_give_the_float32_loss():
    outputs = stages(1)
    rounded = [StageOutput(*(tensor.detach().bfloat16() for tensor in outputs[0]))]
    widened = [StageOutput(*(tensor.float() for tensor in rounded[0]))]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        in_half = PanopticLoss(SMALL)(rounded, [target(2)], grid_draw).total
    assert in_half.dtype == torch.float32
    assert in_half.item() == PanopticLoss(SMALL)(widened, [target(2)], grid_draw).total.item()


@pytest.mark.parametrize(('targets', 'message'), [
    ([target(1), target(1)], '2 targets for a batch of 1'),
    ([Target(torch.tensor([NAMES]), target(1).masks_Thw)], 'target 0: labels lie in 3..3'),
    ([Target(torch.tensor([0, 1]), target(1).masks_Thw)], 'got 2 labels'),
    ([Target(torch.tensor([0]), target(1).masks_Thw.float())], 'boolean masks, got 1 labels'),
    ([Target(torch.tensor([0]), torch.ones(1, 17, 24, dtype=torch.bool))], 'do not fit'),
])
def test_wrong_targets_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        PanopticLoss(SMALL)(stages(1), targets)


@pytest.mark.parametrize('options', [
    {'num_points': 0}, {'oversampling': 0.5}, {'importance': 1.5}, {'void_weight': 0.0}])
def test_wrong_configurations_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        LossConfig(**options)


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match='dice must be finite'):
        TermWeights(dice=-1.0)


@pytest.mark.parametrize('counts', [(3, 1), (2, 0)])
def test_two_processes_equal_one_with_both_batches(counts, tmp_path, checkout):
    together = stages(2)
    targets = [target(count, seed) for seed, count in enumerate(counts)]
    torch.save([(output.class_logits_BQK[rank:rank + 1].detach(),
                 output.mask_logits_BQhw[rank:rank + 1].detach(), *targets[rank])
                for output in together for rank in range(2)], tmp_path / 'inputs.pt')
    environment = os.environ | {'PYTHONPATH': str(checkout), 'GLOO_SOCKET_IFNAME': 'lo'}
    processes = [subprocess.Popen([sys.executable, '-c', ONE_OF_TWO, str(rank), str(tmp_path)],
                                  env=environment) for rank in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    by_rank = [torch.load(tmp_path / f'{rank}.pt') for rank in range(2)]
    expected = PanopticLoss(SMALL)(together, targets, grid_draw).total
    expected.backward()
    assert sum(total.item() for total, _ in by_rank) / 2 == pytest.approx(expected.item())
    for index, tensor in enumerate(together[0]):
        averaged = torch.cat([gradients[index] for _, gradients in by_rank]) / 2
        torch.testing.assert_close(averaged, tensor.grad, rtol=1e-5, atol=1e-7)


def test_with_a_source_for_each_image_its_points_do_not_depend_on_the_batch():
    """The sums of the mask losses of a batch are those of its images alone, draws included."""
    targets = [target(2, seed=1), target(0), target(3, seed=2)]
    (whole,) = stages(3)

    def source(image):
        generator = torch.Generator().manual_seed(image)
        return lambda shape, device: torch.rand(shape, generator=generator)

    def mask_sums(images):
        part = StageOutput(*(tensor[images] for tensor in whole))
        loss = PanopticLoss(SMALL)([part], [targets[image] for image in images],
                                   [source(image) for image in images])
        count = max(sum(len(targets[image].labels_T) for image in images), 1)
        return [count * loss.terms[f's0_loss_{name}'].item() for name in ('mask', 'dice')]

    alone = [sum(sums) for sums in zip(*(mask_sums([image]) for image in range(3)))]
    assert mask_sums([0, 1, 2]) == pytest.approx(alone, rel=1e-5)
    assert mask_sums([2, 0, 1]) == pytest.approx(alone, rel=1e-5)


def test_sources_that_do_not_fit_the_images():
    with pytest.raises(ValueError, match='1 sources of draws for 2 images'):
        PanopticLoss(SMALL)(stages(2), [target(1), target(1)], [grid_draw])
