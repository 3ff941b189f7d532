"""Camera paths: planned walks, and trajectories that users bring."""
