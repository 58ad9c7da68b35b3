"""Manifests, images, resources, the table, the command line, the waits."""

from __future__ import annotations

import json

import pytest
import yaml
from rich.console import Console
from sampler_rollouts.domain.resource import parse_spec

from local.demo import images, manifests, resources, summary, waiting
from local.demo.__main__ import parse
from local.demo.cast import CAST
from local.demo.limits import PODS
from local.demo.recording import PoolPoint, StatusPoint
from local.demo.screen import Scene, footer, lines, table
from local.errors import LocalError
from tests.unit.demo import made_up

IMAGE = "localhost/sampler-rollouts/sampler@sha256:" + "a" * 64


def test_the_example_is_a_valid_rollout_of_two_pools_in_one_wave_with_one_step():
    example = yaml.safe_load(manifests.EXAMPLE.read_text())
    spec = parse_spec(example["spec"], example["metadata"]["name"])
    assert spec.waves == [["narrow", "wide"]]
    assert [step.weight for step in spec.strategy.steps] == [50]
    assert sum(pool.replicas for pool in spec.pools) == PODS
    assert {(c.name, c.rate_text) for c in spec.quality.checks} == {
        ("errors", "3%"),
        ("unexpected-script", "3%"),
        ("replay-audit", "3%"),
    }
    assert all(pool.sampler.audit_share == "100%" for pool in spec.pools)
    assert [pool.sampler.vocab_shards for pool in spec.pools] == [1, 4]


def test_images_hold_the_programs_of_every_pool_and_of_the_second_build():
    narrow, wide = images.programs(manifests.pools("synthetic"))
    assert "SAMPLER_MODEL=synthetic" in narrow
    assert "SAMPLER_BATCH_SIZES=1 " in narrow
    assert "SAMPLER_VOCAB_SHARDS=4" in wide
    changed = images.programs(manifests.pools("synthetic"), SAMPLER_PREFILL_SIZES="32")
    assert changed == [one.replace("PREFILL_SIZES=48", "PREFILL_SIZES=32") for one in (narrow, wide)]


def test_releases_differ_in_their_images_only(tmp_path):
    paths = {r.number: manifests.write(tmp_path, r.number, IMAGE[:-1] + str(r.number), "synthetic") for r in CAST}
    assert manifests.differences(paths) == []
    spec = yaml.safe_load(paths[3].read_text())["spec"]
    assert {pool["image"][-1] for pool in spec["pools"]} == {"3"}
    assert {"name": "SAMPLER_MODEL", "value": "synthetic"} in spec["pools"][0]["template"]["env"]
    assert "falseRollbackRate: 1%" in manifests.quality_text(paths[1])
    paths[3].write_text(paths[3].read_text().replace("95%", "90%"))
    assert manifests.differences(paths) == ["the manifest of release 3 differs from release 1's in more than its image"]


def test_the_second_build_is_the_first_with_other_arguments():
    settings = {
        "architecture": "amd64",
        "config": {"Cmd": ["serve"], "Labels": {"a": "b"}},
        "rootfs": {"diff_ids": ["x"]},
    }
    manifest = {"config": {"mediaType": "m", "digest": "sha256:old", "size": 1}, "layers": [{"digest": "sha256:layer"}]}
    changed, config = images.with_arguments(manifest, settings, images.SECOND_ARGUMENTS)
    again, _ = images.with_arguments(manifest, settings, images.SECOND_ARGUMENTS)
    assert changed.digest == again.digest
    new = json.loads(changed.source)
    assert new["layers"] == manifest["layers"]
    assert new["config"]["digest"] == config.digest
    assert json.loads(config.source)["config"] == {"Cmd": [*images.SECOND_ARGUMENTS], "Labels": {"a": "b"}}
    assert settings["config"]["Cmd"] == ["serve"]


def pods_of_kubelet() -> list[dict[str, object]]:
    def pod(namespace: str, name: str, mib: int, cores: float) -> dict[str, object]:
        use = {"memory": {"workingSetBytes": mib * 1024**2}, "cpu": {"usageNanoCores": int(cores * 1e9)}}
        return {"podRef": {"namespace": namespace, "name": name}, **use}

    return [
        pod("demo", "chat-narrow-0123456789-abcde-fghij", 500, 0.5),
        pod("demo", "chat-wide-0123456789-abcde-fghij", 700, 0.25),
        pod("monitoring", "prometheus-0123456789-abcde", 40, 0.01),
        {"podRef": {"namespace": "kube-system", "name": "coredns-0123456789-abcde"}},
    ]


def test_the_kubelets_numbers_by_component():
    found = resources.pods_by_component(pods_of_kubelet())
    assert found["sampler pods"] == resources.Use(1200, 0.75, 2)
    assert found["prometheus (pod)"].processes == 1
    assert found["coredns (pod)"] == resources.Use(0, 0, 1)


def test_rest_and_load_are_medians_of_their_looks(tmp_path):
    use = resources.Use
    looks = {
        "rest": [{"etcd": use(40, None)}, {"etcd": use(42, 0.01)}],
        "load": [{"etcd": use(m, 0.02), "sampler pods": use(900, 1.5, 4)} for m in (50, 51, 70)],
    }
    found = resources.rows(looks)
    etcd, samplers = found
    assert (etcd.rest_mib, etcd.rest_cores, etcd.load_mib, etcd.peak_mib) == (41, 0.01, 51, 70)
    assert (samplers.rest_mib, samplers.processes) == (None, 4)
    resources.save(found, tmp_path / "resources.json")
    assert json.loads((tmp_path / "resources.json").read_text())[0]["component"] == "etcd"


def scene() -> Scene:
    pools = [
        PoolPoint(
            name="narrow",
            revision="abc",
            wanted=50,
            observed=48,
            candidate_ready=1,
            stable_ready=2,
            verdict="Passed",
            check="errors",
            checked=9,
            worst="errors 0/9",
        ),
        PoolPoint(name="wide", revision="def", stable_ready=2, check="replay-audit", checked=70, worst="audit 0/70"),
    ]
    status = StatusPoint(at=0, generation=1, observed_generation=1, phase="Progressing", pools=pools)
    return Scene(status, "release 2", 2.5, 40, 1, {"1": 30, "2": 10}, {"abc": 2})


def printed(*things: object) -> str:
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as captured:
        for thing in things:
            console.print(thing)
    return captured.get()


def test_the_table_shows_each_pool():
    text = printed(table(scene()))
    assert all(word in text for word in ("abc (2)", "50 %", "48 %", "errors 0/9", "Passed", "wide"))
    assert all(word in text for word in ("ready (new/stable)", "1/2", "-/2", "9 requests", "70 tokens"))
    assert "2.5 answers/s" in footer(scene(), 65)
    assert "release 1: 30, release 2: 10" in footer(scene(), 65)
    assert "1:05" in footer(scene(), 65)


def test_the_table_before_there_is_anything():
    assert "pool" in printed(table(Scene()))
    assert lines(Scene()) == []
    assert "no status yet" in footer(Scene(), 0)


def test_lines_say_the_same():
    assert lines(scene())[1:] == [
        "narrow abc (2): wanted 50 %, observed 48 %, ready pods (new/stable) 1/2, errors 0/9 (requests), Passed",
        "wide def: wanted 0 %, observed 0 %, ready pods (new/stable) -/2, audit 0/70 (tokens), no verdict",
    ]


def test_the_last_words():
    recording = made_up.recording()
    text = printed(
        summary.releases(recording.releases), summary.resources(recording.resources), summary.load(recording)
    )
    assert all(word in text for word in ("approximate top-k", "rolled back", "46.7 %", "54 s", "kube-apiserver"))
    text = printed(summary.agreement(made_up.agreement()))
    assert all(word in text for word in ("narrow (1 device)", "wide (vocabulary over 4 devices)", "the same 3 tokens"))
    assert "What colour is the sky?" in printed(summary.pair(recording.releases[2], recording.releases[2].pair))


def test_the_command_line(tmp_path, capsys):
    options = parse(["--keep", "--model", "synthetic", "--report", str(tmp_path / "r.html")])
    assert (options.keep, options.served_model, options.out) == (True, "synthetic", tmp_path)
    assert parse([]).served_model == "smollm2-135m"
    with pytest.raises(SystemExit):
        parse(["--workers", "0"])
    assert "--workers" in capsys.readouterr().err


def test_a_wait_ends_in_time():
    assert waiting.until("something", lambda: True, 1)
    assert not waiting.until("something", lambda: False, 0.05, every=0.01)

    def refuse() -> bool:
        raise LocalError("no")

    with pytest.raises(LocalError, match="something"):
        waiting.until("something", refuse, 0.05, every=0.01)
