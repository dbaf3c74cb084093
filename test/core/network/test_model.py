# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the network is made of, and its modules against plain references."""

import json

from network_case import all_stages
import open_clip
from open_clip.transformer import ResidualAttentionBlock
import pytest
import torch
from torch import nn
import torch.nn.functional as F

from eov_seg_core.config import variant_config, VARIANTS, ViTConfig
from eov_seg_core.network.backbone import ViTFirstBlock
from eov_seg_core.network.classification import (
    class_logits,
    ensemble_log_probs,
    VocabularyEmbedding,
)
from eov_seg_core.network.decoder import DynamicConvolution, INSIDE
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.network.pooling import mask_pool
from eov_seg_core.network.spatial import SpatialUpscaler
from eov_seg_core.network.vas import VocabularyAwareSelection


@pytest.mark.parametrize(('variant', 'expected'), [
    ('t', 6_145_995), ('s', 75_283_785), ('m', 131_387_713), ('l', 229_387_977)])
def test_parameters_are_those_that_inference_uses(variant, expected):
    with torch.device('meta'):
        model = EOVSeg.from_variant(variant)
    model.release_text_tower()
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize(('variant', 'name'), [('s', 'r50'), ('m', 'r50x4'), ('l', 'convnext_l')])
def test_official_names_and_shapes(variant, name, parity_dir):
    published = json.loads((parity_dir / f'keys_{name}.json').read_text())
    with torch.device('meta'):
        ours = EOVSeg.from_variant(variant).official_state_dict()
    assert len(ours) > 700
    for key, tensor in ours.items():
        assert list(tensor.shape) == published[key]['shape'], key


def test_every_variant_has_a_configuration():
    assert [variant_config(name).variant for name in VARIANTS] == list(VARIANTS)
    with pytest.raises(ValueError, match="one of t, s, m, l; got 'x'"):
        variant_config('x')


def test_only_the_decoder_side_is_trainable(tiny_model):
    trainable = {name.partition('.')[0] for name, parameter in tiny_model.named_parameters()
                 if parameter.requires_grad}
    assert trainable == {'aggregator', 'decoder', 'void_embedding'}
    tiny_model.train()
    assert not tiny_model.cnn.training
    assert tiny_model.decoder.training


def test_open_clip_transformer_is_batch_first():
    """A change of open_clip's layout would silently turn attention to the batch axis."""
    torch.manual_seed(0)
    block = ResidualAttentionBlock(32, 4).eval()
    assert block.attn.batch_first
    tokens_BLC = torch.randn(2, 5, 32)
    with torch.no_grad():
        together = block(tokens_BLC)
        alone = torch.cat([block(tokens_BLC[:1]), block(tokens_BLC[1:])])
    torch.testing.assert_close(together, alone)


def test_vit_block_equals_open_clip_vit():
    """Tokens equal those of open_clip's own ViT with one block, position resize aside."""
    torch.manual_seed(0)
    theirs = open_clip.transformer.VisionTransformer(
        image_size=64, patch_size=16, width=32, layers=1, heads=4, mlp_ratio=4.0, output_dim=8,
        act_layer=open_clip.transformer.QuickGELU, output_tokens=True).eval()
    ours = ViTFirstBlock(ViTConfig(width=32, heads=4, image_size=64)).eval()
    state = {name.replace('transformer.resblocks.0.', 'block.'): tensor
             for name, tensor in theirs.state_dict().items()}
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    pixels = torch.randn(2, 3, 64, 64)
    theirs.ln_post = nn.Identity()
    with torch.no_grad():
        _, tokens_BLC = theirs(pixels)
        torch.testing.assert_close(ours(pixels).flatten(2).transpose(1, 2), tokens_BLC)


def test_dynamic_convolution_equals_a_loop():
    torch.manual_seed(0)
    layer = DynamicConvolution(8).double()
    query, value = torch.randn(2, 3, 8).double(), torch.randn(2, 3, 8).double()
    expected = torch.zeros_like(value)
    for b, q in [(b, q) for b in range(2) for q in range(3)]:
        taps = layer.taps(query[b, q])
        expected[b, q] = F.conv1d(value[b, q][None, None], taps[None, None], padding=1)[0, 0]
    torch.testing.assert_close(layer(query, value), layer.norm(expected))


def test_pixels_inside_a_mask_are_those_of_the_published_sigmoid():
    logits = torch.linspace(-8 * INSIDE, 8 * INSIDE, 16)
    assert torch.equal(logits > INSIDE, logits.sigmoid() > 0.5)
    assert ((logits > 0) & (logits < INSIDE)).any()


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('names', [1, 5])
def test_vas_equals_the_stored_softmax(names, training):
    torch.manual_seed(0)
    vas = VocabularyAwareSelection(8, 16).double().train(training)
    for norm in (vas.depthwise_norm, vas.pointwise_norm):
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 2)
    features, guide = torch.randn(2, 8, 30, 35).double(), torch.randn(names, 16).double()
    embedding = F.gelu(vas.pointwise_norm(vas.pointwise(
        F.gelu(vas.depthwise_norm(vas.depthwise(features))))))
    logits = torch.einsum('behw,ne->bnhw', embedding, guide) / 4
    expected = features * logits.softmax(1).amax(1, keepdim=True)
    torch.testing.assert_close(vas(features, guide), expected)


@pytest.mark.parametrize('queries', [1, 5])
def test_streamed_pooling_equals_pooling_the_upscaled_map(queries):
    torch.manual_seed(0)
    upscaler = SpatialUpscaler(12).double()
    tokens = torch.randn(2, 12, 18, 17).double()
    mask = torch.rand(2, queries, 72, 68) > 0.7
    mask[0, 0] = False
    pooled = upscaler.pool(tokens, mask)
    torch.testing.assert_close(pooled, mask_pool(upscaler(tokens), mask))
    assert not pooled[0, 0].any()


def test_upscaling_equals_the_transposed_convolutions():
    torch.manual_seed(0)
    upscaler = SpatialUpscaler(12).double()
    tokens = torch.randn(2, 12, 3, 5).double()
    middle = upscaler.upscale1(tokens).permute(0, 2, 3, 1)
    middle = F.gelu(upscaler.norm(middle)).permute(0, 3, 1, 2)
    torch.testing.assert_close(upscaler(tokens), F.gelu(upscaler.upscale2(middle)))


def vocabulary_embedding(text, class_of_row, seen):
    return VocabularyEmbedding(text, torch.tensor(class_of_row), torch.tensor(seen), text)


def test_class_logits_take_the_best_synonym():
    torch.manual_seed(0)
    text = F.normalize(torch.randn(5, 6).double(), dim=-1)
    vocabulary = vocabulary_embedding(text, [0, 0, 1, 2], [True, False, False])
    embedding = torch.randn(2, 3, 6).double()
    cosine = F.normalize(embedding, dim=-1) @ text.t()
    expected = 100 * torch.stack([cosine[..., :2].amax(-1), *cosine[..., 2:].unbind(-1)], -1)
    actual = class_logits(embedding, vocabulary, torch.tensor(9.0).double())   # clamped to 100
    torch.testing.assert_close(actual, expected)
    assert not class_logits(torch.zeros(1, 1, 6).double(), vocabulary, torch.tensor(0.0)).any()


def test_ensemble_equals_products_of_powers():
    torch.manual_seed(0)
    inside, outside = torch.randn(2, 4, 4).double(), torch.randn(2, 4, 4).double()
    seen, valid = torch.tensor([True, False, True]), torch.tensor([[True, False, True, True]] * 2)
    p_in, p_out = inside[..., :-1].softmax(-1), outside[..., :-1].softmax(-1)
    weight = torch.where(seen, 0.4, 0.8) * valid[..., None]
    combined = (p_in ** (1 - weight) * p_out ** weight).log().softmax(-1)
    void = inside.softmax(-1)[..., -1:]
    expected = (torch.cat([combined * (1 - void), void], -1) + 1e-8).log().float()
    actual = ensemble_log_probs(inside, outside, seen, alpha=0.4, beta=0.8, valid_BQ=valid)
    torch.testing.assert_close(actual, expected)


def test_ensemble_stays_finite_where_probabilities_underflow():
    inside = torch.tensor([[[2000.0, -2000.0, 0.0]]])
    outside = torch.tensor([[[-2000.0, 2000.0, 0.0]]])
    log_probs = ensemble_log_probs(inside, outside, torch.tensor([True, False]), alpha=0.4,
                                   beta=0.8, valid_BQ=None)
    assert log_probs.isfinite().all()


def test_network_without_any_mask_pixel_is_finite(tiny_model):
    """Every mask empty: nothing to pool anywhere."""
    with torch.no_grad():
        for stage in tiny_model.decoder.stages:
            stage.mask_branch[-1].weight.zero_()
            stage.mask_branch[-1].bias.zero_()
        text = F.normalize(torch.randn(1, tiny_model.embed_dim), dim=-1)
        vocabulary = tiny_model.embed_vocabulary(text, [0], (True,))
        prediction = tiny_model(torch.randn(1, 3, 32, 64), vocabulary)
    assert not (prediction.mask_logits_BQhw > 0).any()
    assert prediction.class_log_probs_BQK.isfinite().all()
    assert prediction.class_log_probs_BQK.shape == (1, 50, 2)


def test_all_stages_end_with_what_inference_returns(tiny_model):
    torch.manual_seed(1)
    text = F.normalize(torch.randn(3, tiny_model.embed_dim), dim=-1)
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        vocabulary = tiny_model.embed_vocabulary(text, [0, 1, 1], (True, False))
        stages = all_stages(tiny_model, pixels, vocabulary)
        features = tiny_model.extract_features(pixels)
        output = tiny_model.decoder(
            features.aggregated_BDhw, features.tokens_BChw, vocabulary.guide_NE)
        logits = tiny_model.decoder.classify(output.embedding_BQE, vocabulary)
    assert len(stages) == 3
    torch.testing.assert_close(stages[-1].mask_logits_BQhw, output.mask_logits_BQhw)
    torch.testing.assert_close(stages[-1].class_logits_BQK, logits)


def test_missing_clip_weights_are_said_plainly(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError('no route to host')
    monkeypatch.setattr(open_clip, 'create_model', refuse)
    with torch.device('meta'), pytest.raises(RuntimeError, match='could not be fetched.*network'):
        EOVSeg.from_variant('s', clip_pretrained=True)
    with pytest.raises(ValueError, match="'t' has no public CLIP weights"):
        EOVSeg.from_variant('t', clip_pretrained=True)


def test_clip_weights_go_where_they_belong(monkeypatch):
    """open_clip's own models, untrained, stand in for the downloads."""
    sources = {}

    def build(name, pretrained):
        assert pretrained == 'openai'
        sources[name] = original(name)
        return sources[name]

    original = open_clip.create_model
    monkeypatch.setattr(open_clip, 'create_model', build)
    model = EOVSeg.from_variant('s', clip_pretrained=True)
    cnn, vit = sources['RN50-quickgelu'], sources['ViT-B-16-quickgelu']
    assert torch.equal(model.cnn.visual.layer4[2].conv3.weight, cnn.visual.layer4[2].conv3.weight)
    assert torch.equal(model.text_tower.token_embedding.weight, cnn.token_embedding.weight)
    assert torch.equal(model.vit.block.attn.in_proj_weight,
                       vit.visual.transformer.resblocks[0].attn.in_proj_weight)
    assert torch.equal(model.vit.positional_embedding, vit.visual.positional_embedding)
