"""GRPO with Object-Centric 3D Rollout, and the SFT stage before it."""
