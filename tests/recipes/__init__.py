"""Tests of the recipes, and of the checkpoint that one of them made."""
