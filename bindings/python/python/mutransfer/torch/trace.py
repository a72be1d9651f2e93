"""Which axes a model sums over, seen in one forward pass.

Parameters are known by their storage, and their axes by strides, so that views need no code. What
is made of one parameter alone, a cast or a copy, stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mutransfer.errors import AxesError
from mutransfer.torch.names import first_names, owned

Example: TypeAlias = torch.Tensor | Sequence[Any] | Mapping[str, Any] | Callable[[nn.Module], Any]

# Products, by their arguments with the axis of each that is summed over, from the last.
_SUMS: dict[str, dict[int, int]] = {
    "aten::mm": {0: -1, 1: -2},
    "aten::bmm": {0: -1, 1: -2},
    "aten::mv": {0: -1, 1: -1},
    "aten::dot": {0: -1, 1: -1},
    "aten::linear": {0: -1, 1: -1},
    "aten::addmm": {1: -1, 2: -2},
    "aten::baddbmm": {1: -1, 2: -2},
    "aten::addmv": {1: -1, 2: -1},
    "aten::_grouped_mm": {0: -1, 1: -2},
}
# Look-ups, whose table is the first argument.
_LOOKUPS = frozenset(
    {
        "aten::embedding",
        "aten::_embedding_bag",
        "aten::_embedding_bag_forward_only",
        "aten::index",
        "aten::index_select",
        "aten::gather",
    }
)


class Use(NamedTuple):
    """What a forward pass does with a parameter."""

    # Axes that are summed over in products.
    summed: frozenset[int]
    is_looked_up: bool


class _Held(NamedTuple):
    """A parameter in a storage: which of its axes a stride belongs to."""

    name: str
    axes: dict[int, int]


def traced(model: nn.Module, example: Example) -> dict[str, Use]:
    """Runs a model once, without gradients, and watches its parameters.

    Args:
        model: A small model with real weights.
        example: What it is called with: a tensor, arguments, keyword arguments, or a function that
            is given the model and runs it.

    Returns:
        What is done with every parameter.

    Raises:
        AxesError: If the model is on the device meta.
    """
    parameters = owned(model)
    first = first_names(parameters)
    if any(own.parameter.is_meta for own in parameters.values()):
        raise AxesError(
            "a forward pass of the base is to be traced, and it is on the device meta",
            hint="build the base with real weights; it is small",
        )
    watch = _Watch({n: parameters[n].parameter for n, own in first.items() if own == n})
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), watch:
            _run(model, example)
    finally:
        model.train(training)
    return watch.uses()


def axes_of(use: Use, rank: int, growing: Sequence[int]) -> tuple[int | None, int | None]:
    """Fan-in and fan-out of a matrix, from what is done with it and which of its axes grow."""
    fan_in = min(use.summed, default=None)
    others = [axis for axis in range(rank) if axis != fan_in]
    grown = [axis for axis in others if axis in growing]
    return fan_in, (grown or others)[-1]


def _run(model: nn.Module, example: Example) -> None:
    if callable(example) and not isinstance(example, torch.Tensor):
        example(model)
    elif isinstance(example, Mapping):
        model(**example)
    elif isinstance(example, torch.Tensor):
        model(example)
    else:
        model(*example)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held = {
            _storage(own): _Held(name, _strides(own, range(own.dim())))
            for name, own in parameters.items()
        }
        self._summed: dict[str, set[int]] = {name: set() for name in parameters}
        self._looked_up: set[str] = set()
        # Storages that are known must not be given to others.
        self._kept: list[torch.Tensor] = []

    def uses(self) -> dict[str, Use]:
        return {
            name: Use(frozenset(summed), name in self._looked_up)
            for name, summed in self._summed.items()
        }

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func._schema.name  # noqa: SLF001
        for at, axis in _SUMS.get(name, {}).items():
            self._sum(args[at], axis)
        if name == "aten::convolution":
            self._sum(args[1], 0 if args[6] else 1)
        if name in _LOOKUPS and (held := self._of(args[0])):
            self._looked_up.add(held.name)
        out = func(*args, **(kwargs or {}))
        self._derive(list(_tensors(args)), out)
        return out

    def _sum(self, tensor: torch.Tensor, axis: int) -> None:
        held = self._of(tensor)
        # An axis of size one has the stride of another.
        if held and tensor.shape[axis] > 1 and tensor.stride(axis) in held.axes:
            self._summed[held.name].add(held.axes[tensor.stride(axis)])

    def _of(self, tensor: Any) -> _Held | None:
        return self._held.get(_storage(tensor)) if isinstance(tensor, torch.Tensor) else None

    def _derive(self, given: list[torch.Tensor], out: Any) -> None:
        """A copy, a cast or a function of one parameter alone stands for it."""
        if not given or not isinstance(out, torch.Tensor) or self._of(out):
            return
        held = [self._of(tensor) for tensor in given]
        source, first = held[0], given[0]
        if source and out.shape == first.shape and all(h and h.name == source.name for h in held):
            axes = [source.axes.get(stride) for stride in first.stride()]
            self._held[_storage(out)] = _Held(source.name, _strides(out, axes))
            self._kept.append(out)


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


def _strides(tensor: torch.Tensor, axes: Sequence[int | None]) -> dict[int, int]:
    """Axes by strides; an axis of size one has none of its own."""
    every = zip(tensor.shape, tensor.stride(), axes, strict=True)
    return {stride: axis for size, stride, axis in every if size > 1 and axis is not None}


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)
