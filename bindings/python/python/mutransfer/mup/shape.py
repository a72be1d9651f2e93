"""Base shapes of models, as `mup.shape` has them."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from torch import nn
from torch.nn import Linear
from torch.nn.modules.conv import _ConvNd

import mutransfer.torch as mt
from mutransfer import _core
from mutransfer.errors import PlanWarning, in_file
from mutransfer.mup.errors import MupError, unset
from mutransfer.mup.infshape import InfShape, zip_infshape
from mutransfer.mup.layer import MuReadout, rescale_linear_bias

Model = TypeVar("Model", bound=nn.Module)
Shapes: TypeAlias = dict[str, Any]

_PARALLEL = "module."


def get_shapes(model: nn.Module) -> Shapes:
    """Sizes by name; those that the model gives itself, if it has `get_shapes`."""
    own = getattr(model, "get_shapes", None)
    if callable(own):
        return dict(own())
    return {name: parameter.shape for name, parameter in model.named_parameters()}


def get_infshapes(model: nn.Module) -> dict[str, InfShape]:
    """Dimensions by name of a model with base shapes."""
    return {name: _infshape(name, own) for name, own in model.named_parameters()}


def _infshape(name: str, parameter: torch.Tensor) -> InfShape:
    found = getattr(parameter, "infshape", None)
    if not isinstance(found, InfShape):
        raise unset(f"parameter `{name}`")
    return found


def save_base_shapes(model_or_shapes: nn.Module | Shapes, file: str | Path) -> None:
    """Writes a `.bsh` file, byte for byte as mup does."""
    if isinstance(model_or_shapes, nn.Module):
        shapes: Shapes = dict(get_infshapes(model_or_shapes))
    elif isinstance(model_or_shapes, dict):
        shapes = model_or_shapes
    else:
        kind = type(model_or_shapes).__name__
        raise ValueError(f"unhandled type: {kind}; give a model with base shapes, or base shapes")
    sizes = {name: infshape.base_shape() for name, infshape in shapes.items()}
    Path(file).write_text(_core.bsh_write(sizes), "utf-8")


def load_base_shapes(filename: str | Path) -> dict[str, InfShape]:
    """Reads a `.bsh` file."""
    with in_file(Path(filename)):
        read = _core.bsh_read(Path(filename).read_text("utf-8"))
    return {name: InfShape.from_base_shape(dims) for name, dims in read.items()}


def _dataparallel_hack(base_shapes: Shapes, shapes: Shapes) -> tuple[Shapes, Shapes]:
    """Makes the names of both start with `module.`, or neither's, as those of the second do."""
    are_wrapped = [all(k.startswith(_PARALLEL) for k in of) for of in (base_shapes, shapes)]
    are_plain = [not any(k.startswith(_PARALLEL) for k in of) for of in (base_shapes, shapes)]
    if are_wrapped[1] and are_plain[0]:
        return {_PARALLEL + name: own for name, own in base_shapes.items()}, shapes
    if are_wrapped[0] and are_plain[1]:
        return {k.removeprefix(_PARALLEL): own for k, own in base_shapes.items()}, shapes
    return base_shapes, shapes


def _extract_shapes(x: Any) -> Shapes:
    """Shapes of a model, of a dict or of a file."""
    if isinstance(x, nn.Module):
        return get_shapes(x)
    if isinstance(x, dict):
        return deepcopy(x)
    if isinstance(x, (str, Path)):
        return dict(load_base_shapes(x))
    kind = type(x).__name__
    raise ValueError(f"unhandled x type: {kind}; give a model, shapes by name, or a .bsh file")


def _zip_infshape_dict(base_shapes: Shapes, shapes: Shapes) -> dict[str, InfShape]:
    base_shapes, shapes = _dataparallel_hack(base_shapes, shapes)
    extra = [sorted(base_shapes.keys() - shapes.keys()), sorted(shapes.keys() - base_shapes.keys())]
    if any(extra):
        raise MupError(
            f"`base_shapes` has extra names {extra[0]}. `shapes` has extra names {extra[1]}.",
            hint="build base, delta and model by the same code",
        )
    return {name: zip_infshape(base, shapes[name]) for name, base in base_shapes.items()}


def zip_infshapes(base: Any, target: Any) -> dict[str, InfShape]:
    """Dimensions of `target` with the base sizes of `base`."""
    return _zip_infshape_dict(_extract_shapes(base), _extract_shapes(target))


def clear_dims(infshape_dict: dict[str, InfShape]) -> dict[str, InfShape]:
    """The same without sizes: base shapes."""
    cleared = deepcopy(infshape_dict)
    for infshape in cleared.values():
        for dim in infshape:
            dim.dim = None
    return cleared


def make_base_shapes(
    base_shapes: Any, delta_shapes: Any, savefile: str | Path | None = None
) -> dict[str, InfShape]:
    """Base shapes from two models of different width, or their shapes."""
    made = clear_dims(zip_infshapes(base_shapes, delta_shapes))
    if savefile is not None:
        save_base_shapes(made, savefile)
    return made


def apply_infshapes(model: nn.Module, infshapes: dict[str, InfShape]) -> None:
    """Sets `p.infshape` of every parameter, with the main dimension of its layer.

    Beside the parameters, the model keeps them by name, and readouts their multiplier: copies and
    wrappers replace parameters, and `reattach` puts them back.
    """
    axes = mt.shapes(model)
    for name, parameter in model.named_parameters():
        infshape = infshapes[name]
        _set_main(infshape, axes[name].fan_in if name in axes else None)
        parameter.infshape = infshape  # type: ignore[attr-defined]
    model._infshapes = dict(infshapes)  # type: ignore[assignment]  # noqa: SLF001
    for module in model.modules():
        if isinstance(module, MuReadout):
            module._width_mult = None  # noqa: SLF001
            module._width_mult = MuReadout.width_mult(module)  # noqa: SLF001


def _set_main(infshape: InfShape, fan_in: int | None) -> None:
    """In a matrix of which both ends grow, it is the one that the layer sums over."""
    grows = fan_in is not None and fan_in < len(infshape) and infshape[fan_in].isinf()
    if grows and fan_in is not None and infshape.ninf() == 2:  # noqa: PLR2004
        infshape.main_idx, infshape.main = fan_in, infshape[fan_in]


def reattach(model: Model) -> Model:
    """Puts `p.infshape` back on parameters that were copied or replaced, as by FSDP.

    Raises:
        MupError: If the model never had base shapes.
    """
    held = getattr(model, "_infshapes", None)
    inner = getattr(model, "module", None)
    if held is None and isinstance(inner, nn.Module):
        reattach(inner)
        return model
    if held is None:
        raise unset("the model")
    for name, parameter in model.named_parameters():
        if not hasattr(parameter, "infshape"):
            parameter.infshape = held[name]  # type: ignore[attr-defined]
    return model


def set_base_shapes(
    model: Model,
    base: Any,
    rescale_params: bool = True,
    delta: Any = None,
    savefile: str | Path | None = None,
    do_assert: bool = True,
) -> Model:
    """Gives every parameter of a model its base sizes, and rescales the initial weights.

    Args:
        model: The model.
        base: The base: a model, shapes, base shapes or the path of a `.bsh` file; `None` is the
            model itself, so that nothing is scaled.
        rescale_params: Whether to make up for the 1/sqrt(fan_in) of torch's initialisers; not for
            weights of a checkpoint.
        delta: The base at another width; else the model shows which sizes are widths.
        savefile: A path to save base shapes to.
        do_assert: Whether to refuse layers that should be readouts.

    Returns:
        The same model.

    Raises:
        AssertionError: If names differ, or a layer should be a `MuReadout`.
        RuntimeError: If the weights have been rescaled before.
    """
    if base is None:
        message = "base=None: the model is its own base, so that nothing is scaled by its width"
        warnings.warn(message, PlanWarning, stacklevel=2)
    base_shapes = _extract_shapes(model if base is None else base)
    if delta is not None:
        base_shapes = dict(_zip_infshape_dict(base_shapes, _extract_shapes(delta)))
    infshapes = _zip_infshape_dict(base_shapes, get_shapes(model))
    if savefile is not None:
        save_base_shapes(dict(infshapes), savefile)
    apply_infshapes(model, infshapes)
    if do_assert:
        assert_hidden_size_inf(model)
    if rescale_params:
        for module in model.modules():
            if isinstance(module, MuReadout):
                module._rescale_parameters()  # noqa: SLF001
            elif isinstance(module, (Linear, _ConvNd)):
                rescale_linear_bias(module)
    return model


def assert_hidden_size_inf(model: nn.Module) -> None:
    """Refuses a linear layer from a width to a fixed size that is no `MuReadout`.

    Raises:
        AssertionError: With its name.
    """
    for name, module in model.named_modules():
        if isinstance(module, Linear) and not isinstance(module, MuReadout):
            fan_out, fan_in = _infshape(name, module.weight)
            if fan_in.isinf() and not fan_out.isinf():
                raise MupError(
                    f"{name or 'the model'} has infinite fan-in and finite fan-out dimensions but "
                    "is not type `MuReadout`",
                    hint="make it a MuReadout, or let its fan-out differ between base and delta",
                    parameters=[f"{name}.weight".lstrip(".")],
                )
