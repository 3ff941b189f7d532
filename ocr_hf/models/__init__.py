"""Models and the media that go into them."""
