"""What a 3B run takes in time and memory, by arithmetic: the tables of docs/3b.md. Nothing here is measured.

    python benchmarks/cost_3b.py [--quick] [--longest 512]

Qwen2.5-VL-3B has 2.775 B weights in the language model's linear layers, 0.311 B in its head and a tower that takes
5.21 GFLOP a video token; a forward pass takes two operations a weight and token. A group is counted as the trainer runs
it: the tower and the prompt once for each distinct video, prompt and completions once for each micro-batch, all
completions at their longest. Memory is counted as in the recipes' headers. What is assumed beside that stands in
`ASSUMED`, and decides more than the arithmetic: expect to be off by a factor of two. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

LINEAR, HEAD, TOWER_FLOP = 2.775e9, 0.311e9, 5.21e9
WEIGHT_BYTES = 3.75e9 * 2
"""Of all weights in bfloat16."""
VIDEO, TEXT = 8 * 140, 200
"""Tokens of a clip of 16 frames of 392 x 280, and of a question with its instructions."""
ANSWER = 300
"""Tokens of a chain of thought that SFT learns from."""
GROUP, VIDEOS = 8, 2
"""Rollouts of a question, and the distinct videos they see."""
OFFICIAL = 16 * 391
"""Tokens of 32 frames of 640 x 480."""
QUESTIONS = 5130
"""Of VSI-Bench."""
ASSUMED = {
    "share of peak": 0.4,  # of the matrix products' peak in bfloat16
    "transformers token, s": 0.035,  # one token of all rollouts; starting kernels takes longer than what they compute
    "share of bandwidth": 0.6,  # vLLM reads all weights once a token
    "NVLink, B/s": 300e9,  # sharded weights are gathered for every token
    "between nodes, B/s": 50e9,
}


@dataclass(frozen=True)
class Machine:
    """title; bfloat16 operations a second of one card without sparsity; bytes a second of its memory; cards."""

    title: str
    flops: float
    bandwidth: float
    cards: int = 1

    def seconds(self, flop: float) -> float:
        """Return the time of so many operations, spread over the cards."""
        return flop / (self.flops * ASSUMED["share of peak"] * self.cards)


RTX, H100 = (165e12, 1.0e12), (989e12, 3.35e12)
SMALL, LARGE = Machine("one of 24 GB (RTX 4090)", *RTX), Machine("one of 80 GB (H100)", *H100)
EIGHT, SIXTEEN = Machine("8 x H100", *H100, cards=8), Machine("2 x 8 H100", *H100, cards=16)


def scored(rollouts: int, longest: int) -> float:
    """Return the operations of one pass over a micro-batch: its prompt once, completions, and the head of these."""
    return 2 * LINEAR * (VIDEO + TEXT + rollouts * longest) + 2 * HEAD * rollouts * longest


def group(micro_batch: int, longest: int, full: bool) -> float:
    """Return the operations of one group's step but for its sampled tokens, whose time isn't that of computing.

    micro_batch : rollouts that are trained on at once; a group is cut into such parts
    full : all weights are trained; with LoRA the backward pass needs no gradients of weights
    """
    parts = max(1, GROUP // micro_batch)
    # Forward, again forward for what checkpointing threw away, backward
    train = (4 if full else 3) * parts * scored(GROUP // parts, longest)
    return VIDEOS * (TOWER_FLOP * VIDEO + 2 * LINEAR * (VIDEO + TEXT)) + train


def token_seconds(machine: Machine, vllm: bool) -> float:
    """Return the time of one token of all rollouts."""
    if vllm:
        return WEIGHT_BYTES / (machine.bandwidth * ASSUMED["share of bandwidth"])
    gathered = {1: 0.0, 8: WEIGHT_BYTES / ASSUMED["NVLink, B/s"], 16: WEIGHT_BYTES / ASSUMED["between nodes, B/s"]}
    return ASSUMED["transformers token, s"] + gathered[machine.cards]


STEPS = {
    "24 GB, LoRA": (SMALL, 32, 4, False, False),
    "80 GB, LoRA, vLLM": (LARGE, 64, 16, False, True),
    "80 GB, LoRA, transformers": (LARGE, 64, 16, False, False),
    "80 GB, all weights": (LARGE, 64, 8, True, False),
    "8 GPUs, all weights": (EIGHT, 128, 8, True, False),
    "two nodes, all weights": (SIXTEEN, 128, 8, True, False),
}
"""Row -> (machine, rollouts a step, rollouts a micro-batch, all weights trained, vLLM samples), as in the recipes."""


def step(name: str, longest: int) -> tuple[float, float]:
    """Return the seconds of one step: sampling tokens, and everything else."""
    machine, rollouts, micro_batch, full, vllm = STEPS[name]
    return longest * token_seconds(machine, vllm), machine.seconds(
        rollouts / GROUP * group(min(micro_batch, GROUP), longest, full)
    )


def supervised(machine: Machine, rows: int) -> float:
    """Return the seconds of SFT with LoRA on so many rows, none of them sharing a clip with another."""
    row = TOWER_FLOP * VIDEO + 3 * (2 * LINEAR * (VIDEO + TEXT + ANSWER) + 2 * HEAD * ANSWER)
    return machine.seconds(rows * row)


def official(machine: Machine) -> float:
    """Return the seconds of all questions of VSI-Bench at official settings, 16 tokens each, one at a time."""
    prompt = OFFICIAL * (TOWER_FLOP + 2 * LINEAR)
    return machine.seconds(QUESTIONS * prompt) + QUESTIONS * 16 * ASSUMED["transformers token, s"] / machine.cards


def table(longest: int = 512) -> list[str]:
    """Return the table of the page, line by line."""
    lines = ["| by arithmetic | a step: tokens sampled | and the rest | 1,000 steps |", "|---|---:|---:|---:|"]
    for name in STEPS:
        sampled, rest = step(name, longest)
        lines.append(f"| OCR-GRPO, {name} | {sampled:.0f} s | {rest:.1f} s | {hours(1000 * (sampled + rest))} |")
    for machine in (SMALL, LARGE):
        lines.append(f"| SFT of 20,000 rows, {machine.title} | | | {hours(supervised(machine, 20000))} in all |")
    for machine in (SMALL, LARGE, EIGHT):
        lines.append(f"| VSI-Bench, official settings, {machine.title} | | | {hours(official(machine))} in all |")
    return lines


FIXED_GB = {
    "24 GB, LoRA": 7.5 + 1.9 + 0.5,
    "80 GB, LoRA, vLLM": 7.5 + 1.9 + 0.3 * 80,
    "80 GB, LoRA, transformers": 7.5 + 1.9 + 4.3,
    "80 GB, all weights": 15.0 + 12.4 + 24.7 + 6.2,
    "8 GPUs, all weights": 52.1 / 8 + 0.3 + 1.2,
    "two nodes, all weights": 52.1 / 16 + 0.3 + 1.2,
}
"""Row -> what doesn't grow with completions: weights, gradients, Adam, vLLM's part or the cache of keys and
values. The recipes' headers say which is which."""
TOKEN_BYTES = 36 * 2048 * 2 + 83e3
"""Of a token: a checkpoint in each layer, and one layer recomputed."""
LOGIT_BYTES = 151_936 * 10
"""Of a completion's token."""


def memory(name: str, longest: int) -> float:
    """Return the memory of one card in GB, with no sharing of prompts, as the recipes' headers count it."""
    micro_batch = STEPS[name][2]
    return FIXED_GB[name] + micro_batch * ((1300 + longest) * TOKEN_BYTES + longest * LOGIT_BYTES) / 1e9


def memory_table() -> list[str]:
    """Return the page's table of memory, line by line."""
    lengths = (512, 1024, 2048)
    lines = [
        f"| GB a card, by arithmetic; completions of | {' | '.join(f'{longest:,}' for longest in lengths)} |",
        "|---|---:|---:|---:|",
    ]
    for name in STEPS:
        lines.append(f"| {name} | {' | '.join(f'{memory(name, longest):.0f}' for longest in lengths)} |")
    return lines


def hours(seconds: float) -> str:
    """Return a time as hours, to a tenth."""
    return f"{seconds / 3600:.1f} h"


def main() -> None:
    """Print the table, and as JSON what it is made of."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="changes nothing: there is nothing to wait for")
    parser.add_argument("--longest", type=int, default=512, help="tokens of a completion")
    given = parser.parse_args()
    print("\n".join([*table(given.longest), "", *memory_table()]))
    steps = {name: [round(part, 2) for part in step(name, given.longest)] for name in STEPS}
    print(json.dumps({"measured": False, "longest": given.longest, "assumed": ASSUMED, "step_s": steps}))


if __name__ == "__main__":
    main()
