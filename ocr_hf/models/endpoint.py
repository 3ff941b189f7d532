"""Ask a model behind an OpenAI-compatible server, such as vLLM or an API, by the interface of `AnsweringModel`.

Frames go as images, or as one MP4 video where the server takes `video_url`. The key is read from OCR_HF_API_KEY or
OPENAI_API_KEY and is written nowhere.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ocr_hf.models.answer import ModelAnswer, Prompt
from ocr_hf.models.media import with_video

if TYPE_CHECKING:
    import numpy as np

FRAMES_AS = ("images", "video")
IMAGE_FORMATS = ("png", "jpeg")
"""png: the very pixels; jpeg: quality 95 without chroma subsampling, about a fifth of the bytes."""
KEYS = ("OCR_HF_API_KEY", "OPENAI_API_KEY")
LONGEST_WAIT_S = 60.0
_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""Statuses that pass: a server that is busy, is starting, or counts requests."""


class EndpointError(RuntimeError):
    """A server that did not answer, or not as an OpenAI-compatible one does; the message says what to do."""


@dataclass(frozen=True, eq=False)
class SentVideo:
    """A video as the request's content has it.

    parts : blocks of type image_url or video_url; size_bytes : of their text
    """

    parts: list[dict[str, Any]]
    size_bytes: int


class EndpointModel:
    """A served model. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        model: str | None = None,
        frames_as: str = "images",
        image_format: str = "png",
        max_pixels: int | None = None,
        timeout_s: float = 120.0,
        retries: int = 5,
        served: str | None = None,
    ) -> None:
        """Take the address of a server and find out which model it serves.

        Args:
            url: Up to `/v1`, as in http://localhost:8000/v1.
            model: Its name on the server; None where the server serves one model only.
            frames_as: "images" or "video".
            image_format: "png" or "jpeg", of images.
            max_pixels: Frames of more pixels are made smaller before they are sent.
            timeout_s: Of one request.
            retries: Further attempts after a timeout, a lost connection or a status that passes.
            served: What the server called its model before, where a run is continued.

        Raises:
            ValueError: A setting can't be used.
            EndpointError: The server doesn't answer, or doesn't serve this model.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint is '{url}'; give an address such as http://localhost:8000/v1")
        self.url = url.rstrip("/")
        self.frames_as, self.image_format, self.max_pixels = frames_as, image_format, max_pixels
        self.timeout_s, self.retries = timeout_s, retries
        self.served = served
        self._lock = Lock()
        self.model = model or self._only_model()
        # What prepares questions asks an encoder for facts and sizes
        self.encoder = self

    @property
    def shown_url(self) -> str:
        """The address without what may be secret: user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def encode(self, frames: np.ndarray, fps: float) -> SentVideo:
        """Return a video for `Prompt`: frames (T, H, W, 3) uint8, all sent, sampled at `fps` a second."""
        frames = within_pixels(frames, self.max_pixels)
        if self.frames_as == "video":
            parts = [_part("video_url", "video/mp4", _mp4(frames, fps))]
        else:
            parts = [_part("image_url", f"image/{self.image_format}", _image(f, self.image_format)) for f in frames]
        return SentVideo(parts, sum(len(next(iter(part[part["type"]].values()))) for part in parts))

    def facts(self, video: SentVideo) -> dict[str, Any]:
        """Return what to record of a video: nothing, since the server makes the model's inputs."""
        return {}

    def nbytes(self, video: SentVideo) -> int:
        """Return how much memory a video takes."""
        return video.size_bytes

    def answer(self, prompts: Sequence[Prompt], max_new_tokens: int = 16) -> list[ModelAnswer]:
        """Return one answer per prompt, asked one after the other, at temperature 0.

        Raises:
            EndpointError: The server doesn't answer, or answers as another model than before.
        """
        return [ModelAnswer(self._ask(prompt, max_new_tokens)) for prompt in prompts]

    def _ask(self, prompt: Prompt, max_new_tokens: int) -> str:
        messages = prompt.messages if prompt.video is None else _with_parts(prompt.messages, prompt.video.parts)
        body = {
            "model": self.model, "messages": list(messages), "max_tokens": max_new_tokens, "temperature": 0, "n": 1,
        }  # fmt: skip
        answer = self._request("chat/completions", body)
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise EndpointError(
                f"{self.shown_url} answered without choices[0].message.content ({_start(json.dumps(answer))}); it is "
                "no OpenAI-compatible chat server"
            ) from None
        self._check_served(answer.get("model"))
        # A model that says nothing has said nothing: None, or "" for some servers
        return content or ""

    def _check_served(self, name: Any) -> None:
        with self._lock:
            if self.served is None:
                self.served = name
            elif name is not None and name != self.served:
                raise EndpointError(
                    f"{self.shown_url} answered as the model '{name}', before as '{self.served}'; serve that one "
                    "again and repeat the command, or choose another --out"
                )

    def _only_model(self) -> str:
        listed = self._request("models")
        names = [entry.get("id") for entry in listed.get("data", [])] if isinstance(listed, dict) else []
        if len(names) != 1:
            known = ", ".join(map(str, names)) or "none"
            raise EndpointError(f"{self.shown_url} serves {known}; name one with --model")
        return names[0]

    def _request(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the server's JSON; what passes is tried again, after 1, 2, 4 ... seconds or as long as it asks for."""
        why = ""
        for attempt in range(self.retries + 1):
            try:
                return self._once(path, body)
            except urllib.error.HTTPError as error:
                why = f"status {error.code}, {_said(error)}"
                if error.code not in _AGAIN:
                    raise EndpointError(f"{self.shown_url} refused the request ({why}); {_hint(error.code)}") from None
                wait = _asked_wait(error.headers.get("Retry-After"))
            except (TimeoutError, urllib.error.URLError, ConnectionError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                is_late = isinstance(reason, TimeoutError)
                why = f"no answer within {self.timeout_s:g} s" if is_late else str(reason) or type(reason).__name__
                wait = None
            if attempt < self.retries:
                time.sleep(min(LONGEST_WAIT_S, 2.0**attempt if wait is None else wait))
        raise EndpointError(
            f"{self.shown_url} did not answer in {self.retries + 1} attempts ({why}); when it does, repeat the command "
            "to go on, with a smaller --concurrency or a longer --timeout-s if it was too busy"
        )

    def _once(self, path: str, body: Mapping[str, Any] | None) -> Any:
        key = next((os.environ[name] for name in KEYS if os.environ.get(name)), None)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
            kind, text = response.headers.get_content_type(), response.read()
        try:
            return json.loads(text)
        except ValueError:
            raise EndpointError(
                f"{self.shown_url}/{path} answered with {kind} and not with JSON "
                f"({_start(text.decode(errors='replace'))}); give the address of an OpenAI-compatible server, up to /v1"
            ) from None


def within_pixels(frames: np.ndarray, max_pixels: int | None) -> np.ndarray:
    """Return frames (T, H, W, 3) uint8 made so small that none has more pixels; smaller ones as they are."""
    height, width = frames.shape[1:3]
    if max_pixels is None or height * width <= max_pixels:
        return frames
    import cv2
    import numpy as np

    scale = (max_pixels / (height * width)) ** 0.5
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _with_parts(messages: Sequence[Mapping[str, Any]], parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat whose video block became the blocks of a request."""
    return [
        {**turn, "content": [new for part in turn["content"] for new in (parts if part["type"] == "video" else [part])]}
        for turn in with_video([dict(message) for message in messages])
    ]


def _part(kind: str, media_type: str, content: bytes) -> dict[str, Any]:
    return {"type": kind, kind: {"url": f"data:{media_type};base64,{base64.b64encode(content).decode()}"}}


def _image(frame: np.ndarray, image_format: str) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    quality = {"quality": 95, "subsampling": 0} if image_format == "jpeg" else {"compress_level": 3}
    Image.fromarray(frame).save(content, image_format, **quality)
    return content.getvalue()


def _mp4(frames: np.ndarray, fps: float) -> bytes:
    from ocr_hf.data.video import write_mp4

    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_mp4(path, frames, fps)
        return path.read_bytes()


def _asked_wait(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None where it has none, or a date."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _said(error: urllib.error.HTTPError) -> str:
    """Return the server's own words, from the JSON that OpenAI's API puts them into."""
    text = error.read().decode(errors="replace")
    try:
        told = json.loads(text)
        told = told.get("error", told)
        return _start(str(told.get("message", told) if isinstance(told, dict) else told))
    except (ValueError, AttributeError):
        return _start(text) if text.strip() else str(error.reason)


def _hint(status: int) -> str:
    if status in (401, 403):
        return f"set {KEYS[0]} to a key that it takes"
    if status == 404:
        return "check the address, which ends in /v1, and the name given with --model"
    if status in (400, 413, 422):
        return "send less with --frames, --max-pixels or --image-format jpeg, or say --frames-as images"
    return "see the server's log"


def _start(text: str) -> str:
    line = " ".join(text.split())
    return f"'{line[:100]}{'...' if len(line) > 100 else ''}'"
