"""What became of the probes: metrics for Prometheus, a summary for people. Numbers alone (R26)."""

import json
from collections import Counter as Count
from dataclasses import dataclass, field
from typing import Any

import quality_contract as names
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from samplerd.probing.verdicts import Verdicts
from samplerd.tables import table

_BOUNDS = (0.1, 0.3, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600)
OK = "200"


@dataclass
class Line:
    """One target's numbers."""

    addresses: int = 0
    outcomes: Count[str] = field(default_factory=Count)
    """Statuses, ``timeout``, ``unreachable``, ``broken``, ``cut-off`` (under way when the prober had to end)."""
    skipped: Count[str] = field(default_factory=Count)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        sent = sum(self.outcomes.values())
        mean = round(self.seconds / sent, 3) if sent else None
        said = {"addresses": self.addresses, "sent": sent, "answered": self.outcomes[OK], "mean_seconds": mean}
        return {**said, "outcomes": dict(self.outcomes), "skipped": dict(self.skipped)}


class Tally:
    """All targets."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.lines = {target: Line() for target in targets}
        target = names.LABEL_TARGET
        self._sent = Counter(
            names.PROBES_SENT.removesuffix("_total"),
            "Probes that ended, by status or by what went wrong.",
            [target, names.LABEL_OUTCOME],
            registry=self.registry,
        )
        self._skipped = Counter(
            names.PROBES_SKIPPED.removesuffix("_total"),
            "Probes that were due and not sent.",
            [target, names.LABEL_REASON],
            registry=self.registry,
        )
        self._duration = Histogram(
            names.PROBE_DURATION, "How long probes took.", [target], buckets=_BOUNDS, registry=self.registry
        )
        self._addresses = Gauge(names.PROBE_ADDRESSES, "Addresses of a target.", [target], registry=self.registry)
        for name in targets:
            self._sent.labels(name, OK)
            self._duration.labels(name)
            self._addresses.labels(name)

    def ended(self, target: str, outcome: str, seconds: float) -> None:
        """A probe that was sent has ended."""
        self._sent.labels(target, outcome).inc()
        self._duration.labels(target).observe(seconds)
        line = self.lines[target]
        line.outcomes[outcome] += 1
        line.seconds += seconds

    def skip(self, target: str, reason: str) -> None:
        """A probe was due and not sent."""
        self._skipped.labels(target, reason).inc()
        self.lines[target].skipped[reason] += 1

    def has(self, target: str, addresses: int) -> None:
        """A target's addresses were counted."""
        self._addresses.labels(target).set(addresses)
        self.lines[target].addresses = addresses

    @property
    def answered(self) -> int:
        """Probes that were answered well."""
        return sum(line.outcomes[OK] for line in self.lines.values())

    @property
    def sentence(self) -> str:
        """In one line, for the log."""
        sent = sum(sum(line.outcomes.values()) for line in self.lines.values())
        skipped = sum(sum(line.skipped.values()) for line in self.lines.values())
        return f"{sent} probes sent, {self.answered} of them answered, {skipped} not sent"

    def as_json(self, judged: Verdicts | None = None) -> str:
        """The summary for machines, with the verdicts where answers were judged."""
        said: dict[str, Any] = {"targets": {name: line.as_dict() for name, line in self.lines.items()}}
        if judged is not None:
            said["judged"] = [
                {**row.owner._asdict(), "check": row.check, "checked": row.checked, "bad": row.bad}
                for row in judged.rows()
            ]
        return json.dumps(said, indent=1)

    def as_text(self, judged: Verdicts | None = None) -> str:
        """The summary for people, likewise."""
        heads = ("TARGET", "ADDRESSES", "SENT", "ANSWERED", "SECONDS", "OTHERWISE", "NOT SENT")
        lines = table(heads, [_cells(*item) for item in self.lines.items()])
        if judged is not None:
            rows = [tuple(map(str, row)) for row in judged.rows()]
            lines += ["", *table(("JUDGED", "CHECK", "CHECKED", "BAD"), rows), ""]
        return "\n".join([*lines, self.sentence])


def _cells(name: str, line: Line) -> tuple[str, ...]:
    said = line.as_dict()
    mean = "-" if said["mean_seconds"] is None else f"{said['mean_seconds']:.2f}"
    otherwise = {outcome: count for outcome, count in line.outcomes.items() if outcome != OK}
    numbers = (str(said[key]) for key in ("addresses", "sent", "answered"))
    return name, *numbers, mean, _listed(otherwise), _listed(line.skipped)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "-"
