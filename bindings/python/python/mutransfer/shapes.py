"""Names and sizes of parameters, from wherever they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mutransfer import _core
from mutransfer.errors import PlanError

# The longest header that the format safetensors allows.
_LONGEST_HEADER = 100_000_000


class Shape(NamedTuple):
    """Sizes of a parameter, and which axes a layer sums over and writes to, where that is known."""

    dims: tuple[int, ...]
    fan_in: int | None = None
    fan_out: int | None = None


Shapes: TypeAlias = Mapping[str, Sequence[int] | Shape]
_Written: TypeAlias = dict[str, tuple[Sequence[int], int | None, int | None]]


def read(given: Shapes | str | Path) -> _Written:
    """Shapes as the core takes them, from a mapping or a file."""
    if isinstance(given, Mapping):
        return {name: _shape(name, own) for name, own in given.items()}
    path = Path(given)
    if path.suffix == ".safetensors":
        return dict(_core.safetensors_shapes(_header(path)))
    if path.suffix == ".bsh":
        message = f"{path} has base sizes only; a .bsh file can be given as the base"
        raise PlanError(message)
    return dict(_core.json_shapes(path.read_text("utf-8")))


def base(given: Shapes | str | Path) -> _Written | str:
    """The same, but that of a `.bsh` file it is the text."""
    if not isinstance(given, Mapping) and Path(given).suffix == ".bsh":
        return Path(given).read_text("utf-8")
    return read(given)


def _shape(name: str, own: Sequence[int] | Shape) -> tuple[Sequence[int], int | None, int | None]:
    dims, fan_in, fan_out = own if isinstance(own, Shape) else (tuple(own), None, None)
    for size in dims:
        if not isinstance(size, int) or size < 0:
            message = f"parameter `{name}` has the sizes {dims!r}; they must be whole numbers"
            raise PlanError(message, parameters=[name])
    return dims, fan_in, fan_out


def _header(path: Path) -> bytes:
    """The beginning of a file, as checkpoints are large."""
    with path.open("rb") as file:
        length = file.read(8)
        return length + file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER))
