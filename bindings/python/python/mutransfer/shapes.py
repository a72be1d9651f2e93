"""Names and sizes of parameters, from wherever they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mutransfer import _core
from mutransfer.errors import PlanError, in_file

# The longest header that the format safetensors allows.
_LONGEST_HEADER = 100_000_000


class Shape(NamedTuple):
    """Sizes of a parameter, and which axes a layer sums over and writes to, where that is known."""

    dims: tuple[int, ...]
    fan_in: int | None = None
    fan_out: int | None = None


Shapes: TypeAlias = Mapping[str, Sequence[int] | Shape]


def read(given: Shapes | str | Path) -> dict[str, Sequence[int] | Shape]:
    """Shapes as the core takes them, from a mapping or a file."""
    if isinstance(given, Mapping):
        return dict(given)
    path = Path(given)
    if path.suffix == ".bsh":
        raise PlanError(
            f"{path} has base sizes only",
            hint="a .bsh file is a base; give the other models as shapes, JSON or safetensors",
        )
    with in_file(path):
        if path.suffix == ".safetensors":
            return _shapes(_core.safetensors_shapes(_header(path)))
        return _shapes(_core.json_shapes(path.read_text("utf-8")))


def bsh(given: Shapes | str | Path) -> str | None:
    """The text of a `.bsh` file, if it is one."""
    if isinstance(given, Mapping) or Path(given).suffix != ".bsh":
        return None
    return Path(given).read_text("utf-8")


def _shapes(written: Mapping[str, tuple[list[int], int | None, int | None]]) -> dict[str, Any]:
    return {name: Shape(tuple(dims), *axes) for name, (dims, *axes) in written.items()}


def _header(path: Path) -> bytes:
    """The beginning of a file, as checkpoints are large."""
    with path.open("rb") as file:
        length = file.read(8)
        return length + file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER))
