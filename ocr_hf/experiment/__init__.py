"""Experiments that test the claim of Object-Centric 3D Rollout with the package's own trainer."""
