"""Dimensions with their base sizes, as `mup.infshape` has them."""

from __future__ import annotations

from copy import copy
from typing import Any, TypedDict

from mutransfer.mup.errors import MupError


class InfDim:
    """A size with that of the base: a width if there is one, else of fixed size."""

    def __init__(self, base_dim: int | None, dim: int | None) -> None:
        self.base_dim = base_dim
        self.dim = dim

    def isinf(self) -> bool:
        """Whether it is a width."""
        return self.base_dim is not None

    def width_mult(self) -> float:
        """Its size over that of the base; 1 where it is fixed."""
        if self.base_dim is None:
            return 1
        if self.dim is None:
            raise MupError(
                f"a dimension of base size {self.base_dim} has no size yet",
                hint="base shapes are of no model: set_base_shapes(model, base_shapes) gives sizes",
            )
        return self.dim / self.base_dim

    def __repr__(self) -> str:
        return f"InfDim({self.base_dim}, {self.dim})"

    def __str__(self) -> str:
        return repr(self) if self.isinf() else f"FinDim({self.dim})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InfDim) and vars(self) == vars(other)

    # As in mup, whose dimensions can be changed.
    __hash__ = None  # type: ignore[assignment]


class _Serialized(TypedDict):
    base_shape: list[int | None]
    shape: list[int | None]


class InfShape(tuple[InfDim, ...]):
    """The dimensions of a parameter, which has it as `p.infshape`.

    `main` is the dimension that is summed over in a matrix in which two grow, and the one that
    grows else: the last one, unless `main_idx` and `main` are set.
    """

    main_idx: int | None
    main: InfDim | None

    def __init__(self, dims: Any = ()) -> None:
        if not all(isinstance(dim, InfDim) for dim in self):
            kinds = ", ".join(sorted({type(dim).__name__ for dim in self}))
            raise ValueError(f"elements of InfShape need to be of class InfDim, and are {kinds}")
        del dims
        growing = [at for at, dim in enumerate(self) if dim.isinf()]
        self.main_idx = growing[-1] if growing else None
        self.main = self[growing[-1]] if growing else None

    def fanin_fanout(self) -> tuple[InfDim, InfDim]:
        """Dimensions that are summed over and written to, of a matrix stored [out, in]."""
        if len(self) < 2:  # noqa: PLR2004  (vectors)
            raise MupError(
                f"fanin, fanout undefined for 1-dimensional weights, as {self!r}",
                hint="width_mult() is that of its only dimension",
            )
        return self[1], self[0]

    def fanin_fanout_mult_ratio(self) -> float:
        """Width multiplier of the fan-in over that of the fan-out."""
        fanin, fanout = self.fanin_fanout()
        return fanin.width_mult() / fanout.width_mult()

    def ninf(self) -> int:
        """How many dimensions are widths."""
        return sum(dim.isinf() for dim in self)

    def width_mult(self) -> float:
        """That of the main dimension."""
        return 1 if self.main is None else self.main.width_mult()

    def base_shape(self) -> list[int | None]:
        """Base sizes, `None` for fixed dimensions."""
        return [dim.base_dim for dim in self]

    def shape(self) -> list[int | None]:
        """Sizes."""
        return [dim.dim for dim in self]

    def serialize(self) -> _Serialized:
        """Both as plain lists."""
        return {"base_shape": self.base_shape(), "shape": self.shape()}

    @classmethod
    def deserialize(cls, d: _Serialized) -> InfShape:
        """From both as plain lists."""
        return cls([InfDim(*both) for both in zip(d["base_shape"], d["shape"], strict=True)])

    @classmethod
    def from_base_shape(cls, bsh: list[int | None]) -> InfShape:
        """From base sizes alone."""
        return cls([InfDim(base, None) for base in bsh])

    def __repr__(self) -> str:
        return f"InfShape([{tuple.__repr__(self)[1:-1]}])"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InfShape) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


def zip_infshape(base_dims: Any, dims: Any, fin_if_same: bool = True) -> InfShape:
    """Sizes with base sizes; equal ones are fixed unless the base says otherwise."""
    return InfShape(
        [_zip(base, dim, fin_if_same) for base, dim in zip(base_dims, dims, strict=False)]
    )


def _zip(base: Any, dim: int, fin_if_same: bool) -> InfDim:
    if isinstance(base, InfDim):
        own = copy(base)
        own.dim = dim
        return own
    if isinstance(base, int):
        return InfDim(None if base == dim and fin_if_same else base, dim)
    kind = type(base).__name__
    raise ValueError(f"unhandled base_dim type: {kind}; a size is a whole number or an InfDim")
