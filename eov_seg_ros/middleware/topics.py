# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why nothing comes on a topic, as far as can be seen from the side of the subscriber."""

from __future__ import annotations

from rclpy.node import Node

_MOST_NAMED = 5


def why_unpublished(node: Node, topic: str, expected: str, part: str = '') -> str:
    """Return that nobody publishes a topic, or only with another type; empty: somebody does.

    Args:
        node: Asks; its own topics are no alternatives.
        topic: Full name.
        expected: Type, as `sensor_msgs/msg/Image`.
        part: What the name of an alternative holds.
    """
    types = {publisher.topic_type for publisher in node.get_publishers_info_by_topic(topic)}
    if expected in types:
        return ''
    others = _published(node, expected, part)
    text = (f'{topic} has the type {", ".join(sorted(types))}, expected {expected}' if types
            else f'nobody publishes {topic}')
    return f'{text}; of this type there is {", ".join(others)}' if others else text


def _published(node: Node, expected: str, part: str) -> list[str]:
    own = f'{node.get_fully_qualified_name()}/'
    names = [name for name, types in node.get_topic_names_and_types()
             if expected in types and part in name and not name.startswith(own)
             and node.count_publishers(name)]
    return [*sorted(names)[:_MOST_NAMED], *['...'] * (len(names) > _MOST_NAMED)]
