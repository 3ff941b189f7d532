"""In a checkout, the module of ocr_hf; `ocr-hf push` sends that module itself in place of this file."""

from ocr_hf.vsi_bench.rules import *  # noqa: F403
