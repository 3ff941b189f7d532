"""A checkpoint says how many frames it wants, and a file that says nonsense is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.models.model_files import ModelLoadError
from ocr_hf.models.usage import FILE, Usage, read_usage, write_usage

usages = st.builds(
    Usage,
    st.none() | st.integers(1, 4096),
    st.none() | st.sampled_from(["official", "thinking"]),
    st.none() | st.integers(1, 10**7),
)


@given(usages)
def test_what_is_written_is_read(tmp_path_factory, usage) -> None:
    folder = tmp_path_factory.mktemp("model")
    assert read_usage(folder) == Usage()
    write_usage(folder, usage)
    assert read_usage(folder) == usage


def test_entries_of_a_newer_version_are_passed_over(tmp_path) -> None:
    (tmp_path / FILE).write_text('{"frames": 8, "tempo": "slow"}')
    assert read_usage(tmp_path) == Usage(frames=8)


def test_files_of_earlier_versions_are_read(tmp_path) -> None:
    (tmp_path / FILE).write_text('{"num_frames": 8}')
    assert read_usage(tmp_path) == Usage(frames=8)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"8"', '{"frames": 0}', '{"frames": "8"}', '{"frames": true}', '{"max_pixels": 1.5}',
     '{"frames": 9999999}', '{"prompt": 3}'],
)  # fmt: skip
def test_nonsense_is_one_sentence_with_the_way_out(tmp_path, text) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ModelLoadError, match=rf"{FILE} can't be read \(.*\); correct or remove it") as error:
        read_usage(tmp_path)
    assert "\n" not in str(error.value)
