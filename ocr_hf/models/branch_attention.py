"""Attention of which branches run in blocks: torch's flex attention for them, its fused attention for all else.

`attn_implementation: flex_for_branches`. A pass that is shared (`branches.py`) hands over a BlockMask, in which blocks
that nobody sees are left out: with G branches behind a prompt, most of a dense mask is such. What comes with a dense
mask or none, as generation and the vision tower, runs as under `sdpa`. For GPUs: on a CPU flex attention has no
gradient.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "flex_for_branches"


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attend as transformers' implementations do: flex attention for a BlockMask, else the fused one.

    Args:
        module: the layer.
        query: (B, H, T, D).
        key: (B, K, T, D), K key heads.
        value: as `key`.
        attention_mask: a BlockMask, (B, 1, T, T), or None.
        **kwargs: as transformers passes them.

    Returns:
        (B, T, H, D), and None or what flex attention tells beside.
    """
    from torch.nn.attention.flex_attention import BlockMask
    from transformers.integrations.flex_attention import flex_attention_forward
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    run = flex_attention_forward if isinstance(attention_mask, BlockMask) else sdpa_attention_forward
    return run(module, query, key, value, attention_mask, **kwargs)


def register() -> None:
    """Make `NAME` known to transformers; models are loaded with it afterwards."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
