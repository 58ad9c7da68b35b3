"""One release's turn: apply, wait as a user would, look."""

from __future__ import annotations

import contextlib
import random
import time

import httpx

from local.demo import agreement, findings, limits, pairs, told, traces, witness
from local.demo.answers import Answer, revision_of
from local.demo.ask import Ask, AskSource
from local.demo.cast import ROLLED_BACK, Role
from local.demo.company import Company
from local.demo.load import LoadGenerator
from local.demo.manifests import NAME, NAMESPACE, SERVICE
from local.demo.prompts import foreign_letters, load_prompts
from local.demo.recording import Recording, ReleaseRecord
from local.demo.report import words
from local.demo.view import REVISION_LABEL, is_ready, revision_label
from local.demo.waiting import NotAsToldError, kubectl_wait, until
from local.errors import LocalError

PROBES = 3


class Turn:
    """One release."""

    def __init__(self, company: Company, role: Role, record: ReleaseRecord, recording: Recording) -> None:
        self.company, self.role, self.record, self.recording = company, role, record, recording
        self._generation = 0

    def play(self) -> None:
        """From apply to the end. Raises NotAsToldError when the story cannot go on."""
        self._say(f"Release {self.role.number}, {self.role.title}. {self.role.what}", "bold")
        self._apply()
        if self.role.number == 1:
            self._establish()
        elif self.role.expected == ROLLED_BACK:
            self._be_rolled_back()
        else:
            self._be_promoted()

    def close(self) -> None:
        """Write down what was seen, however the turn ended."""
        with contextlib.suppress(httpx.HTTPError):  # the looks before this one stand
            self.company.watcher.look()
            self.company.watcher.collect_events()
        self.record.ended_at = time.time()
        self._note()
        self._say_outcome()
        traces.shown(self.company.cluster, self.company.options.out, self.role.number)

    def _say(self, text: str, style: str = "") -> None:
        self.company.screen.say(text, style)

    def _apply(self) -> None:
        company = self.company
        if company.load is not None:
            company.load.phase = self.role.name
        self.record.applied_at = time.time()
        path = company.paths[self.role.number]
        company.cluster.kubectl("apply", "-f", path)
        self._generation = company.watcher.look().generation
        if self.role.number == 1:
            company.watcher.start()
        self._say(f"kubectl apply -f out/{path.name}")

    def _establish(self) -> None:
        self._wait("Ready", limits.FIRST_READY)
        company = self.company
        url = company.api.service_url(NAMESPACE, SERVICE)
        company.load = LoadGenerator(url, model=company.options.served_model, workers=company.options.workers)
        company.load.phase = self.role.name
        # Ready pods are in the Service's rules a moment later: a connection before that is refused.
        if not until("the Service's first answer", self._answers, limits.FIRST_ANSWER):
            raise NotAsToldError(f"the Service gave no answer within {limits.FIRST_ANSWER} s of Ready=True")
        self._compare_pools()
        self._say("it serves in both pools; the load begins")
        company.resources.phase = "load"
        company.load.start()
        time.sleep(limits.ALONE)

    def _compare_pools(self) -> None:
        """Before the load: an idle server takes each request by itself, at the batch size of its pool."""
        try:
            serving = self.company.watcher.look().stable
            found = agreement.ask_pools(self.company.api, serving, self.company.options.served_model)
        except (httpx.HTTPError, agreement.OddAnswerError) as problem:  # the end says that it is missing
            self._say(f"the pools could not be compared: {problem}", "bold red")
            return
        self.recording.agreement = found
        self._say(words.agreement(found), "green" if found.same else "red")

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            return bool(self._ask(Ask(prompt="Are you there?", seed=1, max_tokens=1)).fingerprint)
        return False

    def _be_promoted(self) -> None:
        self._wait("Ready", limits.PROMOTION)
        self._say("all checks have passed in both pools: it has all traffic now, and bakes")
        self._wait("Verified", limits.BAKE)

    def _be_rolled_back(self) -> None:
        self._wait("RolledBack", limits.ROLLBACK)
        self._say("the operator has taken it back; waiting until stable is whole again")
        if not until("recovery", self._recovered, limits.RECOVERY):
            self.record.after_problems.append(f"stable was not whole again {limits.RECOVERY} s after the rollback")
        self._probe_stable()
        self._find_pair()

    def _wait(self, condition: str, seconds: float) -> None:
        self._say(f"kubectl wait --for=condition={condition} samplerrollout/{NAME} -n {NAMESPACE}")
        kubectl_wait(self.company.cluster, condition, seconds, self._hopeless)

    def _hopeless(self) -> str:
        """Why the wait cannot end well any more; empty while it can."""
        seen = self.company.watcher.latest()
        if seen is None or seen.generation < self._generation or seen.observed_generation < self._generation:
            return ""
        return told.other_end(seen, self.role.expected)

    def _recovered(self) -> bool:
        """Only stable's pods are left, and all of them are ready."""
        seen = self.company.watcher.latest()
        stable = set(seen.stable.values()) if seen else set()
        with contextlib.suppress(httpx.HTTPError):
            pods = self.company.api.pods(NAMESPACE, REVISION_LABEL)
            wanted = all(revision_label(p) in stable and is_ready(p) for p in pods)
            return wanted and len(pods) >= limits.PODS
        return False

    def _probe_stable(self) -> None:
        seen = self.company.watcher.latest()
        stable = set(seen.stable.values()) if seen else set()
        source = AskSource(
            load_prompts(), max_tokens=12, top_k=40, top_k_share=0.5, rng=random.Random(self.role.number)
        )
        for _ in range(PROBES):
            problem = self._probe(source.next(), stable)
            if problem:
                self.record.after_problems.append(problem)

    def _probe(self, ask: Ask, stable: set[str]) -> str:
        try:
            answer = self._ask(ask)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            return f"after the rollback a request failed: {error}"
        if revision_of(answer.fingerprint) not in stable:
            return f"after the rollback {answer.fingerprint} answered, which is not stable"
        return "after the rollback an answer has foreign letters" if foreign_letters(answer.text) else ""

    def _ask(self, ask: Ask) -> Answer:
        assert self.company.load is not None
        return self.company.load.ask_once(ask)

    def _find_pair(self) -> None:
        if self.company.load is None:
            return
        self._note()  # by now the looks say in which pool a check failed
        suspects = findings.suspect_revisions(self.record)
        bad = self.company.load.answers.of_revisions(set(suspects.values()))
        self.record.pair = pairs.find(self.role.check, bad, self._ask, self._serving())
        if self.record.pair is None and suspects:
            self._say(
                f"none of its {len(bad)} answers to users shows what it does: a pod of it is asked apart from them"
            )
            self.record.pair = pairs.find(
                self.role.check, self._heard(next(iter(suspects))), self._ask, self._serving()
            )

    def _heard(self, pool: str) -> list[Answer]:
        """What a pod of the build says to the load generator's questions, apart from users."""
        company = self.company
        asks = witness.questions(self.role.number)
        try:
            serving = company.watcher.look().stable[pool]
            return witness.heard(company.cluster, company.api, pool, serving, self.record.image, asks)
        except (LocalError, httpx.HTTPError, KeyError, ValueError) as problem:  # the end says that it is missing
            self._say(f"it could not be asked: {problem}", "bold red")
            return []

    def _serving(self) -> str:
        good = [r.number for r in self.recording.releases if r.should_stay]
        return f"release {good[-1]}" if good else "stable"

    def _note(self) -> None:
        watcher, record = self.company.watcher, self.record
        findings.note_status(record, watcher.statuses(record.applied_at), self._generation)
        findings.note_events(record, watcher.events(record.applied_at))
        if self.company.load is not None:
            records = self.company.load.tally.records(since=record.applied_at)
            findings.note_traffic(record, records)

    def _say_outcome(self) -> None:
        style = "red" if self.record.outcome == ROLLED_BACK else "green"
        self._say(f"Release {self.role.number}: {self.record.outcome or 'undecided'}. {self.record.sentence}", style)
