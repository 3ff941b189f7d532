"""Whose frames may be published. Recipes that read the user's own copy of a scan always may."""

from __future__ import annotations

import re

RESTRICTED = {
    "scannet": "the ScanNet Terms of Use allow no redistribution",
    "scannetpp": "the ScanNet++ Terms of Use allow no redistribution",
    "arkitscenes": "ARKitScenes is CC BY-NC-SA 4.0, and VSI-Bench's test scenes are among its scans",
    "matterport3d": "the Matterport3D Terms of Use allow no redistribution",
    "hm3d": "the HM3D licence allows no redistribution",
}
"""Source of a scan -> why its frames stay on the machine of who agreed to its terms."""


def restriction(source: str) -> str | None:
    """Why frames of a source can't be published, None if they can.

    source : value of the column `dataset`, in any spelling ("ScanNet++", "scannet_v2", ...)
    """
    name = re.sub(r"[^a-z0-9]", "", source.lower().replace("+", "p"))
    return next((RESTRICTED[known] for known in sorted(RESTRICTED, reverse=True) if name.startswith(known)), None)
