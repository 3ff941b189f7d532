"""Procedural and furnished homes: plans, rooms, furniture, materials."""
