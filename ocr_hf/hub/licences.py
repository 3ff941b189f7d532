"""Which sources' frames may be published. Recipes, which read the user's own copy of a scan, always may.

Whether annotation may be passed on differs from source to source; recipes hold none, of any (data/scan_recipes.py).
"""

from __future__ import annotations

import re

from ocr_hf.questions.exclude import why_excluded

RESTRICTED = {
    "scannet": "the ScanNet Terms of Use allow no redistribution",
    "scannetpp": "the ScanNet++ Terms of Use allow no redistribution",
    "arkitscenes": "ARKitScenes is CC BY-NC-SA 4.0, and VSI-Bench's test scenes are among its scans",
    "matterport3d": "the Matterport3D Terms of Use allow no redistribution",
    "3rscan": "the 3RScan Terms of Use are for non-commercial research, and don't say that frames may be passed on",
    "multiscan": "MultiScan's scans come under terms of their own, which don't say that frames may be passed on",
    "structured3d": "Structured3D comes under terms of its own, which don't say that frames may be passed on",
    "hm3d": "the HM3D licence allows no redistribution",
}
"""Source of a scan -> why its frames must not leave the machine of whoever agreed to its terms."""


def restriction(source: str, scene: str = "") -> str | None:
    """Why frames of a scene can't be published, None if they can.

    source : value of the column `dataset`, in any spelling ("ScanNet++", "scannet_v2", ...)
    scene : the scene's name; a scan keeps its own when its mesh is built as a mesh file
    """
    name = re.sub(r"[^a-z0-9]", "", source.lower().replace("+", "p"))
    # Longest first among equals (scannetpp before scannet), or ScanNet++ would be given ScanNet's reason.
    if known := next((key for key in sorted(RESTRICTED, reverse=True) if name.startswith(key)), None):
        return RESTRICTED[known]
    # A ScanNet mesh that was built as a plain mesh file has only its name to tell
    if re.match(r"scene\d{4}_\d{2}", scene):
        return f"{scene} is named like a scan of ScanNet; {RESTRICTED['scannet']}"
    return why_excluded(scene) if scene else None
