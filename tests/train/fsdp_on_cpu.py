"""FSDP2 over processes on a CPU (gloo), so that sharded training is tested without GPUs."""

from __future__ import annotations

import os
from functools import wraps
from typing import Any

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen2_5_VLDecoderLayer,Qwen2_5_VLVisionBlock",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}
"""What `accelerate launch` sets for recipes/accelerate/fsdp2.yaml."""


def allow_fsdp_on_a_cpu() -> None:
    """Let accelerate shard over processes on a CPU, which its list of devices leaves out: plain DDP would run.

    The processes are up and know their device when accelerate asks which kind they are of; here they call themselves
    one that it lists, until they are FSDP's. Whoever calls this checks that parameters are sharded. Runs without FSDP,
    before or after, stay as they are.
    """
    make = AcceleratorState.__init__

    @wraps(make)
    def make_with_listed_kind(self: AcceleratorState, *args: Any, **kwargs: Any) -> None:
        kinds = PartialState._shared_state
        sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
        if sharded and kinds.get("distributed_type") == DistributedType.MULTI_CPU:
            kinds["distributed_type"] = DistributedType.MULTI_XPU
        make(self, *args, **kwargs)

    AcceleratorState.__init__ = make_with_listed_kind
