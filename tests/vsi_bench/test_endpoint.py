"""A served model: real requests over HTTP, answered by the same tiny model, and all that can go wrong."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocr_hf.cli import main
from ocr_hf.models import endpoint
from ocr_hf.models.answer import GREEDY, Prompt
from ocr_hf.models.endpoint import EndpointError, EndpointModel
from ocr_hf.vsi_bench.answers import read_answers
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.runner import run_evaluation
from tests.vsi_bench.conftest import questions

SETTINGS = {"frames": 3, "max_new_tokens": 3, "draws": 0, "limit": 6, "audit": ("text_only",)}


class Server:
    """A chat server; `plan` says what happens to the next requests before it answers as it should.

    An entry of the plan is a function of the request handler that returns whether it has answered.
    """

    def __init__(self, answer=None) -> None:
        self.answer = answer or (lambda body: "A")
        self.name, self.plan, self.bodies, self.keys = "tiny", [], [], []
        self.running = self.most_at_once = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments) -> None:
                pass

            def do_GET(self) -> None:
                self.send("application/json", json.dumps({"data": [{"id": outer.name}]}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.running += 1
                    outer.most_at_once = max(outer.most_at_once, outer.running)
                    step = outer.plan.pop(0) if outer.plan else None
                try:
                    if step is not None and step(self):
                        return
                    outer.bodies.append(body)
                    outer.keys.append(self.headers.get("Authorization"))
                    content = outer.answer(body)
                    told = {"model": outer.name, "choices": [{"message": {"role": "assistant", "content": content}}]}
                    self.send("application/json", json.dumps(told))
                finally:
                    with outer.lock:
                        outer.running -= 1

            def send(self, kind: str, text: str, status: int = 200, **headers: str) -> bool:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(text.encode())
                return True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(endpoint.time, "sleep", lambda seconds: made.waits.append(seconds))
    made.waits = []
    yield made
    made.server.shutdown()
    made.server.server_close()


def pictures(body: dict) -> list[np.ndarray]:
    """The images of a request, decoded."""
    found = []
    for part in body["messages"][0]["content"]:
        if part["type"] == "image_url":
            kind, content = part["image_url"]["url"].split(",")
            assert kind == "data:image/png;base64"
            found.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))))
    return found


def as_a_server_would(folder: Path):
    """Answer requests with a model and transformers alone, without this package."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    one_at_a_time = threading.Lock()

    def answer(body: dict) -> str:
        images = [Image.fromarray(picture) for picture in pictures(body)]
        blocks = [{"type": "image"} if part["type"] == "image_url" else part for part in body["messages"][0]["content"]]
        text = processor.apply_chat_template(
            [{"role": "user", "content": blocks}], tokenize=False, add_generation_prompt=True
        )
        assert body["temperature"] == 0
        with one_at_a_time:
            inputs = processor(text=[text], images=images or None, return_tensors="pt")
            tokens = model.generate(**inputs, **GREEDY, max_new_tokens=body["max_tokens"])
        return processor.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    return answer


def config(server: Server, data: Path, **changes) -> EvalConfig:
    return EvalConfig(endpoint=server.url, data=str(data), **{**SETTINGS, **changes})


def test_answers_equal_those_of_the_direct_run(server, lively_model, make_vsi_bench, tmp_path) -> None:
    server.answer, data = as_a_server_would(lively_model), make_vsi_bench()
    costs = []
    run_evaluation(config(server, data, concurrency=3), tmp_path / "served", on_cost=costs.append)
    direct = EvalConfig(model=str(lively_model), data=str(data), frames_as="images", **SETTINGS)
    run_evaluation(direct, tmp_path / "direct")
    tables = [pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("served", "direct")]
    assert tables[0].prediction.tolist() == tables[1].prediction.tolist() and tables[0].prediction.nunique() > 4
    assert server.most_at_once > 1 and all(len(pictures(body)) in (0, 3) for body in server.bodies)
    assert costs[0].questions == 12 and costs[0].frames == 18 and costs[0].frame_tokens == 18 * 84 * 112 // 784
    assert "12 questions with 18 frames" in str(costs[0])
    settings = json.loads((tmp_path / "served" / "results.json").read_text())["settings"]
    assert settings["model"] == settings["served_model"] == "tiny" and settings["endpoint"] == server.url
    assert settings["frames_as"] == "images" and settings["image_format"] == "png"
    assert f"--endpoint {server.url}" in (tmp_path / "served" / "report.md").read_text()


def test_a_video_goes_as_one_file(server, make_vsi_bench, tmp_path) -> None:
    from ocr_hf.data.video import probe

    run_evaluation(config(server, make_vsi_bench(), frames_as="video", audit=(), limit=1), tmp_path / "out")
    first = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in first] == ["video_url", "text"]
    info = probe(base64.b64decode(first[0]["video_url"]["url"].split(",")[1]))
    assert (info.num_frames, info.width, info.height) == (3, 112, 84)
    assert info.fps == pytest.approx(2 / (11 / 6.0), rel=0.01), "the rate of the sampled frames"


def test_smaller_frames_and_the_key(server, make_vsi_bench, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OCR_HF_API_KEY", "secret")
    run_evaluation(config(server, make_vsi_bench(), max_pixels=42 * 56, audit=(), limit=1), tmp_path / "out")
    assert all(picture.shape == (42, 56, 3) for picture in pictures(server.bodies[0]))
    assert server.keys == ["Bearer secret"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"secret" not in written
    shown = EndpointModel("http://me:secret@localhost:1/v1?key=secret", "m").shown_url
    assert shown == "http://localhost:1/v1"


@pytest.mark.parametrize("status", [429, 503, 500])
def test_what_passes_is_tried_again(server, status) -> None:
    server.plan = [
        lambda handler: handler.send("text/html", "<html>busy</html>", status, Retry_After="7"),
        lambda handler: handler.send("application/json", "{}", status),
    ]
    assert EndpointModel(server.url).answer([Prompt.of("Go.")])[0].text == "A"
    assert server.waits == [7.0, 2.0]


def hang_up(handler) -> bool:
    handler.close_connection = True
    handler.connection.close()
    return True


def test_a_lost_connection_is_tried_again(server) -> None:
    server.plan = [hang_up]
    assert EndpointModel(server.url).answer([Prompt.of("Go.")])[0].text == "A" and server.waits == [1.0]


def late(handler) -> bool:
    threading.Event().wait(0.5)
    return True


FAULTS = {
    "a time limit": ([late] * 3, {"timeout_s": 0.1, "retries": 2}, r"in 3 attempts \(no answer within 0.1 s\)"),
    "a web page": (
        [lambda handler: handler.send("text/html", "<html>Sign in</html>")], {},
        r"answered with text/html and not with JSON \('<html>Sign in</html>'\); give the address",
    ),
    "a limit of requests": (
        [lambda handler: handler.send("application/json", '{"error": {"message": "slow down"}}', 429)] * 3,
        {"retries": 2}, r"3 attempts \(status 429, 'slow down'\); when it does, repeat the command",
    ),
    "a refusal": (
        [lambda handler: handler.send("application/json", '{"error": {"message": "prompt too long"}}', 400)], {},
        r"refused the request \(status 400, 'prompt too long'\); send less",
    ),
    "another kind of server": (
        [lambda handler: handler.send("application/json", '{"text": "hi"}')], {}, r"without choices\[0\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_stops_says_why_and_goes_on_later(server, make_vsi_bench, tmp_path, fault) -> None:
    plan, settings, message = FAULTS[fault]
    server.plan = [lambda handler: False] * 4 + plan
    run = config(server, make_vsi_bench(), concurrency=1, **settings)
    with pytest.raises(EndpointError, match=message) as raised:
        run_evaluation(run, tmp_path / "out")
    assert "\n" not in str(raised.value)
    kept = read_answers(tmp_path / "out")
    assert 3 <= len(kept) <= 5, "what was answered is kept"
    server.plan, before = [], len(server.bodies)
    results = run_evaluation(run, tmp_path / "out")
    assert len(server.bodies) - before == 12 - len(kept), "and nothing is asked twice"
    assert results["n"] == 6


def test_a_model_that_changes_in_the_middle_stops_the_run(server, make_vsi_bench, tmp_path) -> None:
    def rename(handler) -> bool:
        server.name = "other"
        return False

    server.plan = [lambda handler: False] * 4 + [rename]
    run = config(server, make_vsi_bench(), concurrency=1, model="tiny")
    with pytest.raises(EndpointError, match="as the model 'other', before as 'tiny'; serve that one again"):
        run_evaluation(run, tmp_path / "out")
    kept = len(read_answers(tmp_path / "out"))
    assert kept >= 3 and all(row["served_model"] == "tiny" for row in read_answers(tmp_path / "out").values())
    with pytest.raises(EndpointError, match="'other', before as 'tiny'"):
        run_evaluation(run, tmp_path / "out")  # a continued run still knows the first name
    server.name = "tiny"
    run_evaluation(run, tmp_path / "out")


def test_the_command_prints_the_cost_before_it_asks(server, make_vsi_bench, tmp_path, capsys) -> None:
    flags = ["--frames", "2", "--limit", "2", "--draws", "0"]
    with pytest.raises(SystemExit) as ended:
        main(["eval", "--endpoint", server.url, "--data", str(make_vsi_bench()), "--out", str(tmp_path / "o"), *flags])
    assert ended.value.code == 0
    assert "2 questions with 4 frames" in " ".join(capsys.readouterr().err.split())


def test_settings_that_cannot_be(make_vsi_bench) -> None:
    for wrong, message in (
        ({"endpoint": "http://x/v1", "min_pixels": 9}, "min_pixels can't be given to an endpoint"),
        ({"max_frames": 9}, "max_frames is 9 without fps"),
        ({"fps": 0.0}, "fps is 0.0; give frames a second above 0"),
        ({"frames_as": "pictures"}, "frames_as is 'pictures'; choose one of video, images"),
        ({"timeout_s": 0.0}, "timeout_s is 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            EvalConfig(**wrong)
    with pytest.raises(ValueError, match="endpoint is 'localhost'; give an address"):
        EndpointModel("localhost", "m")


@pytest.mark.parametrize(
    ("settings", "count"), [({"fps": 2.0}, 4), ({"fps": 2.0, "max_frames": 3}, 3), ({"fps": 99.0}, 12)]
)
def test_frames_by_rate(server, make_vsi_bench, tmp_path, settings, count) -> None:
    run = EvalConfig(endpoint=server.url, data=str(make_vsi_bench()), draws=0, limit=2, **settings)
    results = run_evaluation(run, tmp_path / "out")
    assert [len(pictures(body)) for body in server.bodies] == [count] * 2, "12 frames in 2 s"
    assert results["frames_given"] == [count] and results["settings"]["fps"] == settings["fps"]
    assert len(questions()) > 2
