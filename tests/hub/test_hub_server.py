"""The hub server under the real `huggingface_hub` client: what is pushed comes back, refusals raise its errors."""

import time
from types import SimpleNamespace

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server import wire
from tests.hub_server.accounts import READER, STRANGER, Account

REPO = "org/things"


def add(path, content):
    return CommitOperationAdd(path, content)


def commit(api, *operations, **options):
    return api.create_commit(REPO, list(operations), commit_message="test", repo_type="dataset", **options)


@pytest.fixture
def api(hub_api):
    api = hub_api()
    api.create_repo(REPO, repo_type="dataset")
    return api


def read(api, path, **options):
    with open(api.hf_hub_download(REPO, path, repo_type="dataset", **options), "rb") as file:
        return file.read()


def test_files_small_and_large_come_back_equal_by_branch_tag_and_commit(api, local_hub, tmp_path):
    clip = bytes(range(256)) * 500
    first = commit(api, add("a/readme.txt", b"one"), add("a/clip.mp4", clip)).oid
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    api.create_branch(REPO, branch="try/this", repo_type="dataset")
    second = commit(api, add("a/readme.txt", b"two"), CommitOperationDelete("a/clip.mp4")).oid
    for revision in ("v1", first, first[:8], "try/this"):
        assert read(api, "a/readme.txt", revision=revision, cache_dir=tmp_path) == b"one"
        assert read(api, "a/clip.mp4", revision=revision, cache_dir=tmp_path) == clip
    assert read(api, "a/readme.txt", cache_dir=tmp_path) == b"two"
    with pytest.raises(RemoteEntryNotFoundError):
        read(api, "a/clip.mp4", revision=second, cache_dir=tmp_path)
    history = [entry.commit_id for entry in api.list_repo_commits(REPO, repo_type="dataset")]
    assert history[:2] == [second, first] and len(history) == 3
    assert local_hub.traffic.sent("GET /storage") == len(clip)  # the cache knew the file for the other revisions
    assert local_hub.unserved() == []


def test_trees_list_files_and_folders_over_several_pages(api):
    names = [f"clips/{index:04d}.txt" for index in range(1500)]
    commit(api, *[add(name, name.encode()) for name in names])
    recursive = list(api.list_repo_tree(REPO, recursive=True, repo_type="dataset"))
    assert [entry.path for entry in recursive] == [".gitattributes", "clips", *names]
    assert [entry.path for entry in api.list_repo_tree(REPO, repo_type="dataset")] == [".gitattributes", "clips"]
    inside = api.list_repo_tree(REPO, "clips", repo_type="dataset")
    assert [entry.path for entry in inside] == names
    found = api.get_paths_info(REPO, ["clips", names[7], "nowhere"], repo_type="dataset")
    assert [entry.path for entry in found] == ["clips", names[7]]


def test_the_second_upload_of_a_content_sends_nothing(api, local_hub):
    content = b"x" * 100_000
    commit(api, add("one.mp4", content))
    commit(api, add("two.mp4", content))
    assert local_hub.traffic.received("PUT /storage") == len(content)


def test_large_files_travel_in_parts(hub_api, local_hub, tmp_path):
    local_hub.hub.part_bytes = 1000
    api = hub_api()
    api.create_repo(REPO, repo_type="dataset")
    content = bytes(index % 251 for index in range(4321))
    commit(api, add("big.mp4", content))
    assert local_hub.traffic.requests("PUT /storage") == 5
    assert read(api, "big.mp4", cache_dir=tmp_path) == content


def test_ranges_are_served(api, local_hub):
    from huggingface_hub import HfFileSystem

    content = bytes(index % 253 for index in range(100_000))
    commit(api, add("clip.mp4", content))
    files = HfFileSystem(endpoint=local_hub.url, token=api.token, skip_instance_cache=True)
    with files.open(f"datasets/{REPO}/clip.mp4", block_size=1000) as file:
        file.seek(50_000)
        assert file.read(100) == content[50_000:50_100]
    assert 100 <= local_hub.traffic.sent("GET /storage") <= 2000


def test_a_commit_on_a_stale_parent_is_refused_and_changes_nothing(api):
    parent = api.repo_info(REPO, repo_type="dataset").sha
    head = commit(api, add("a.txt", b"1"), parent_commit=parent).oid
    with pytest.raises(HfHubHTTPError) as refused:
        commit(api, add("b.txt", b"2"), parent_commit=parent)
    assert refused.value.response.status_code == 412
    assert api.repo_info(REPO, repo_type="dataset").sha == head


def test_one_bad_operation_spoils_the_whole_commit(api):
    head = api.repo_info(REPO, repo_type="dataset").sha
    with pytest.raises(RemoteEntryNotFoundError):
        commit(api, add("a.txt", b"1"), CommitOperationDelete("nowhere.txt"))
    with pytest.raises(ValueError, match="Invalid metadata|YAML|mapping"):
        commit(api, add("a.txt", b"1"), add("README.md", b"---\ntags: [\n---\n"))
    assert api.repo_info(REPO, repo_type="dataset").sha == head


def test_permissions_follow_token_and_namespace(hub_api, local_hub):
    owner, reader, stranger, nobody = hub_api(), hub_api(READER), hub_api(STRANGER), hub_api(None)
    for api, status in ((reader, 403), (stranger, 403), (nobody, 401)):
        with pytest.raises(HfHubHTTPError) as refused:
            api.create_repo("org/new")
        assert refused.value.response.status_code == status
    owner.create_repo("org/secret", private=True)
    assert reader.repo_info("org/secret").private
    for api in (stranger, nobody):
        with pytest.raises(RepositoryNotFoundError):
            api.repo_info("org/secret")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        hub_api(Account("tester", "wrong")).whoami()
    owner.update_repo_settings("org/secret", private=False, gated="auto")
    assert stranger.repo_info("org/secret").gated == "auto"
    with pytest.raises(GatedRepoError):
        stranger.hf_hub_download("org/secret", ".gitattributes")
    with pytest.raises(HfHubHTTPError) as clash:
        owner.create_repo("org/secret")
    assert clash.value.response.status_code == 409


def test_references_clash_and_vanish_as_on_the_hub(api):
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.create_tag(REPO, tag="v1", repo_type="dataset")
    refs = api.list_repo_refs(REPO, repo_type="dataset")
    assert [ref.name for ref in refs.branches] == ["main"] and [ref.name for ref in refs.tags] == ["v1"]
    api.delete_tag(REPO, tag="v1", repo_type="dataset")
    for revision in ("v1", "refs/convert/parquet"):
        with pytest.raises(RevisionNotFoundError):
            api.repo_info(REPO, revision=revision, repo_type="dataset")


def test_storage_addresses_are_useless_without_their_signature(api, local_hub):
    from huggingface_hub.utils import get_session

    commit(api, add("clip.mp4", b"frames" * 100))
    sha256 = api.get_paths_info(REPO, "clip.mp4", repo_type="dataset")[0].lfs.sha256
    address = local_hub.hub.signed("get", sha256)
    assert get_session().get(address).content == b"frames" * 100
    for wrong in (address.split("?")[0], address.replace("signature=", "signature=0")):
        assert get_session().get(wrong).status_code == 403
    assert get_session().put(address, content=b"other").status_code == 403


def test_a_cut_download_is_taken_up_where_it_broke(api, local_hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    content = bytes(index % 249 for index in range(300_000))
    commit(api, add("clip.mp4", content))
    local_hub.fail("GET /storage", "cut_download", after_bytes=100_000)
    assert read(api, "clip.mp4", cache_dir=tmp_path) == content
    assert local_hub.traffic.sent("GET /storage") == len(content)
    assert local_hub.traffic.requests("GET /storage") == 2


def test_throttling_announces_itself_and_the_client_waits(api, local_hub, monkeypatch):
    clock = [1000.0]  # one's own: on a busy machine a window may be over before its requests are made
    waited = []

    def wait(seconds):
        waited.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(wire, "time", SimpleNamespace(time=lambda: clock[0]))
    told = SimpleNamespace(sleep=wait, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr("huggingface_hub.utils._http.time", told)
    local_hub.throttle(2, window_s=50.0)
    tree = [list(api.list_repo_tree(REPO, repo_type="dataset")) for _ in range(3)]
    assert tree[0] == tree[2]
    assert [exchange.status for exchange in local_hub.traffic.exchanges][-4:] == [200, 200, 429, 200]
    assert 50.0 <= sum(waited) <= 52.0


def test_the_store_survives_a_restart(tmp_path, hub_api, api, local_hub):
    from tests.hub_server.store import RepoId, Store

    head = commit(api, add("a.txt", b"kept")).oid
    again = Store(local_hub.store.root)
    repo = RepoId("dataset", "org", "things")
    assert again.resolve(repo, "main") == head
    assert again.blob_path(again.tree(repo, head)["a.txt"].sha256).read_bytes() == b"kept"
