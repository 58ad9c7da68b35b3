"""A server of one's own: OpenAI's completions over HTTP, vLLM's metrics, and nothing of this project's.

It listens on the two ports that the operator gives a pod: 8000 (`http`) for users, 9090 (`metrics`) for Prometheus and
for probes. Both answer everything. `SIGTERM`: not ready from now on, what is under way ends, then it goes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sampling
from metrics import Metrics
from model import STOP, Model, load

NAME = "page-of-prose"
MOST_TOKENS = 512
MOST_TOP = 20
LARGEST_BODY = 1 << 20
LEAVING_SECONDS = 3.0
"""Requests still come for a moment after a pod is taken off its Services."""


class BadRequestError(Exception):
    """The client's fault: the text says which field, and what would be right."""


@dataclass(frozen=True)
class Ask:
    """What a request asks for."""

    prompt: str
    max_tokens: int
    temperature: float
    top: int | None
    seed: int | None


@dataclass(frozen=True)
class Answer:
    """Its tokens, each with its log-probability and those of the likeliest; the model's own, at temperature 1."""

    tokens: list[int]
    logprobs: list[list[float]]
    reason: str
    prompt_tokens: int
    first: float


def _number(body: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)


def _prompt(body: dict[str, Any], chat: bool) -> str:
    found = body.get("messages" if chat else "prompt")
    if not chat and isinstance(found, str):
        return found
    if chat and isinstance(found, list) and found and isinstance(found[-1], dict):
        content = found[-1].get("content")
        if isinstance(content, str):
            return content
    raise BadRequestError("messages must be a list of messages with text" if chat else "prompt must be a text")


def read_ask(body: Any, *, chat: bool) -> Ask:
    """What a body asks for. Raises BadRequestError."""
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    if body.get("stream"):
        raise BadRequestError("stream: this server answers at once: leave it out")
    wanted = body.get("top_logprobs", 0) if chat and body.get("logprobs") else body.get("logprobs")
    top = None if wanted in (None, False) else int(_number({"logprobs": wanted}, "logprobs", 0, 0, MOST_TOP))
    seed = body.get("seed")
    if seed is not None and not isinstance(seed, int):
        raise BadRequestError("seed must be a whole number")
    tokens = int(_number(body, "max_tokens", 16, 1, MOST_TOKENS))
    return Ask(_prompt(body, chat), tokens, _number(body, "temperature", 1.0, 0, 2), top, seed)


def generate(model: Model, ask: Ask) -> Answer:
    """One answer: until its tokens are used up, or a sentence has ended after 24 of them."""
    began, first = time.monotonic(), 0.0
    rng = random.Random(ask.seed)
    context = model.tokens(ask.prompt)
    size, rows = len(context), []
    while True:
        row = model.logprobs(context)
        token = sampling.draw(row, ask.temperature, rng)
        context.append(token)
        rows.append(row)
        first = first or time.monotonic() - began
        ended = len(rows) >= 24 and model.words[token] == STOP
        if ended or len(rows) == ask.max_tokens:
            return Answer(context[size:], rows, "stop" if ended else "length", size, first)


def _likeliest(model: Model, row: list[float], top: int) -> list[tuple[str, float]]:
    best = sorted(range(len(row)), key=lambda token: (-row[token], token))[:top]
    return [(model.text(token), row[token]) for token in best]


def _chat_logprobs(model: Model, answer: Answer, top: int) -> dict[str, Any]:
    content = []
    for token, row in zip(answer.tokens, answer.logprobs, strict=True):
        best = [{"token": text, "logprob": one} for text, one in _likeliest(model, row, top)]
        content.append({"token": model.text(token), "logprob": row[token], "top_logprobs": best})
    return {"content": content}


def _completion_logprobs(model: Model, answer: Answer, top: int) -> dict[str, Any]:
    pairs = list(zip(answer.tokens, answer.logprobs, strict=True))
    return {
        "tokens": [model.text(token) for token, _ in pairs],
        "token_logprobs": [row[token] for token, row in pairs],
        "top_logprobs": [dict(_likeliest(model, row, top)) for _, row in pairs],
    }


def render(model: Model, ask: Ask, answer: Answer, *, chat: bool) -> dict[str, Any]:
    """The answer in OpenAI's form."""
    text = "".join(model.text(token) for token in answer.tokens).strip()
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    form = _chat_logprobs if chat else _completion_logprobs
    logprobs = None if ask.top is None else form(model, answer, ask.top)
    used = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": len(answer.tokens)}
    return {
        "id": f"cmpl-{random.getrandbits(64):016x}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": NAME,
        # Which build answered, as `samplerctl which` reads it; no server has to.
        "system_fingerprint": f"{os.environ.get('SAMPLER_REVISION', 'none')}-none",
        "choices": [{"index": 0, **said, "logprobs": logprobs, "finish_reason": answer.reason}],
        "usage": {**used, "total_tokens": sum(used.values())},
    }


class Service:
    """What all connections share."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.metrics = Metrics(NAME)
        self.leaving = threading.Event()

    def answer(self, body: bytes, *, chat: bool) -> tuple[int, dict[str, Any]]:
        """Status and body of one request. One that is malformed is nobody's failure, and is not counted."""
        try:
            ask = read_ask(json.loads(body), chat=chat)
        except (ValueError, BadRequestError) as error:
            return 400, {"error": {"message": str(error), "type": "invalid_request_error"}}
        self.metrics.began()
        began = time.monotonic()
        try:
            found = generate(self.model, ask)
        except Exception as error:
            self.metrics.ended("error", whole=time.monotonic() - began)
            return 500, {"error": {"message": type(error).__name__, "type": "server_error"}}
        sizes = {"prompt": found.prompt_tokens, "generated": len(found.tokens)}
        self.metrics.ended(found.reason, **sizes, first=found.first, whole=time.monotonic() - began)
        return 200, render(self.model, ask, found, chat=chat)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True  # head and body of an answer are two writes
    service: Service

    def do_GET(self) -> None:
        """Health and metrics."""
        if self.path == "/metrics":
            self._send(200, self.service.metrics.text().encode(), "text/plain; version=0.0.4")
        elif self.path in {"/healthz", "/readyz"}:
            ready = self.path == "/healthz" or not self.service.leaving.is_set()
            self._send(200 if ready else 503, b"ok\n" if ready else b"leaving\n", "text/plain")
        else:
            self._send(404, b"not found\n", "text/plain")

    def do_POST(self) -> None:
        """A completion."""
        size = self.headers.get("Content-Length", "")
        if not size.isdigit() or int(size) > LARGEST_BODY:
            self.close_connection = True
            self._send(413, b"{}", "application/json")
            return
        body = self.rfile.read(int(size))
        if self.path not in {"/v1/completions", "/v1/chat/completions"}:
            self._send(404, b"{}", "application/json")
            return
        status, found = self.service.answer(body, chat=self.path == "/v1/chat/completions")
        self._send(status, json.dumps(found).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.service.leaving.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a line a request is worth nothing, and a path may hold anything."""


class Listener(ThreadingHTTPServer):
    """One port. Connections do not keep the process alive."""

    daemon_threads = True
    request_queue_size = 128


def listen(service: Service, host: str, port: int) -> Listener:
    """Answer on a port; 0 takes a free one."""
    listener = Listener((host, port), type("Bound", (Handler,), {"service": service}))
    threading.Thread(target=listener.serve_forever, args=(0.1,), daemon=True).start()
    return listener


def main() -> None:
    """Serve until SIGTERM."""
    service = Service(load())
    # Kept back from all threads and waited for: a handler that sets an Event may meet the thread that holds its lock.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    host = os.environ.get("HOST", "0.0.0.0")
    for name, port in (("HTTP_PORT", 8000), ("METRICS_PORT", 9090)):
        where = listen(service, host, int(os.environ.get(name, str(port)))).server_address
        sys.stderr.write(f"{name} {where[1]}\n")
    sys.stderr.flush()
    signal.sigwait(ending)
    service.leaving.set()
    end = time.monotonic() + float(os.environ.get("SAMPLER_DRAIN_TIMEOUT", "10"))
    leaving = float(os.environ.get("LEAVING_SECONDS", LEAVING_SECONDS))
    time.sleep(min(leaving, max(0.0, end - time.monotonic())))
    while service.metrics.running and time.monotonic() < end:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
