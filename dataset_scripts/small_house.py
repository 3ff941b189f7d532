# /// script
# requires-python = ">=3.11"
# dependencies = ["ocr-hf"]
# ///
"""Produce ocr-vsi from the AWS RoboMaker small house, exported as one GLB with a list of its instances.

    python dataset_scripts/small_house.py --path house.glb --instances instances.json --out ocr-vsi-small-house

OCR = Object-Centric 3D Rollout. Licence of the scene: MIT-0. One scene, so one split.
"""

import sys

from ocr_hf.cli import main

DEFAULTS = [
    "build",
    *("--source", "mesh"),
    *("--clips-per-scene", "8"),
    *("--licence", "mit-0"),
    *("--attribution", "aws-robotics/aws-robomaker-small-house-world"),
]

if __name__ == "__main__":
    main([*DEFAULTS, *sys.argv[1:]])
