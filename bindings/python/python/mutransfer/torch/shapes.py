"""Shapes of torch models: which axes a layer sums over follows from the type of its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from mutransfer import shapes as plain
from mutransfer.errors import AxesError, PlanError
from mutransfer.shapes import Shape, Shapes
from mutransfer.torch.names import Owned, first_names, is_table, owned

if TYPE_CHECKING:
    import torch

Model: TypeAlias = nn.Module | Shapes | str | Path
_Axes: TypeAlias = tuple[int | None, int | None]

_OUT_IN = (1, 0)
_IN_OUT = (0, 1)
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _NormBase)
_MATRICES = (nn.Linear, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)


class Known(NamedTuple):
    """What is known of a model: shapes, and parameters with several names."""

    shapes: dict[str, Shape]
    # Readouts that share the tensor of another parameter.
    ties: list[tuple[str, str]]
    # Matrices of which nothing says which axis is summed over, with the class that has them.
    unknown: dict[str, str]


def shapes(model: nn.Module) -> dict[str, Shape]:
    """Names, sizes and axes of all parameters of a model, on any device.

    Args:
        model: It may be wrapped by torch.compile, DDP or FSDP, whose names are taken out.

    Returns:
        A shape for every parameter; one that has several names goes by one of them.

    >>> from torch import nn
    >>> shapes(nn.Linear(3, 5))["weight"]
    Shape(dims=(5, 3), fan_in=1, fan_out=0)
    """
    return known(model).shapes


def known(model: Model) -> Known:
    """What is known of a module, or of shapes."""
    if not isinstance(model, nn.Module):
        return Known(_given(model), [], {})
    parameters = owned(model)
    first = first_names(parameters)
    found = Known({}, [], {})
    for name, own in parameters.items():
        if first[name] != name:
            if is_linear(own.module) and own.local == "weight":
                found.ties.append((name, first[name]))
            continue
        dims = sizes(name, own.parameter)
        axes = _axes(own, dims)
        if axes is None:
            found.unknown[name] = type(own.module).__name__
        found.shapes[name] = Shape(dims, *(axes or (None, None)))
    return found


def sizes(name: str, parameter: torch.Tensor) -> tuple[int, ...]:
    """Global sizes, also where a parameter is sharded."""
    dims = tuple(int(size) for size in getattr(parameter, "ds_shape", parameter.shape))
    if 0 in dims:
        raise PlanError(
            f"parameter `{name}` has the sizes {list(dims)}",
            hint="under ZeRO-3, plan before the model is partitioned",
            parameters=[name],
        )
    return dims


def is_linear(module: nn.Module) -> bool:
    """Whether a multiplier on its input scales its weight and nothing else."""
    return isinstance(module, (nn.Linear, _ConvNd)) or is_conv1d(module)


def is_conv1d(module: nn.Module) -> bool:
    """Whether it is the layer of GPT-2 in transformers, which need not be imported for that."""
    return any(
        kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils"
        for kind in type(module).__mro__
    )


def undeclared(models: Mapping[str, Known], is_declared: Callable[[str], bool]) -> None:
    """Refuses what grows between these models while its axes are unknown.

    Raises:
        AxesError: With all such parameters.
    """
    target = models["target"]
    growing = [
        name
        for name in target.unknown
        if not is_declared(name)
        and any(
            name in other.shapes and other.shapes[name].dims != target.shapes[name].dims
            for other in models.values()
        )
    ]
    if growing:
        first = growing[0]
        raise AxesError(
            f"parameter `{first}` of {target.unknown[first]} has the sizes "
            f"{list(target.shapes[first].dims)} and grows, and nothing says which of its axes the "
            "model sums over",
            hint='example=INPUTS shows it; or say it: declare=[("NAME", "input")] for a table or '
            'position code, "output" for a readout; or axes={"NAME": (fan_in, fan_out)} with the '
            "numbers of the axes",
            code="MU006",
            parameters=growing,
        )


def _given(shapes: Shapes | str | Path) -> dict[str, Shape]:
    read = plain.read(shapes).items()
    return {name: own if isinstance(own, Shape) else Shape(tuple(own)) for name, own in read}


def _axes(own: Owned, dims: tuple[int, ...]) -> _Axes | None:
    """Fan-in and fan-out; nothing where the type of the module does not tell."""
    if len(dims) < 2:  # noqa: PLR2004  (vectors)
        return None, None
    if own.local in ("bias_k", "bias_v"):
        return None, len(dims) - 1
    for is_kind, axes in _BY_MODULE:
        if is_kind(own.module):
            return axes(own.module, len(dims))
    return None


def _convolution(module: Any, _rank: int) -> _Axes:
    if module.transposed:
        return _IN_OUT
    is_depthwise = module.groups > 1 and module.in_channels == module.groups
    return (None, 0) if is_depthwise else _OUT_IN


# Kinds of modules with the axes of their matrices, by module and rank.
_BY_MODULE: tuple[tuple[Callable[[nn.Module], bool], Callable[[nn.Module, int], _Axes]], ...] = (
    (lambda module: isinstance(module, _ConvNd), _convolution),
    (is_table, lambda _, __: (None, 1)),
    (is_conv1d, lambda _, __: _IN_OUT),
    (lambda module: isinstance(module, _NORMS), lambda _, rank: (None, rank - 1)),
    (lambda module: isinstance(module, _MATRICES), lambda _, __: _OUT_IN),
)
