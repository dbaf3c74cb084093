# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which weights are published, and where."""

from __future__ import annotations

from dataclasses import dataclass
import os
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class Published:
    """The published weights of a variant.

    Attributes:
        variant: `s`, `m` or `l`.
        file_name: As the authors call it, and as a mirror has it.
        drive_id: Of the file on Google Drive.
        licence: Under which it is published.
    """

    variant: str
    file_name: str
    drive_id: str
    licence: str = 'Apache-2.0, https://github.com/nhw649/EOV-Seg'

    @property
    def page(self) -> str:
        """The page for a browser."""
        return f'https://drive.google.com/file/d/{self.drive_id}/view'


PUBLISHED = {entry.variant: entry for entry in (
    Published('s', 'eov_seg_r50.pth', '1UgLrRxpi4l30F8zTqhEv7cEW23TCGv3h'),
    Published('m', 'eov_seg_r50x4.pth', '1--SYgaWs8_Ry2ouXBJO8FfSWH7D-Pejk'),
    Published('l', 'eov_seg_convnext_l.pth', '1dVfHpzmCOlV6hLfUpd3nHXz62wdB7RY2'))}


@dataclass(frozen=True)
class Hosts:
    """Where to ask, in this order.

    Attributes:
        mirror: URL of a folder with the published file names, or of one file; `file://` too.
        hub_repository: `owner/name` of a repository with these files on a Hugging Face hub.
        hub: Of that hub.
        drive: Of Google Drive's files; '' does not ask it.
        use_gdown: Whether the library gdown, if it is installed, is tried at the end.
    """

    mirror: str = ''
    hub_repository: str = ''
    hub: str = 'https://huggingface.co'
    drive: str = 'https://drive.usercontent.google.com'
    use_gdown: bool = True

    @classmethod
    def from_environment(cls) -> Hosts:
        """Read EOV_SEG_WEIGHTS_URL, EOV_SEG_HF_REPOSITORY and HF_ENDPOINT."""
        return cls(mirror=os.environ.get('EOV_SEG_WEIGHTS_URL', ''),
                   hub_repository=os.environ.get('EOV_SEG_HF_REPOSITORY', ''),
                   hub=os.environ.get('HF_ENDPOINT', '') or cls.hub)

    def urls(self, published: Published) -> dict[str, str]:
        """Return name of the source -> URL, best first."""
        urls = {}
        if self.mirror:
            is_file = urlsplit(self.mirror).path.endswith(('.pth', '.safetensors'))
            urls['mirror'] = self.mirror if is_file else (
                f'{self.mirror.rstrip("/")}/{quote(published.file_name)}')
        if self.hub_repository:
            urls['Hugging Face'] = (f'{self.hub.rstrip("/")}/{quote(self.hub_repository)}'
                                    f'/resolve/main/{quote(published.file_name)}')
        if self.drive:
            urls['Google Drive'] = (f'{self.drive.rstrip("/")}/download?id={published.drive_id}'
                                    '&export=download&confirm=t')
        return urls
