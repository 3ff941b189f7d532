"""VSI-Bench: scoring, prompts, the evaluation harness and its audits."""
