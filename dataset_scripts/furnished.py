# /// script
# requires-python = ">=3.11"
# dependencies = ["ocr-hf"]
# ///
"""Produce ocr-vsi from procedural rooms with real furniture models (OCR = Object-Centric 3D Rollout).

    apt install sweethome3d-furniture
    python dataset_scripts/furnished.py --models /usr/share/sweethome3d/furniture --out ocr-vsi --scenes 200

The models are CC0 or CC-BY; the card names the author of each one used.
"""

import sys

from ocr_hf.cli import main

if __name__ == "__main__":
    main(["build", "--source", "furnished", *sys.argv[1:]])
