"""vLLM's metrics, as Prometheus reads them, and none of anybody else's. Names, labels and bounds are vLLM's."""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass, field

REASONS = ("stop", "length", "abort", "error")
REQUEST_BOUNDS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
FIRST_TOKEN_BOUNDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip


@dataclass
class Histogram:
    """Seconds, by upper bound."""

    name: str
    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect.bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def lines(self, labels: str) -> list[str]:
        """In Prometheus' text format."""
        found, so_far = [f"# TYPE {self.name} histogram"], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append(f'{self.name}_bucket{{{labels},le="{bound}"}} {so_far}')
        return [*found, f"{self.name}_sum{{{labels}}} {self.total}", f"{self.name}_count{{{labels}}} {so_far}"]


class Metrics:
    """All that is counted. What belongs to one request is counted together: no scrape falls in between."""

    def __init__(self, model: str) -> None:
        self._labels = f'model_name="{model}",engine="0"'
        self._lock = threading.Lock()
        self._finished = dict.fromkeys(REASONS, 0)
        self._prompt_tokens = self._generation_tokens = self._running = 0
        self._duration = Histogram("vllm:e2e_request_latency_seconds", REQUEST_BOUNDS)
        self._first_token = Histogram("vllm:time_to_first_token_seconds", FIRST_TOKEN_BOUNDS)

    def began(self) -> None:
        """A request is under way."""
        with self._lock:
            self._running += 1

    def ended(self, reason: str, *, prompt: int = 0, generated: int = 0, first: float = 0.0, whole: float) -> None:
        """It ended: why, its tokens, and the seconds until its first token and its end."""
        with self._lock:
            self._running -= 1
            self._finished[reason] += 1
            self._prompt_tokens += prompt
            self._generation_tokens += generated
            if generated:
                self._first_token.observe(first)
            self._duration.observe(whole)

    @property
    def running(self) -> int:
        """Requests under way."""
        with self._lock:
            return self._running

    def text(self) -> str:
        """What `GET /metrics` answers."""
        with self._lock:
            lines = [
                "# TYPE vllm:num_requests_running gauge",
                f"vllm:num_requests_running{{{self._labels}}} {self._running}",
            ]
            for name, value in (("prompt", self._prompt_tokens), ("generation", self._generation_tokens)):
                lines += [f"# TYPE vllm:{name}_tokens counter", f"vllm:{name}_tokens_total{{{self._labels}}} {value}"]
            lines.append("# TYPE vllm:request_success counter")
            lines += [
                f'vllm:request_success_total{{{self._labels},finished_reason="{reason}"}} {count}'
                for reason, count in self._finished.items()
            ]
            lines += [*self._duration.lines(self._labels), *self._first_token.lines(self._labels)]
        return "\n".join(lines) + "\n"
