# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped configuration files that no other test loads; nothing here needs ROS."""

from __future__ import annotations

from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / 'config'
SPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'


@pytest.mark.parametrize('name', ['loopback', 'network'])
def test_every_transport_of_a_dds_profile_is_used_and_holds_images(name):
    root = ElementTree.parse(CONFIG / f'fastdds_{name}.xml').getroot()
    described = [entry.text for entry in root.iterfind(
        f'.//{SPACE}transport_descriptor/{SPACE}transport_id')]
    used = [entry.text for entry in root.iterfind(
        f'.//{SPACE}userTransports/{SPACE}transport_id')]
    assert described == used
    assert int(root.find(f'.//{SPACE}segment_size').text) >= 1920 * 1080 * 3 * 2
    assert root.find(f'.//{SPACE}useBuiltinTransports').text == 'false'


def test_loopback_profile_has_no_other_address():
    root = ElementTree.parse(CONFIG / 'fastdds_loopback.xml').getroot()
    udp = [entry for entry in root.iterfind(f'.//{SPACE}transport_descriptor')
           if entry.find(f'{SPACE}type').text != 'SHM']
    addresses = [entry.text for transport in udp
                 for entry in transport.iterfind(f'{SPACE}interfaceWhiteList/{SPACE}address')]
    assert len(udp) == 1
    assert addresses == ['127.0.0.1']


def test_rviz_shows_the_overlay_as_the_node_publishes_it():
    content = yaml.safe_load((CONFIG / 'segment.rviz').read_text(encoding='utf-8'))
    display, = content['Visualization Manager']['Displays']
    assert display['Class'] == 'rviz_default_plugins/Image'
    assert display['Topic']['Value'] == '/eov_seg/overlay'
    assert display['Topic']['Reliability Policy'] == 'Reliable'


def test_rviz_shows_space_as_the_node_publishes_it():
    content = yaml.safe_load((CONFIG / 'segment_3d.rviz').read_text(encoding='utf-8'))
    manager = content['Visualization Manager']
    assert manager['Global Options']['Fixed Frame'] == 'odom'
    topics = {display['Class'].rpartition('/')[2]: display['Topic']
              for display in manager['Displays'] if 'Topic' in display}
    assert {kind: topic['Value'] for kind, topic in topics.items()} == {
        'PointCloud2': '/eov_seg/points', 'MarkerArray': '/eov_seg/markers',
        'PoseArray': '/eov_seg/viewpoints', 'Image': '/eov_seg/overlay'}
    assert {topic['Reliability Policy'] for topic in topics.values()} == {'Reliable'}
    assert topics['PoseArray']['Durability Policy'] == 'Transient Local'
