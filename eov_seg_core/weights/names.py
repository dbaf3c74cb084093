# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of our parameters and of the same ones in a published checkpoint.

Below each CLIP tower the names are open_clip's in both; the rest is the table here.
"""

from __future__ import annotations

import re

_STAGE = r'decoder\.stages\.(\d+)\.'
_OFFICIAL_STAGE = r'light_weight_decoder.mask_heads.\1.'
_UP = r'aggregator\.top_down\.(\d)\.'

_PATTERNS: tuple[tuple[str, str], ...] = (
    (r'text_tower\.', r'cnn_backbone.clip_model.'),
    (r'cnn\.visual\.', r'cnn_backbone.clip_model.visual.'),
    (r'clip_logit_scale$', r'cnn_backbone.clip_model.logit_scale'),
    (r'vit\.block\.', r'vit_backbone.clip_model.visual.transformer.resblocks.0.'),
    (r'vit\.', r'vit_backbone.clip_model.visual.'),
    (r'void_embedding\.', r'void_embedding.'),
    (r'aggregator\.lateral\.(\d)\.', r'lite_aggr.deconv.lateral_conv\1.'),
    (_UP + r'offset_mask\.', r'lite_aggr.deconv.deform_conv<\1>.dcn_offset.'),
    (_UP + r'deform\.', r'lite_aggr.deconv.deform_conv<\1>.dcn.'),
    (_UP + r'deform_norm\.', r'lite_aggr.deconv.deform_conv<\1>.dcn_bn.'),
    (_UP + r'upsample\.', r'lite_aggr.deconv.deform_conv<\1>.up_sample.'),
    (_UP + r'upsample_norm\.', r'lite_aggr.deconv.deform_conv<\1>.up_bn.'),
    (r'aggregator\.project\.0\.', r'lite_aggr.deconv.conv_a5.'),
    (r'aggregator\.project\.1\.', r'lite_aggr.deconv.conv_a4.'),
    (r'aggregator\.project\.2\.', r'lite_aggr.deconv.conv_a3.'),
    (r'aggregator\.project\.3\.', r'lite_aggr.deconv.conv_a2.'),
    (r'aggregator\.bias$', r'lite_aggr.deconv.bias'),
    (r'aggregator\.output\.', r'lite_aggr.deconv.output_conv.'),
    (r'aggregator\.coordinate_projection\.', r'lite_aggr.loc_conv.'),
    (r'decoder\.queries\.', r'light_weight_decoder.object_kernels.'),
    (r'decoder\.spatial_upscaler\.upscale1\.', r'light_weight_decoder.output_upscaling.0.'),
    (r'decoder\.spatial_upscaler\.norm\.', r'light_weight_decoder.output_upscaling.1.'),
    (r'decoder\.spatial_upscaler\.upscale2\.', r'light_weight_decoder.output_upscaling.3.'),
    (r'decoder\.vas\.(depthwise|pointwise)\.', r'light_weight_decoder.vas.embed_conv.\1.'),
    (r'decoder\.vas\.(depthwise|pointwise)_norm\.',
     r'light_weight_decoder.vas.embed_conv.\1.norm.'),
    (r'decoder\.vas\.guide\.', r'light_weight_decoder.vas.guide_fc.'),
    (r'decoder\.vas\.(scale|offset)$', r'light_weight_decoder.vas.\1'),
    (_STAGE + r'feature_filter\.taps\.', _OFFICIAL_STAGE + r'f_atten.weight_linear.'),
    (_STAGE + r'feature_filter\.norm\.', _OFFICIAL_STAGE + r'f_atten.norm.'),
    (_STAGE + r'feature_filter_norm\.', _OFFICIAL_STAGE + r'f_atten_norm.'),
    (_STAGE + r'query_filter\.taps\.', _OFFICIAL_STAGE + r'k_atten.weight_linear.'),
    (_STAGE + r'query_filter\.norm\.', _OFFICIAL_STAGE + r'k_atten.norm.'),
    (_STAGE + r'query_filter_norm\.', _OFFICIAL_STAGE + r'k_atten_norm.'),
    (_STAGE + r'self_attention\.', _OFFICIAL_STAGE + r's_atten.'),
    (_STAGE + r'self_attention_norm\.', _OFFICIAL_STAGE + r's_atten_norm.'),
    (_STAGE + r'ffn\.0\.', _OFFICIAL_STAGE + r'ffn.layers.0.0.'),
    (_STAGE + r'ffn\.2\.', _OFFICIAL_STAGE + r'ffn.layers.1.'),
    (_STAGE + r'ffn_norm\.', _OFFICIAL_STAGE + r'ffn_norm.'),
    (_STAGE + r'mask_branch\.0\.', _OFFICIAL_STAGE + r'mask_fcs.0.'),
    (_STAGE + r'mask_branch\.1\.', _OFFICIAL_STAGE + r'mask_fcs.1.'),
    (_STAGE + r'mask_branch\.3\.', _OFFICIAL_STAGE + r'fc_mask.'),
    (_STAGE + r'semantic_projection\.', _OFFICIAL_STAGE + r'_mask_pooling_proj.'),
    (_STAGE + r'spatial_projection\.', _OFFICIAL_STAGE + r'_spatial_mask_pooling_proj.'),
    (_STAGE + r'tdee\.update_experts\.', _OFFICIAL_STAGE + r'tdee.dynamic_layer.'),
    (_STAGE + r'tdee\.input_experts\.', _OFFICIAL_STAGE + r'tdee.input_layer.'),
    (_STAGE + r'tdee\.(update|input)_router\.', _OFFICIAL_STAGE + r'tdee.\2_router.'),
    (_STAGE + r'tdee\.update_router_norm\.', _OFFICIAL_STAGE + r'tdee.norm_in.'),
    (_STAGE + r'tdee\.input_router_norm\.', _OFFICIAL_STAGE + r'tdee.input_norm_in.'),
    (_STAGE + r'tdee\.update_norm\.', _OFFICIAL_STAGE + r'tdee.norm_out.'),
    (_STAGE + r'tdee\.input_norm\.', _OFFICIAL_STAGE + r'tdee.input_norm_out.'),
    (_STAGE + r'tdee\.output\.', _OFFICIAL_STAGE + r'tdee.fc_layer.'),
    (_STAGE + r'tdee\.output_norm\.', _OFFICIAL_STAGE + r'tdee.fc_norm.'),
    (_STAGE + r'class_embedding\.0\.', _OFFICIAL_STAGE + r'class_embed.layers.0.'),
    (_STAGE + r'class_embedding\.2\.', _OFFICIAL_STAGE + r'class_embed.layers.1.'),
    (_STAGE + r'class_embedding\.4\.', _OFFICIAL_STAGE + r'class_embed.layers.2.'),
    (_STAGE + r'logit_scale$', _OFFICIAL_STAGE + r'logit_scale'),
)
_COMPILED = tuple((re.compile(pattern), target) for pattern, target in _PATTERNS)

_UNUSED = re.compile(
    r'vit_backbone\.clip_model\.(?:positional_embedding|text_projection|logit_scale'
    r'|token_embedding\.|ln_final\.|transformer\.|visual\.proj$|visual\.ln_post\.'
    r'|visual\.transformer\.resblocks\.(?!0\.))'
    r'|light_weight_decoder\.criterion\.empty_weight$')


def official_name(name: str) -> str:
    """Translate one of our parameter names.

    Raises:
        KeyError: No rule fits; a rule is missing above.
    """
    for pattern, target in _COMPILED:
        match = pattern.match(name)
        if match:
            translated = match.expand(target) + name[match.end():]
            # published levels count from 1, a list counts from 0
            return re.sub(r'<(\d)>', lambda level: str(int(level.group(1)) + 1), translated)
    raise KeyError(name)


def is_unused(name: str) -> bool:
    """Tell whether a published entry reaches no output: the second CLIP's text tower and so on."""
    return _UNUSED.match(name) is not None


def is_official(name: str) -> bool:
    """Tell whether a name is a published one; of the few that both have it is not told."""
    return name.startswith(('cnn_backbone.', 'vit_backbone.', 'lite_aggr.',
                            'light_weight_decoder.'))


def plain_name(name: str) -> str:
    """Drop what `DataParallel` and `torch.compile` add to a name."""
    return name.replace('_orig_mod.', '').removeprefix('module.')
