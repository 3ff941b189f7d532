"""`push`: what is sent arrives, what broke resumes, nobody's commit is lost, nothing is half-published."""

import re
from pathlib import Path

import pytest

from ocr_hf.hub import repo_files
from ocr_hf.hub.download import pull
from ocr_hf.hub.hub_errors import ConflictError, HubError
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from tests.hub.broken_pushes import cut_push, race
from tests.hub.folders import make_dataset, make_metric, make_model
from tests.hub_server.accounts import READER, STRANGER, Account
from tests.hub_server.store import RepoId

MAKERS = {"dataset": make_dataset, "model": make_model, "metric": make_metric}


def contents(folder: Path) -> dict[str, bytes]:
    local = (".pulled.json", ".huggingface.yaml")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in local)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def sent(plan) -> dict[str, bytes]:
    """What a plan sends: the folder's files, with the repository's id in the card."""
    return {file.path: file.source.read_bytes() for file in plan.files}


def head(api, plan) -> str:
    return api.repo_info(plan.repo, repo_type=plan.repo_type).sha


def plan_of(folder: Path, kind: str, repo: str = "org/thing"):
    return plan_push(kind, folder, repo if kind != "metric" else f"org/{folder.name}")


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_pushed_comes_back_byte_for_byte(kind, hub_api, local_hub, tmp_path):
    folder, api = MAKERS[kind](tmp_path / "thing"), hub_api()
    plan = plan_of(folder, kind)
    done = push(plan, api, private=True, tag="v1")
    assert set(done.changed) == set(contents(folder)) and not done.deleted and not done.others
    assert done.url == f"{local_hub.url}/{'' if kind == 'model' else plan.repo_type + 's/'}org/thing"
    assert api.repo_info(plan.repo, repo_type=plan.repo_type).private
    back = pull(kind, plan.repo, tmp_path / "back", api, revision="v1")
    assert back.commit == done.commit and contents(tmp_path / "back") == sent(plan)
    assert {**contents(folder), "README.md": sent(plan)["README.md"]} == sent(plan)
    assert local_hub.unserved() == []


def test_pushing_the_same_again_sends_and_commits_nothing(hub_api, local_hub, tmp_path):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    first = push(plan, api)
    local_hub.traffic.clear()
    again = push(plan, api)
    assert again.commit == first.commit and not again.changed
    assert local_hub.traffic.received("PUT /storage") == 0 and local_hub.traffic.requests("POST .*/commit/") == 0


def test_a_cut_upload_resumes_without_sending_finished_files_again(hub_api, local_hub, tmp_path, waits):
    plan, api = plan_of(make_dataset(tmp_path / "thing", clips=6, side=64), "dataset"), hub_api()
    seen = []
    told = cut_push(local_hub, api, plan, look=lambda: seen.extend(api.list_repo_files(plan.repo, repo_type="dataset")))
    assert re.search(r"(\.mp4|\.parquet).*run the same command again", str(told.error))
    assert seen == [".gitattributes"]  # nothing is half-published
    assert told.cuts == 6  # the unlucky file was tried six times
    assert 1 < told.whole < told.files and told.resent == 0
    assert told.whole_bytes + told.second == told.size  # every byte of a large file arrived once
    assert set(told.done.changed) == {file.path for file in plan.files}
    print(told)


def test_a_single_cut_heals_by_itself(hub_api, local_hub, tmp_path, waits):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    local_hub.fail("PUT /storage", "cut_upload", after_bytes=3000)
    done = push(plan, api)
    assert len(done.changed) == len(plan.files) and waits


def test_a_commit_whose_answer_was_lost_is_made_once(hub_api, local_hub, tmp_path, waits):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    local_hub.fail("POST .*/commit/main", "lose_answer")
    done = push(plan, api)
    history = api.list_repo_commits(plan.repo)
    assert [entry.commit_id for entry in history][0] == done.commit and len(history) == 2


def test_busy_and_broken_hubs_are_asked_again_as_they_wish(hub_api, local_hub, tmp_path, waits):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    local_hub.fail("POST /api/repos/create", "status", status=429, headers={"Retry-After": "37"})
    local_hub.fail("POST .*/commit/main", "status", status=503, times=2)
    local_hub.fail(
        "POST .*/preupload/",
        "status",
        status=429,
        headers={"RateLimit": '"api";r=0;t=11', "RateLimit-Policy": '"fixed window";"api";q=9;w=300'},
    )
    push(plan, api)
    assert waits == [37.0, 12.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "words"), [(503, "failed on every retry"), (429, "rate limit"), (507, "failed on every retry")]
)
def test_a_hub_that_stays_broken_is_left_as_it_was(status, words, hub_api, local_hub, tmp_path, waits):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    local_hub.fail("POST .*/commit/main", "status", status=status, times=-1)
    with pytest.raises(HubError, match=words):
        push(plan, api)
    assert list(api.list_repo_files(plan.repo)) == [".gitattributes"]


@pytest.mark.parametrize("path", ["config.json", "model-00001-of-00002.safetensors"])
@pytest.mark.parametrize("lost", [True, False])
def test_what_arrived_is_compared_with_what_was_sent(path, lost, hub_api, local_hub, tmp_path, monkeypatch):
    """A Hub that keeps something else, or not all of it, gets no tag; the same command mends it."""
    folder, api, store = make_model(tmp_path / "thing"), hub_api(), local_hub.store
    plan = plan_of(folder, "model")

    def keep_wrong(repo, branch, changes, message):
        wrong = None if lost else store.regular_entry(b"not what was sent")
        return type(store).commit(store, repo, branch, {**changes, path: wrong}, message)

    with monkeypatch.context() as patched:
        patched.setattr(store, "commit", keep_wrong)
        with pytest.raises(HubError, match=rf"org/thing holds {path} with other content.*run the same command again"):
            push(plan, api, tag="v1")
    assert not api.list_repo_refs(plan.repo).tags
    done = push(plan, api, tag="v1")
    assert done.changed == (path,)
    pull("model", plan.repo, tmp_path / "back", api, revision="v1")
    assert contents(tmp_path / "back") == contents(folder)


def test_two_concurrent_pushes_keep_both_commits(hub_api, local_hub, tmp_path):
    plans = []
    for name in ("one", "two"):
        folder = make_metric(tmp_path / name / "toy")
        (folder / f"{name}.txt").write_text(name)
        plans.append(plan_push("metric", folder, "org/toy"))
    api = hub_api()
    pushes = [lambda plan=plan: push(plan, api, message=plan.folder.parent.name) for plan in plans]
    assert race(local_hub, *pushes) == []
    history = api.list_repo_commits("org/toy", repo_type="space")
    assert [entry.title for entry in history] == ["one", "two", "initial commit"]
    assert {"one.txt", "two.txt"} <= set(api.list_repo_files("org/toy", repo_type="space"))
    refused = [exchange.status for exchange in local_hub.traffic.matching("POST .*/commit/")]
    assert sorted(refused) == [200, 200, 412]  # the race took place


def test_a_branch_that_never_rests_is_given_up_after_five_attempts(hub_api, local_hub, tmp_path):
    """Each commit is refused because somebody else's was made since; theirs are all kept, ours not half."""
    plan, api, store = plan_of(make_model(tmp_path / "thing"), "model"), hub_api(), local_hub.store
    commit, others = api.create_commit, []

    def commit_after_another(*arguments, **options):
        name = f"other_{len(others)}.txt"
        others.append(name)
        store.commit(RepoId("model", "org", "thing"), "main", {name: store.regular_entry(b"theirs")}, "theirs")
        return commit(*arguments, **options)

    api.create_commit = commit_after_another
    with pytest.raises(HubError, match="was changed by others 5 times during the commit; run the same command again"):
        push(plan, api)
    assert len(others) == 5 and set(api.list_repo_files("org/thing")) == {".gitattributes", *others}


@pytest.mark.parametrize(
    ("counts", "words"),
    [((3, 2), None), ((4, 0), "holds 4 files, the Hub takes 3 a folder"), ((3, 3), "holds 6 files, a commit takes 5")],
)
def test_more_files_than_the_hub_takes_are_refused_before_anything_is_sent(counts, words, tmp_path, monkeypatch):
    monkeypatch.setattr(repo_files, "MAX_FILES_PER_FOLDER", 3)
    monkeypatch.setattr(repo_files, "MAX_PUSHED_FILES", 5)
    for folder, count in zip(("a", "b/c"), counts, strict=True):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            (tmp_path / folder / str(number)).touch()
    _, findings = repo_files.list_files(tmp_path)
    assert (not findings) if words is None else (len(findings) == 1 and words in findings[0])


def test_a_concurrent_push_of_other_content_is_not_overwritten(hub_api, local_hub, tmp_path):
    plans = []
    for name in ("one", "two"):
        folder = make_metric(tmp_path / name / "toy")
        (folder / "app.py").write_text(f"NAME = '{name}'\n")
        plans.append(plan_push("metric", folder, "org/toy"))
    api = hub_api()
    caught = race(local_hub, lambda: push(plans[0], api), lambda: push(plans[1], api))
    assert len(caught) == 1 and isinstance(caught[0], ConflictError) and "app.py" in str(caught[0])
    kept = Path(api.hf_hub_download("org/toy", "app.py", repo_type="space", cache_dir=tmp_path / "cache"))
    assert kept.read_text() == "NAME = 'two'\n"
    push(plans[0], api)  # the advice in the message


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (Account("tester", "wrong-token"), "token is wrong or has expired"),
        (READER, "may not do this"),
        (STRANGER, "may not do this"),
        (None, "not logged in"),
    ],
)
def test_who_may_not_push_is_told_before_anything_is_sent(account, words, hub_api, local_hub, tmp_path):
    plan = plan_of(make_model(tmp_path / "thing"), "model")
    with pytest.raises(HubError, match=words):
        push(plan, hub_api(account))
    assert local_hub.traffic.received("PUT|commit") == 0 and not list(local_hub.store.repos("model"))


def test_a_repository_of_others_by_that_name_is_not_written_to(hub_api, local_hub, tmp_path):
    plan = plan_push("model", make_model(tmp_path / "thing"), "stranger/thing")
    hub_api(STRANGER).create_repo("stranger/thing")
    with pytest.raises(HubError, match="may not do this"):
        push(plan, hub_api())
    assert local_hub.traffic.received("PUT|commit") == 0


def test_files_that_would_be_loaded_along_are_refused_or_mirrored_away(hub_api, tmp_path):
    api = hub_api()
    push(plan_of(make_model(tmp_path / "three", shards=3), "model"), api)
    two = plan_of(make_model(tmp_path / "two", shards=2), "model")
    with pytest.raises(HubError, match="--mirror"):
        push(two, api)
    done = push(two, api, mirror=True)
    assert done.deleted == tuple(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3))
    assert set(api.list_repo_files("org/thing")) == {file.path for file in two.files} | {".gitattributes"}


def test_files_that_others_deleted_meanwhile_are_no_obstacle_to_mirroring(hub_api, local_hub, tmp_path):
    api = hub_api()
    push(plan_of(make_model(tmp_path / "three", shards=3), "model"), api)
    two = plan_of(make_model(tmp_path / "two", shards=2), "model")
    stale = "model-00001-of-00003.safetensors"
    race(local_hub, lambda: push(two, api, mirror=True), lambda: api.delete_file(stale, "org/thing"))
    assert set(api.list_repo_files("org/thing")) == {file.path for file in two.files} | {".gitattributes"}


def test_a_branch_and_a_tag_leave_main_alone(hub_api, tmp_path):
    plan, api = plan_of(make_model(tmp_path / "thing"), "model"), hub_api()
    api.create_repo(plan.repo)
    main = head(api, plan)
    done = push(plan, api, revision="try", tag="v0.1")
    assert head(api, plan) == main
    assert api.repo_info(plan.repo, revision="v0.1").sha == api.repo_info(plan.repo, revision="try").sha == done.commit


def test_a_tag_is_never_moved_and_a_clash_is_seen_before_anything_is_sent(hub_api, local_hub, tmp_path, waits):
    folder, api = make_model(tmp_path / "thing"), hub_api()
    local_hub.fail("POST .*/tag/", "lose_answer")
    first = push(plan_of(folder, "model"), api, tag="v1")
    assert push(plan_of(folder, "model"), api, tag="v1").commit == first.commit  # the same again is no clash
    (folder / "notes.txt").write_text("later")
    local_hub.traffic.clear()
    with pytest.raises(HubError, match="has a tag v1 already"):
        push(plan_of(folder, "model"), api, tag="v1")
    assert local_hub.traffic.received("PUT|commit") == 0
    assert api.repo_info("org/thing", revision="v1").sha == first.commit


def test_a_trainers_state_stays_at_home(hub_api, tmp_path):
    folder = make_model(tmp_path / "thing")
    for name in ("training_args.bin", "checkpoint-5/optimizer.pt", "checkpoint-5/rng_state_0.pth", "runs/events"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\x80\x04state")
    plan = plan_of(folder, "model")
    assert len(plan.left_out) == 4
    done = push(plan, hub_api())
    assert not [path for path in done.changed if "training" in path or "checkpoint" in path]
