"""Which number type training computes in where nobody says: bfloat16 where the machine has units for it.

Without such units a CPU emulates bfloat16: autocast was measured to be five times slower than float32 there. What the
machine has is asked, not timed, so that all processes of a run on equal machines decide alike.
"""

from __future__ import annotations


def fast_bf16(use_cpu: bool = False) -> tuple[bool, str]:
    """Say whether mixed precision in bfloat16 pays on this machine.

    Args:
        use_cpu: Training runs on the CPU, whatever else there is.

    Returns:
        The answer, and why, as a sentence for the user.
    """
    import torch

    how = "set bf16 to choose yourself"
    if torch.cuda.is_available() and not use_cpu:
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return True, f"bfloat16, which {name} computes in ({how})"
        return False, f"float32, since {name} has no units for bfloat16 ({how})"
    if has_bf16_units():
        return True, f"bfloat16, for which this CPU has instructions (AVX512-BF16 or AMX; {how})"
    return False, f"float32, since this machine would emulate bfloat16, which is slower ({how})"


def has_bf16_units() -> bool:
    """Return whether the CPU has instructions for products in bfloat16."""
    import torch

    # Private names of torch, which has no public ones; without them the safe answer is no
    found = [getattr(torch.cpu, f"_is_{name}_supported", lambda: False)() for name in ("avx512_bf16", "amx_tile")]
    return any(found)
