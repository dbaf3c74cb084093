# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The values of a camera's status in /diagnostics, in sentences."""

from __future__ import annotations

import ast
from collections.abc import Mapping
import contextlib

_STAMPS = {'zero_stamps': 'had no time stamp', 'no_clock_stamps': 'came while there was no time',
           'future_stamps': 'were stamped in the future', 'old_stamps': 'were older than an hour'}
_FAULTS = {'failed_frames': 'failed', 'lost_images': 'were lost on the way', **_STAMPS}
_DEPTH = {'depth_unmatched': 'had none', 'depth_refused': 'had one that cannot be used',
          'depth_superseded': 'were left out for newer ones'}


def in_sentences(values: Mapping[str, str], tracking: str) -> list[tuple[str, str]]:
    """Return headings with what is to be said; values that did not come are left out.

    Args:
        values: Of the status, by their keys.
        tracking: What makes ids last, in words; '': nothing is known.
    """
    said = {'Network': _network(values), 'Not used': _not_used(values),
            'Pictures': _pictures(values), 'Delay': _delay(values), 'Depth': _depth(values),
            'Ids': tracking, 'Memory': _memory(values),
            'Faults': _counted(values, _FAULTS) or ('none' if 'failed_frames' in values else ''),
            'Last error': values.get('last_error', '')}
    return [(heading, text) for heading, text in said.items() if text]


def _network(values: Mapping[str, str]) -> str:
    if 'variant' not in values:
        return ''
    text = f'variant {values["variant"]}, computed by {values.get("runtime", "?")} on ' + (
        f'{values.get("device", "?")} in {values.get("precision", "?")}')
    if values.get('preparing_engine') == 'True':
        text += ' until its engine is ready'
    return text + (f'; looks for {values["classes"]} words' if 'classes' in values else '')


def _not_used(values: Mapping[str, str]) -> str:
    """Return what was asked for and is replaced by something slower, and why."""
    text = values.get('fallbacks', 'none')
    with contextlib.suppress(ValueError, SyntaxError):      # the node writes a dictionary
        reasons: dict[str, str] = dict(ast.literal_eval(text))
        return '; '.join(f'{name}: {reason}' for name, reason in reasons.items())
    return '' if text == 'none' else text


def _pictures(values: Mapping[str, str]) -> str:
    if 'input_rate_hz' not in values:
        return ''
    text = (f'{values["input_rate_hz"]} come in a second, {values.get("output_rate_hz", "?")} '
            'are segmented')
    skipped = values.get('skipped_frames', '0')
    return text + (f'; {skipped} were skipped for newer ones' if skipped != '0' else '')


def _delay(values: Mapping[str, str]) -> str:
    if 'latency_p50_ms' not in values:
        return ''
    text = (f'{values["latency_p50_ms"]} ms from the stamp to the result; '
            f'{values.get("latency_p95_ms", "?")} ms for the slowest in twenty')
    parts = [f'{name} {values[key]}' for key, name in (
        ('waiting_p50_ms', 'waiting'), ('decoding_p50_ms', 'decoding'),
        ('inference_p50_ms', 'network'), ('publishing_p50_ms', 'publishing')) if key in values]
    return text + (f' ({", ".join(parts)})' if parts else '')


def _depth(values: Mapping[str, str]) -> str:
    if 'depth_matched' not in values:
        return ('the node runs without; with depth:=true and transforms it knows where objects are'
                if 'variant' in values else '')
    said = [f'{values["depth_matched"]} pictures had it', _counted(values, _DEPTH)]
    if values.get('no_pose', '0') != '0':
        said.append(f'for {values["no_pose"]} the place of the camera was not known')
    return ', '.join(part for part in said if part)


def _memory(values: Mapping[str, str]) -> str:
    said = [f'{values[key]} MB{of}' for key, of in (
        ('host_memory_mb', ''), ('gpu_memory_mb', ' of the GPU')) if values.get(key, '0') != '0']
    return ', '.join(said)


def _counted(values: Mapping[str, str], meanings: Mapping[str, str]) -> str:
    return ', '.join(f'{values[key]} {meaning}' for key, meaning in meanings.items()
                     if values.get(key, '0') != '0')
