"""Files that are no model, and models that are broken: each is named in one sentence, wherever it is broken."""

import contextlib
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter
from samplerd import cli, commands, server, smollm, transformer
from samplerd.model_file import ModelFile, ModelFileError, find_model_file
from samplerd.settings import Settings
from samplerd.tokenizer import byte_alphabet
from typer.testing import CliRunner

WIDTH, HEADS, KEYS, HIDDEN, CONTEXT = 8, 2, 4, 12, 32
BROKEN = int(os.environ.get("BROKEN_FILES", "100"))
TOKENS = ["<end>", "<start>", "<turn>", *byte_alphabet(), "ab"]
FIELDS: dict[str, Any] = {
    "llama.block_count": 1,
    "llama.context_length": CONTEXT,
    "llama.embedding_length": WIDTH,
    "llama.feed_forward_length": HIDDEN,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": 1,
    "llama.rope.freq_base": 1000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3, 3, 3, *(1 for _ in TOKENS[3:])],
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
}
SIZES = {
    "token_embd": (len(TOKENS), WIDTH),
    "output_norm": (WIDTH,),
    "blk.0.attn_norm": (WIDTH,),
    "blk.0.attn_q": (WIDTH, WIDTH),
    "blk.0.attn_k": (KEYS, WIDTH),
    "blk.0.attn_v": (KEYS, WIDTH),
    "blk.0.attn_output": (WIDTH, WIDTH),
    "blk.0.ffn_norm": (WIDTH,),
    "blk.0.ffn_gate": (HIDDEN, WIDTH),
    "blk.0.ffn_up": (HIDDEN, WIDTH),
    "blk.0.ffn_down": (WIDTH, HIDDEN),
}


def written(path: Path, architecture: str = "llama", sizes: dict[str, tuple[int, ...]] = SIZES, **fields: Any) -> Path:
    """A model that can be served, of 15 KiB, with what is named changed; None leaves a field out."""
    writer = GGUFWriter(path, architecture)
    add: dict[type, Callable[[str, Any], None]] = {
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    for name, value in {**FIELDS, **fields}.items():
        if value is not None:
            add[type(value)](name, value)
    rng = np.random.default_rng(3)
    for name, size in sizes.items():
        writer.add_tensor(f"{name}.weight", rng.standard_normal(size).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = written(tmp_path_factory.mktemp("whole") / "model.gguf")
    assert smollm.load(CONTEXT, path).tokenizer.encode("cab") == [TOKENS.index("c"), TOKENS.index("ab")]
    return path.read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as told:
        smollm.load(CONTEXT, path)
    said = str(told.value)
    assert str(path) in said
    assert "\n" not in said
    return said


def test_a_file_that_is_cut_off_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    for length in (*range(64), *range(64, len(whole), 61), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert refused(path) == f"{path} is not a GGUF file, or is cut off", length


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"junk\n", "is not a GGUF file, or is cut off"),
        (b"junk" * 100, "is not a GGUF file of version 2 or 3"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 0), "lacks general.architecture"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 2**64 - 1, 0), "is not a GGUF file, or is cut off"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**63), "is not a GGUF file, or is cut off"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 4, 2**62), "is not a GGUF file, or is cut off"),
        (
            struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"k", 9) + struct.pack("<IQ", 9, 1) * 5000,
            "is not a GGUF file",
        ),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"k", 99), "is not a GGUF file, or is cut off"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"\xff", 8), "is not a GGUF file, or is cut off"),
    ],
    ids=["short", "junk", "empty", "tensors", "long text", "long list", "nested", "kind", "no UTF-8"],
)
def test_what_is_no_such_file_is_refused(head: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "junk.gguf"
    path.write_bytes(head)
    assert said in refused(path)


def test_a_folder_and_a_file_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"no model file at {tmp_path}"):
        find_model_file(tmp_path)
    with pytest.raises(ModelFileError, match="Is a directory"):
        ModelFile(tmp_path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"llama.block_count": 2}, "lacks the tensor blk.1.attn_q.weight"),
        ({"llama.block_count": 0}, "has sizes that do not fit together"),
        ({"llama.attention.head_count": 0}, "has sizes that do not fit together"),
        ({"llama.attention.head_count": 3}, "has sizes that do not fit together"),
        ({"llama.embedding_length": float("inf")}, "has sizes that do not fit together"),
        ({"llama.context_length": "long"}, "llama.context_length is no number"),
        ({"llama.context_length": None}, "lacks llama.context_length"),
        ({"llama.context_length": 16}, "reads at most 16 tokens: --context 32 is too long"),
        ({"llama.embedding_length": 16}, "the tensor token_embd.weight has the shape (260, 8), not (260, 16)"),
        ({"llama.feed_forward_length": 13}, "the tensor blk.0.ffn_gate.weight has the shape (12, 8), not (13, 8)"),
        ({"tokenizer.ggml.merges": ["a"]}, "holds no tokenizer of smollm2-135m"),
        ({"tokenizer.ggml.merges": ["a zz"]}, "holds no tokenizer of smollm2-135m"),
        ({"tokenizer.ggml.merges": [1, 2]}, "holds no tokenizer of smollm2-135m"),
        ({"tokenizer.ggml.token_type": [1]}, "holds no tokenizer of smollm2-135m"),
        ({"tokenizer.ggml.tokens": "none"}, "tokenizer.ggml.tokens is no list"),
        ({"general.alignment": 0}, "is not a GGUF file, or is cut off"),
        ({"architecture": "gpt2"}, "this server runs the architecture llama, not gpt2"),
    ],
    ids=str,
)
def test_a_model_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refused(written(tmp_path / "model.gguf", **fields))


def test_broken_bytes_are_refused_or_do_no_harm(whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm, "_on_device", lambda array: array)
    monkeypatch.setattr(smollm, "release_memory", lambda: None)
    monkeypatch.setattr(transformer, "rotation_tables", lambda *_: (None, None))  # compiles for every other base
    rng, path = random.Random(5), tmp_path / "broken.gguf"
    for _ in range(BROKEN):
        place, count = rng.randrange(24, 5000), rng.choice((1, 2, 8))
        path.write_bytes(whole[:place] + rng.randbytes(count) + whole[place + count :])
        with contextlib.suppress(ModelFileError):
            smollm.load(CONTEXT, path)


def test_lint_and_preflight_say_so_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "junk.gguf"
    path.write_text("junk")
    settings = Settings(model_path=path, preflight_budget=1.0)
    codes = [
        commands.run_lint(settings, lambda _: pytest.fail("made"), as_json=False),
        commands.run_preflight(settings, lambda _: pytest.fail("made"), baseline=None, as_json=True),
    ]
    said = capsys.readouterr()
    assert (codes, said.out, said.err) == ([2, 2], "", 2 * f"{path} is not a GGUF file, or is cut off\n")


@pytest.mark.parametrize("words", [[], ["--compile-only", "--compile-cache", "cache"]], ids=["serve", "compile only"])
@pytest.mark.parametrize("there", [False, True], ids=["nothing", "junk"])
def test_a_server_says_so_in_a_line(
    there: bool, words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    if there:
        path.write_text("junk")
    monkeypatch.setattr(server, "configure_jax", lambda *_, **__: None)
    ports = ["--host", "127.0.0.1", "--http-port", "0", "--metrics-port", "0"]
    done = CliRunner().invoke(cli.make_app(), ["serve", "--model-path", str(path), *ports, *words])
    assert done.exit_code == 2
    (said,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert said.getMessage() == (f"{path} is not a GGUF file, or is cut off" if there else f"no model file at {path}")
    assert said.exc_info is None
