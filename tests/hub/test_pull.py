"""`pull`: one pinned commit, every byte checked, whole or not at all."""

import json
import pickle
import resource
import shutil
import subprocess
import sys
import time
from collections import namedtuple

import pytest
from huggingface_hub.utils import filter_repo_objects

from ocr_hf.hub.download import _select, ignored_patterns, pull
from ocr_hf.hub.hub_errors import HubError, RefusedError
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from tests.hub.folders import make_dataset, make_model
from tests.hub.test_push import contents, sent
from tests.hub_server.accounts import OWNER, STRANGER, Account
from tests.hub_server.fixture import ROOT
from tests.hub_server.store import RepoId

REPO = "org/thing"


@pytest.fixture
def model(tmp_path, hub_api):
    """A pushed model: its folder."""
    folder = make_model(tmp_path / "thing")
    push(plan_push("model", folder, REPO), hub_api(), tag="v1")
    return folder


def add_to_hub(local_hub, repo, files: dict[str, bytes]):
    """Put files into a repository behind the API's back, as no client could."""
    entries = {path: local_hub.store.regular_entry(content) for path, content in files.items()}
    return local_hub.store.commit(repo, "main", entries, "by hand")


def test_a_tag_stays_where_it_was(model, hub_api, tmp_path):
    api = hub_api()
    (model / "notes.txt").write_text("later")
    later = push(plan_push("model", model, REPO), api)
    tagged, newest = (pull("model", REPO, tmp_path / name, api, revision=name) for name in ("v1", "main"))
    assert "notes.txt" not in tagged.files and "notes.txt" in newest.files
    assert newest.commit == later.commit != tagged.commit
    record = json.loads((tmp_path / "v1" / ".pulled.json").read_text())
    assert record["commit"] == tagged.commit and set(record["files"]) == set(tagged.files)
    again = pull("model", REPO, tmp_path / "pinned", api, revision=tagged.commit)
    assert contents(again.folder) == contents(tagged.folder)


def test_pulling_again_checks_and_fetches_nothing(model, hub_api, local_hub, tmp_path):
    first = pull("model", REPO, tmp_path / "out", hub_api())
    local_hub.traffic.clear()
    assert pull("model", REPO, tmp_path / "out", hub_api()) == first
    assert local_hub.traffic.requests("storage|resolve") == 0
    (tmp_path / "out" / "config.json").write_text("{}")
    with pytest.raises(RefusedError, match="config.json does not match"):
        pull("model", REPO, tmp_path / "out", hub_api())


def test_folders_of_others_are_not_touched(model, hub_api, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="name another folder"):
        pull("model", REPO, tmp_path / "out", hub_api())
    pull("model", REPO, tmp_path / "v1", hub_api(), revision="v1")
    (model / "notes.txt").write_text("later")
    push(plan_push("model", model, REPO), hub_api())
    with pytest.raises(FileExistsError, match="holds commit"):
        pull("model", REPO, tmp_path / "v1", hub_api())


def test_a_tampered_file_is_refused_and_only_it_is_fetched_again(model, hub_api, local_hub, tmp_path):
    api = hub_api()
    weights = "model-00001-of-00002.safetensors"
    sha256 = api.get_paths_info(REPO, weights)[0].lfs.sha256
    blob = local_hub.store.blob_path(sha256)
    sound = blob.read_bytes()
    blob.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))  # one bit
    with pytest.raises(RefusedError, match=f"{weights} does not match its checksum") as refused:
        pull("model", REPO, tmp_path / "out", api)
    assert len(refused.value.findings) == 1 and not (tmp_path / "out").exists()
    blob.write_bytes(sound)
    local_hub.traffic.clear()
    done = pull("model", REPO, tmp_path / "out", api)
    assert contents(done.folder) == contents(model)
    assert local_hub.traffic.sent("GET /storage|GET .*/resolve/") < 2 * len(sound)


@pytest.mark.parametrize("path", ["../escaped.json", "a/../../escaped.json", "/escaped.json", "a\\..\\escaped.json"])
def test_listings_that_lead_out_of_the_folder_are_refused_unread(path, model, hub_api, local_hub, tmp_path):
    add_to_hub(local_hub, RepoId("model", "org", "thing"), {path: b"x"})
    local_hub.traffic.clear()
    with pytest.raises(RefusedError, match="escaped.json"):
        pull("model", REPO, tmp_path / "in" / "out", hub_api())
    assert local_hub.traffic.requests("storage|resolve") == 0
    assert not list(tmp_path.rglob("escaped.json")) and not (tmp_path / "in").exists()


def test_names_that_are_one_file_on_some_systems_are_refused(model, hub_api, local_hub, tmp_path):
    add_to_hub(local_hub, RepoId("model", "org", "thing"), {"Config.json": b"{}"})
    with pytest.raises(RefusedError, match="'Config.json' and 'config.json'"):
        pull("model", REPO, tmp_path / "out", hub_api())


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.dat", "modeling_mine.py"])
def test_pickles_and_code_in_a_model_repository_are_refused(name, model, hub_api, local_hub, tmp_path):
    add_to_hub(local_hub, RepoId("model", "org", "thing"), {name: pickle.dumps(print)})
    with pytest.raises(RefusedError, match=name):
        pull("model", REPO, tmp_path / "out", hub_api())
    assert not (tmp_path / "out").exists()
    done = pull("model", REPO, tmp_path / "out", hub_api(), without=[name])
    assert done.left_out == (name,) and contents(done.folder) == contents(model)


def test_a_trainers_state_is_not_fetched(model, hub_api, local_hub, tmp_path):
    add_to_hub(local_hub, RepoId("model", "org", "thing"), {"training_args.bin": pickle.dumps(print)})
    done = pull("model", REPO, tmp_path / "out", hub_api())
    assert done.left_out == ("training_args.bin",) and contents(done.folder) == contents(model)


def test_a_broken_pull_resumes(hub_api, local_hub, tmp_path, waits):
    folder, api = make_dataset(tmp_path / "thing", clips=6, side=64), hub_api()
    push(plan := plan_push("dataset", folder, REPO), api)
    local_hub.fail("GET /storage", "cut_download", after_bytes=2000, skip=5, times=-1)
    with pytest.raises(HubError, match="run the same command again"):
        pull("dataset", REPO, tmp_path / "out", api)
    assert not (tmp_path / "out").exists()
    finished = {e.path for e in local_hub.traffic.matching("GET /storage") if e.status == 200 and not e.cut}
    local_hub.wire.faults.clear()
    local_hub.traffic.clear()
    done = pull("dataset", REPO, tmp_path / "out", api)
    assert contents(done.folder) == sent(plan)
    assert not finished & {exchange.path for exchange in local_hub.traffic.matching("GET /storage")}
    assert finished and not (tmp_path / "out.incomplete").exists()


@pytest.mark.parametrize("without", [(), ("*/noisy/*",), ("train/vanilla/", "*_00001.mp4")])
def test_naming_what_is_left_out_fetches_what_is_wanted_of_25000_files(without):
    """By the client's own filter, in seconds: a pattern for each wanted file takes it hours (its time is quadratic)."""
    names = [f"train/{kind}/scene [{i % 7}]_{i:05d}.mp4" for i in range(12_500) for kind in ("noisy", "vanilla")]
    tree = {name: ("0" * 64, 1) for name in [*names, ".gitattributes", "odd[1]*.txt"]}
    given = [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in without]
    start = time.process_time()
    wanted, _ = _select("dataset", "org/thing", tree, given)
    fetched = set(filter_repo_objects(tree, ignore_patterns=ignored_patterns(tree, wanted, given)))
    assert time.process_time() - start < 5
    assert fetched == set(wanted) and len(wanted) > 10_000 and ".gitattributes" not in wanted


def test_only_what_is_wanted_is_fetched(hub_api, local_hub, tmp_path):
    """Of names that are patterns themselves, and a folder by its name."""
    local_hub.store.create(repo := RepoId("dataset", "org", "odd"))
    files = {"a[1].txt": b"1", "a1.txt": b"2", "b*.txt": b"3", "bc.txt": b"4", "skip/deep/x.txt": b"5"}
    add_to_hub(local_hub, repo, files)
    local_hub.traffic.clear()
    pulled = pull("dataset", "org/odd", tmp_path / "out", hub_api(), without=["skip/", "b[*].txt"])
    assert pulled.files == ("a1.txt", "a[1].txt", "bc.txt")
    assert contents(tmp_path / "out").keys() - {".pulled.json"} == set(pulled.files)


def test_too_little_space_is_said_before_anything_is_fetched(model, hub_api, local_hub, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "total used free")(1, 1, 1000))
    local_hub.traffic.clear()
    with pytest.raises(HubError, match="MB free; free some space"):
        pull("model", REPO, tmp_path / "out", hub_api())
    assert local_hub.traffic.requests("storage|resolve") == 0


def test_a_disk_that_fills_up_is_said_so(model, local_hub, tmp_path):
    """A limit on file size makes `write` fail in the middle, as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-m", "ocr_hf.cli", "pull", "model", REPO, "out"],
        env={**local_hub.environment(), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)),
    )
    assert done.returncode == 1 and "the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_newer_format_says_so(hub_api, local_hub, tmp_path):
    folder = make_dataset(tmp_path / "thing", clips=1)
    push(plan_push("dataset", folder, REPO), hub_api())
    manifest = json.loads((folder / "ocr_vsi.json").read_text())
    newer = json.dumps({**manifest, "format_version": 99}).encode()
    add_to_hub(local_hub, RepoId("dataset", "org", "thing"), {"ocr_vsi.json": newer})
    with pytest.raises(ValueError, match="format version 99.*upgrade"):
        pull("dataset", REPO, tmp_path / "out", hub_api())


def test_what_cannot_be_had_is_told_apart(model, hub_api, local_hub, tmp_path):
    owner, out = hub_api(), tmp_path / "out"
    with pytest.raises(HubError, match="no such revision"):
        pull("model", REPO, out, owner, revision="v9")
    with pytest.raises(HubError, match="no such repository, or it is private"):
        pull("model", "org/nothing", out, owner)
    with pytest.raises(HubError, match="token is wrong"):
        pull("model", REPO, out, hub_api(Account("tester", "wrong")))
    owner.update_repo_settings(REPO, gated="auto")
    with pytest.raises(HubError, match="gated; accept its terms"):
        pull("model", REPO, out, hub_api(STRANGER))
    owner.update_repo_settings(REPO, private=True)
    with pytest.raises(HubError, match="no such repository, or it is private"):
        pull("model", REPO, out, hub_api(STRANGER))
    assert not out.exists()


def test_the_commands_print_what_to_do_next(local_hub, hub_api, tmp_path, monkeypatch, capsys):
    from ocr_hf.cli import main

    hub_api()
    template = local_hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", local_hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", OWNER.token)
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "thing", clips=1)

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code in (0, None)
        return capsys.readouterr().out

    dry = run("push", "dataset", "thing", "--repo", "org/clips", "--dry-run")
    assert "nothing was sent" in dry and "train/metadata.parquet" in dry
    assert local_hub.traffic.requests() == 0
    pushed = run("push", "dataset", "thing", "--repo", "org/clips", "--tag", "v1")
    assert f"{local_hub.url}/datasets/org/clips" in pushed and 'load_dataset("org/clips", revision="v1")' in pushed
    pulled = run("pull", "dataset", "org/clips", "--revision", "v1")
    assert "all checksums match" in pulled
    assert contents(tmp_path / "clips") == sent(plan_push("dataset", tmp_path / "thing", "org/clips"))
    assert "Nothing had changed" in run("push", "dataset", "clips", "--repo", "org/clips")
