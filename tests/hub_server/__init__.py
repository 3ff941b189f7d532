"""A small Hugging Face Hub for tests: the real HTTP API on loopback, so that the real clients run without internet.

`huggingface_hub` 2.4, `datasets` 5.2, `transformers` 5.23, `evaluate` 0.4 and TRL 1.16 talk to it unchanged:
repositories, commits, LFS uploads (basic and multipart), trees, files with ranges, branches, tags, private and gated
repositories, tokens, rate limits. Like the real Hub it serves large files from a second origin through
signed addresses. It also does on demand what the real one should not: cut connections, fail, throttle; and it counts
every byte.

By hand: `python -m tests.hub_server` prints the environment to export. In tests: the fixture `local_hub`
(`tests/hub_server/fixture.py`).
"""
