"""What must not be published is refused with all its reasons, each naming file and way out."""

import gzip
import json
import pickle
import re
import shutil
import struct
import zipfile
from contextlib import suppress

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from ocr_hf.data.dataset_card import render_card
from ocr_hf.hub import secrets
from ocr_hf.hub.check_model import is_pickle, safetensors_header
from ocr_hf.hub.hub_errors import RefusedError
from ocr_hf.hub.licences import restriction
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.repo_files import path_problem
from tests.hub.folders import make_dataset, make_metric, make_model


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """One sound folder of each kind; tests work on copies."""
    root = tmp_path_factory.mktemp("sound")
    folders = {
        "dataset": make_dataset(root / "ds"),
        "model": make_model(root / "m"),
        "metric": make_metric(root / "toy"),
    }
    for kind, folder in folders.items():
        plan_push(kind, folder, f"org/{folder.name}")  # sound indeed
    return folders


@pytest.fixture
def folder_of(sound, tmp_path):
    return lambda kind: shutil.copytree(sound[kind], tmp_path / sound[kind].name)


def refusal(kind, folder) -> str:
    with pytest.raises(RefusedError) as refused:
        plan_push(kind, folder, f"org/{folder.name}")
    assert all(";" in finding or "is missing" in finding for finding in refused.value.findings)
    return str(refused.value)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# Data sets


def test_a_dataset_without_tables_is_refused(folder_of) -> None:
    folder = folder_of("dataset")
    for table in list(folder.rglob("*.parquet")):
        table.unlink()
    assert f"{folder} holds no metadata (*.parquet); give a finished folder" in refusal("dataset", folder)


def rewrite_rows(path, **columns):
    table = pq.read_table(path, partitioning=None)
    for name, value in columns.items():
        index = table.schema.get_field_index(name)
        values = [value] + table[name].to_pylist()[1:]
        table = table.set_column(index, table.schema.field(index), [values])
    pq.write_table(table, path)


SCANS = ["scannet", "ScanNet++", "scannetpp", "arkitscenes", "ScanNet_v2", "Matterport3D", "hm3d"]


@pytest.mark.parametrize("source", SCANS)
def test_frames_of_restricted_scans_are_refused(source, folder_of):
    folder = folder_of("dataset")
    rewrite_rows(folder / "train" / "metadata.parquet", dataset=source)
    said = refusal("dataset", folder)
    assert f"frames of {source}" in said and "dataset_scripts" in said


@pytest.mark.parametrize("scene", ["scene0011_00", "scene9999_01", "41069025", "09c1414f1b"])
def test_scans_under_another_name_are_known_by_their_scene(scene, folder_of):
    folder = folder_of("dataset")
    rewrite_rows(folder / "train" / "metadata.parquet", dataset="mesh", scene_name=scene)
    assert f"frames of mesh ({scene})" in refusal("dataset", folder)


@pytest.mark.parametrize("source", ["procedural", "furnished", "mesh", "my_scans", "kitchen"])
@pytest.mark.parametrize("scene", ["procedural_000007", "small_house", "scene_of_mine"])
def test_own_scenes_are_not_restricted(source, scene):
    assert restriction(source, scene) is None


def break_missing_video(folder):
    next((folder / "train" / "noisy").glob("*.mp4")).unlink()


def break_empty_video(folder):
    next((folder / "train" / "noisy").glob("*.mp4")).write_bytes(b"")


def break_escaping_name(folder):
    rewrite_rows(folder / "train" / "metadata.parquet", vanilla_file_name="../../../elsewhere.mp4")


def break_version(folder):
    manifest = json.loads((folder / "ocr_vsi.json").read_text())
    (folder / "ocr_vsi.json").write_text(json.dumps({**manifest, "format_version": 99}))


def break_column(folder):
    path = folder / "train" / "metadata.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["fps"]), path)


def break_type(folder):
    path = folder / "train" / "metadata.parquet"
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.set_column(0, "id", table["id"].cast("string")), path)


def break_split(folder):
    shutil.copytree(folder / "train", folder / "test")


def break_table(folder):
    (folder / "train" / "metadata.parquet").write_bytes(b"PAR1 cut short")


def break_card(folder):
    (folder / "README.md").unlink()


def break_yaml(folder):
    edit(folder / "README.md", "language:\n", "language: [\n")


def break_metadata(folder):
    edit(folder / "README.md", "pretty_name:", "petty_name:")


def change_the_cards_licence(folder):
    edit(folder / "README.md", "license: cc0-1.0\n", "license: mit\n")


def change_a_licence_in_the_cards_table(folder):
    edit(folder / "README.md", "| cc0-1.0 |", "| mit |")


def change_the_manifests_licence(folder):
    """And the card is rendered from it."""
    manifest = json.loads((folder / "ocr_vsi.json").read_text())
    manifest["statistics"]["sources"][0]["licence"] = "mit"
    (folder / "ocr_vsi.json").write_text(json.dumps(manifest))
    (folder / "README.md").write_text(render_card(manifest))


def lose_the_scenes(folder):
    (folder / "scenes.jsonl").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change_the_cards_licence, r"README.md: the license is mit, but cc0-1.0 by the sources; put cc0-1.0 back"),
        (change_a_licence_in_the_cards_table, r"write what was rendered, that is, \| procedural \| \d+ \| cc0-1.0 \|"),
        (change_the_manifests_licence, "aren't those of scenes.jsonl, as cc0-1.0 for procedural"),
        (lose_the_scenes, "scenes.jsonl, which has each scene's licence, can't be read"),
        (break_missing_video, "not in the folder"),
        (break_empty_video, "empty"),
        (break_escaping_name, "elsewhere.mp4"),
        (break_version, "format version 99"),
        (break_column, "lacks the column fps"),
        (break_type, "the column id is string"),
        (break_split, "a scene belongs to one"),
        (break_table, "can't be read"),
        (break_card, "README.md is missing"),
        (break_yaml, r"README.md, line \d+: the metadata is not valid YAML"),
        (break_metadata, "lacks pretty_name"),
    ],
)
def test_broken_data_sets_are_refused(spoil, words, folder_of):
    folder = folder_of("dataset")
    spoil(folder)
    assert re.search(words, refusal("dataset", folder))


# Models


class Payload:
    def __reduce__(self):
        return print, ("code ran",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["weights.bin", "extra.dat", "model-00003-of-00003.safetensors"])
def test_pickles_are_refused_by_name_and_by_content(protocol, name, folder_of, capsys):
    folder = folder_of("model")
    (folder / name).write_bytes(pickle.dumps(Payload(), protocol=protocol))
    assert name in refusal("model", folder)
    assert capsys.readouterr().out == ""  # looked at, not loaded


def test_pickles_in_pytorch_archives_are_refused(folder_of):
    folder = folder_of("model")
    with zipfile.ZipFile(folder / "extra", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload()))
    assert "extra is a pickle by its content" in refusal("model", folder)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_asked_about(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    assert is_pickle(path) in (True, False)


def cut_weights(folder):
    path = folder / "model-00001-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def swap_weights(folder):
    one, two = (folder / f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def lose_shard(folder):
    (folder / "model-00002-of-00002.safetensors").unlink()


def add_code(folder):
    (folder / "modeling.py").write_text("print()")


def ask_for_code(folder):
    (folder / "config.json").write_text('{"model_type": "qwen2_5_vl", "auto_map": {"AutoModel": "modeling.Model"}}')


def lose_processor(folder):
    (folder / "preprocessor_config.json").unlink()


def lose_config(folder):
    (folder / "config.json").unlink()


def add_other_weights(folder):
    (folder / "model.onnx").write_bytes(b"\0" * 10)


def misstate_usage(folder):
    (folder / "ocr_hf.json").write_text('{"frames": -8}')


def make_adapter_with_local_base(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me/models/base"}')


def make_adapter_with_relative_base(folder):
    """A name like one of the Hub's, but there is such a folder beside the adapter."""
    (folder / "runs" / "sft").mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "runs/sft"}')


def make_adapter_without_base(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": null}')


def make_adapter_with_a_base_that_is_no_text(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": ["org/base"]}')


def make_adapter_with_a_revision_that_is_no_text(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "revision": {"a": 1}}')


def make_adapter_with_an_endless_base(folder):
    """A name that no file system takes."""
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": f"org/{'b' * 5000}"}))
    (folder / "adapter_model.safetensors").unlink(missing_ok=True)


def place_weights_nowhere(folder):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] |= {"first": ["model-00001-of-00002.safetensors"], "second": None, "third": 1}
    path.write_text(json.dumps(index))


def nest_config(folder):
    (folder / "config.json").write_text("[" * 100_000)


def forge_header(folder):
    write_header(folder / "model-00001-of-00002.safetensors", b"[]")


def write_header(path, header: bytes):
    path.write_bytes(struct.pack("<Q", len(header)) + header)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_weights, "it was truncated or altered"),
        (swap_weights, "where they are not"),
        (lose_shard, "model-00002-of-00002.safetensors, which is missing"),
        (add_code, "modeling.py is code"),
        (ask_for_code, "auto_map"),
        (lose_processor, "processor is missing"),
        (lose_config, "config.json is missing"),
        (add_other_weights, "not safetensors"),
        (misstate_usage, "frames is -8"),
        (make_adapter_with_local_base, "a path of this machine"),
        (make_adapter_with_relative_base, "'runs/sft', a path of this machine; put a Hub id there, or make one model"),
        (make_adapter_without_base, "names no base_model_name_or_path"),
        (make_adapter_with_a_base_that_is_no_text, "names the base model ['org/base'], which is no text; put a Hub id"),
        (make_adapter_with_a_revision_that_is_no_text, "revision {'a': 1}, which is no text; put a branch"),
        (make_adapter_with_an_endless_base, "adapter_model.safetensors is missing"),
        (place_weights_nowhere, "index.json names no file for first and 2 more; save the weights again"),
        (nest_config, "config.json names no model_type"),
        (forge_header, "model-00001-of-00002.safetensors is not a safetensors file (its header is a list"),
    ],
)
def test_broken_models_are_refused(spoil, words, folder_of):
    folder = folder_of("model")
    spoil(folder)
    assert words in refusal("model", folder)


def test_all_reasons_are_given_at_once(folder_of):
    folder = folder_of("model")
    for spoil in (cut_weights, add_code, lose_processor):
        spoil(folder)
    (folder / "README.md").unlink()
    assert refusal("model", folder).count("\n  - ") >= 4


def test_a_header_longer_than_the_file_is_no_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(ValueError, match="not a safetensors file"):
        safetensors_header(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("[]", "its header is a list, no object"),
        ("null", "its header is a NoneType, no object"),
        ("[" * 100_000, "its header is not JSON"),
        ("{" + "\xff" + "}", "its header is not JSON"),
        *(
            (f'{{"__metadata__": {{}}, "a": {tensor}}}', "its header doesn't place a")
            for tensor in (
                "null", "[]", "7", "{}", '{"data_offsets": [0]}', '{"data_offsets": null}', '{"data_offsets": "04"}',
                '{"data_offsets": [0, "4"]}', '{"data_offsets": [0, 0.0]}', '{"data_offsets": [false, true]}',
                '{"data_offsets": [0, null]}', '{"data_offsets": [0, 0, 0]}', '{"data_offsets": [1, 0]}',
                '{"data_offsets": [-1, 0]}',
            )
        ),
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_no_safetensors(header, words, tmp_path):
    write_header(tmp_path / "x.safetensors", header.encode("latin-1"))
    with pytest.raises(ValueError, match=rf"is not a safetensors file \({words}\); save the weights again"):
        safetensors_header(tmp_path / "x.safetensors")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("data_offsets"), inner),
    )
)
def test_any_header_can_be_asked_about(tmp_path_factory, header):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    write_header(path, json.dumps(header).encode())
    with suppress(ValueError):
        assert set(safetensors_header(path)) == set(header) - {"__metadata__"}


# Metrics and Spaces


@pytest.mark.parametrize(
    ("neighbours", "words"),
    [
        ({}, "toy.py imports .scorer, but scorer.py is missing"),
        ({"scorer.py": "from .rules import RULES\n", "rules.py": "RULES = 1\n"}, "import it in toy.py too"),
    ],
)
def test_metrics_whose_neighbours_evaluate_would_not_copy_are_refused(neighbours, words, folder_of):
    folder = folder_of("metric")
    (folder / "toy.py").write_text("from .scorer import score\n" + (folder / "toy.py").read_text())
    for name, content in neighbours.items():
        (folder / name).write_text(content)
    assert words in refusal("metric", folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("app.py", "def broken(:\n", "line 1"),
        ("toy.py", None, "a module named like the repository"),
        ("requirements.txt", None, "requirements.txt is missing"),
        (
            "README.md",
            "---\ntitle: T\nsdk: gradio\nsdk_version: 6\napp_file: run.py\ntags: [evaluate]\n---\n",
            "metric",
        ),
    ],
)
def test_metrics_that_would_not_start_are_refused(name, content, words, folder_of):
    folder = folder_of("metric")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    assert words in refusal("metric", folder)


# Everything


SECRETS = {
    "Hugging Face": "hf_" + "Ab1" * 12,
    "AWS": "AKIA" + "ABCDEFGH12345678",
    "GitHub": "ghp_" + "a1B2" * 9,
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("position", [0, (1 << 20) - 7])
def test_secrets_are_found_also_across_blocks_and_not_repeated(what, position, folder_of):
    folder = folder_of("model")
    (folder / "notes.txt").write_text(" " * position + SECRETS[what] + " and so on")
    said = refusal("model", folder)
    assert f"notes.txt, byte {position}" in said and what in said and SECRETS[what] not in said


@pytest.mark.parametrize("what", SECRETS)
def test_secrets_are_found_in_packed_files_and_in_what_weights_say_of_themselves(what, folder_of):
    folder = folder_of("model")
    (folder / "log.jsonl.gz").write_bytes(gzip.compress(b" " * 3000 + SECRETS[what].encode() + b"\n"))
    weights = folder / "model-00001-of-00002.safetensors"
    save_file(load_file(weights), weights, metadata={"command": f"train --token '{SECRETS[what]}'"})
    said = refusal("model", folder)
    assert f"log.jsonl.gz, unpacked, byte 3000: this looks like a{'n' * (what == 'AWS')} {what}" in said
    assert re.search(rf"{weights.name}, byte \d+: this looks like an? {what}", said) and SECRETS[what] not in said


def test_packed_files_that_cant_be_searched_are_refused(folder_of, monkeypatch):
    folder = folder_of("model")
    (folder / "cut.gz").write_bytes(gzip.compress(b"a" * 5000)[:-9])
    (folder / "wrong.gz").write_text("not packed")
    (folder / "bomb.gz").write_bytes(gzip.compress(b"\0" * 100_000))
    monkeypatch.setattr(secrets, "MAX_UNPACKED", 99_999)
    said = refusal("model", folder)
    assert said.count("can't be unpacked") == 2 and "bomb.gz unpacks to more than 99999 bytes" in said
    monkeypatch.setattr(secrets, "MAX_UNPACKED", 100_000)
    assert "bomb.gz" not in refusal("model", folder)


def test_the_token_in_use_is_found_whatever_it_looks_like(folder_of):
    folder = folder_of("model")
    (folder / "notes.txt").write_text("token: local-write-token")
    with pytest.raises(RefusedError, match="you are logged in with"):
        plan_push("model", folder, "org/m", own_token="local-write-token")


def test_links_out_of_the_folder_are_refused_and_inner_links_followed(folder_of, tmp_path):
    folder = folder_of("model")
    (tmp_path / "elsewhere.txt").write_text("private")
    (folder / "inner.json").symlink_to(folder / "config.json")
    assert "inner.json" in {file.path for file in plan_push("model", folder, "org/m").files}
    (folder / "outer.json").symlink_to(tmp_path / "elsewhere.txt")
    assert "outer.json is a link" in refusal("model", folder)


@pytest.mark.parametrize("name", [".env", "server.pem", "id_rsa"])
def test_files_of_secrets_are_refused_by_name(name, folder_of):
    folder = folder_of("model")
    (folder / name).write_text("x")
    assert f"{name} looks like a file of secrets" in refusal("model", folder)


@pytest.mark.parametrize("repo", ["name-only", "a/b/c", "/x", "x/"])
def test_repository_names_are_org_slash_name(repo, sound):
    with pytest.raises(ValueError, match="ORG/NAME"):
        plan_push("model", sound["model"], repo)


BAD_PATHS = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "a\\..\\b",
    "C:/x",
    "a/./b",
    "x\n",
    ".git/config",
    "con.txt",
    "",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_leave_the_repository_are_problems(path):
    assert path_problem(path)


@given(st.lists(st.text("abc._-0", min_size=1, max_size=8), min_size=1, max_size=4).map("/".join))
def test_a_path_without_problem_stays_below_its_folder(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp().resolve()
    if path_problem(path) is None:
        assert (root / path).resolve().is_relative_to(root) and (root / path).resolve() != root


@pytest.mark.parametrize(("kind", "name"), [("metric", "vsi_bench"), ("space", "ocr_demo")])
def test_the_spaces_of_this_repository_may_be_published(kind, name, root):
    assert plan_push(kind, root / "spaces" / name, f"org/{name}").sdk == "gradio"


def test_a_space_that_imports_the_package_is_pushed_with_it(root, tmp_path):
    folder = root / "spaces" / "ocr_demo"
    plan = plan_push("space", folder, "org/ocr_demo")
    paths = [file.path for file in plan.files]
    own = [path.relative_to(root).as_posix() for path in (root / "ocr_hf").rglob("*.py")]
    assert set(own) <= set(paths) and {"ocr_hf/data/card.md", "ocr_hf/vsi_bench/published.json"} <= set(paths)
    assert paths == sorted(paths) and not [path for path in paths if "__pycache__" in path]
    assert {file.path for file in plan.added} == {path for path in paths if path.startswith(("ocr_hf/", "models/"))}
    (tmp_path / "ocr_hf").mkdir()
    (tmp_path / "ocr_hf" / "__init__.py").touch()
    for path in folder.glob("*.*"):
        shutil.copy(path, tmp_path)
    assert not plan_push("space", tmp_path, "org/ocr_demo", untrained=True).added  # it has its own
