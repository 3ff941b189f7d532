"""What to perturb, how much and how: the OCR (Object-Centric 3D Rollout) map."""
