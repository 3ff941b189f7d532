"""VSI-Bench questions derived from 3D annotation."""
