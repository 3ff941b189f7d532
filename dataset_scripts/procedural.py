# /// script
# requires-python = ">=3.11"
# dependencies = ["ocr-hf"]
# ///
"""Produce ocr-vsi from procedural rooms (OCR = Object-Centric 3D Rollout). Licence of the result: Apache-2.0.

    python dataset_scripts/procedural.py --out ocr-vsi --scenes 200 --validation 0.05 --test 0.1 --num-proc 8

Takes the options of `ocr-hf build`; what is set here are only the defaults of this source.
"""

import sys

from ocr_hf.cli import main

if __name__ == "__main__":
    main(["build", "--source", "procedural", *sys.argv[1:]])
