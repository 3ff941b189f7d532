"""Rooms filmed with a phone: cameras from the pictures, what is up and how long a metre is, boxes from marks."""
