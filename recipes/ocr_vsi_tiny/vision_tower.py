"""Qwen2.5-VL's vision tower on many frames of one size at once.

transformers runs attention frame by frame where there is no flash attention: sixty-four small calls per layer for eight
clips. Frames of one size are a batch. Same weights, same result (a test compares them); only for towers whose layers
all attend over whole frames.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def vision_tokens(visual: torch.nn.Module, pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the video tokens (N / 4, H) of frames whose patches (N, D) are given frame after frame.

    height, width : patches of a frame
    Raises ValueError for a tower with windowed attention.
    """
    if set(visual.config.fullatt_block_indexes) != set(range(visual.config.depth)):
        raise ValueError("this vision tower has layers with windowed attention; use its own forward")
    embed = visual.patch_embed.proj.weight
    # The convolution's stride is its kernel, so on patches it is one matrix product
    hidden = functional.linear(pixels, embed.flatten(1)).view(-1, height * width, embed.shape[0])
    cos, sin = visual.rotary_pos_emb(hidden, _positions(height, width, visual.spatial_merge_size))
    for block in visual.blocks:
        hidden = hidden + _attend(block.attn, block.norm1(hidden), cos, sin)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return visual.merger(hidden.flatten(0, 1))


def _positions(height: int, width: int, merge: int) -> torch.Tensor:
    """Return (height * width, 2) row and column of each patch, in the processor's order."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    blocks = (height // merge, merge, width // merge, merge)
    return torch.stack([grid.reshape(blocks).transpose(1, 2).flatten() for grid in (rows, columns)], dim=-1)


def _attend(attention: torch.nn.Module, hidden: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Return attention among the patches of each frame; hidden (frames, patches, H)."""
    frames, patches, _ = hidden.shape
    query, key, value = attention.qkv(hidden).view(frames, patches, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = (_turned(each, cos, sin) for each in (query, key))
    weights = (query @ key.transpose(-1, -2) * attention.scaling).softmax(dim=-1).to(value.dtype)
    return attention.proj((weights @ value).transpose(1, 2).reshape(frames, patches, -1))


def _turned(values: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = values.chunk(2, dim=-1)
    return values * cos.to(values.dtype) + torch.cat([-second, first], dim=-1) * sin.to(values.dtype)
