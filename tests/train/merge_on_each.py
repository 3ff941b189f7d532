"""Every process merges an adapter into a folder of its own; started by test_from_adapter.py with torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

import torch.distributed

from ocr_hf.models.merge import merged_folder

if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    source, out = sys.argv[1:]
    merged_folder(source, None, Path(out) / str(torch.distributed.get_rank()), "float32")
    torch.distributed.destroy_process_group()
