"""Sizes of activations, their changes and updates, module by module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

from mutransfer import _core
from mutransfer.torch.names import clean, is_table, unwrapped
from mutransfer.torch.shapes import is_linear

Row: TypeAlias = dict[str, str | int | float]


class _Seen(NamedTuple):
    """What a module was given and put out."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: torch.Tensor


class Probe:
    """Measures a model as it trains, for the coordinate check of a trainer of one's own.

    Args:
        model: The model, on any device.
        readout: Patterns of modules that are readouts.
        modules: Patterns of modules that are measured beside those that have a matrix.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> probe = Probe(model, readout=["2"])
    >>> probe.step(lambda: model(torch.ones(3, 4)))
    >>> [row["module"] for row in probe.rows(width=8, seed=0)]
    ['0', '2']
    """

    def __init__(
        self, model: nn.Module, *, readout: Sequence[str] = (), modules: Sequence[str] = ()
    ) -> None:
        self._model = unwrapped(model)
        names = {clean(path): own for path, own in self._model.named_modules()}
        self._measured = {
            name: own for name, own in names.items() if _has_matrix(own) or _any(name, modules)
        }
        # The first layer reads data, as a look-up does, if no module before it did.
        self._readouts = {name for name in self._measured if _any(name, readout)}
        self._start = {
            name: own.weight.detach().clone()
            for name, own in self._measured.items()
            if _has_matrix(own) and isinstance(own.weight, torch.Tensor)
        }
        self._first: dict[str, torch.Tensor] = {}
        self._order: list[str] = []
        self._rows: list[Row] = []
        self._steps = 0

    def step(self, forward: Callable[[], object]) -> None:
        """Measures one forward pass, on the same batch each time; call it before every update.

        Args:
            forward: Runs the model. It is called without gradients, and buffers are restored.
        """
        seen: dict[str, _Seen] = {}
        hooks = [
            own.register_forward_hook(_recording(name, seen), with_kwargs=True)
            for name, own in self._measured.items()
        ]
        buffers = {name: own.clone() for name, own in self._model.named_buffers()}
        try:
            with torch.no_grad():
                forward()
        finally:
            for hook in hooks:
                hook.remove()
            with torch.no_grad():
                for name, own in self._model.named_buffers():
                    own.copy_(buffers[name])
        self._order = self._order or list(seen)
        for name, measured in seen.items():
            self._measure(name, measured)
        self._steps += 1

    def rows(self, *, width: int, seed: int, rule: str = "mup") -> list[Row]:
        """All measurements: a row for each module, quantity and step."""
        return [{"rule": rule, "width": width, "seed": seed, **row} for row in self._rows]

    def _measure(self, name: str, seen: _Seen) -> None:
        module = self._measured[name]
        found = {"activation": seen.output}
        if self._steps == 0:
            self._first[name] = seen.output
        elif name in self._first:
            found["change"] = seen.output - self._first[name]
            if name in self._start:
                found["own-update"] = _own_update(module, self._start[name], seen)
        for quantity, value in found.items():
            held = value.double()
            self._rows.append(
                {
                    "step": self._steps,
                    "module": name,
                    "layer": self._layer(name),
                    "quantity": quantity,
                    "l1": float(held.abs().mean()),
                    "l2": float(held.square().mean().sqrt()),
                    "std": float(held.std(correction=0)),
                }
            )

    def _layer(self, name: str) -> str:
        if name in self._readouts:
            return "output"
        is_first = not any(is_table(own) for own in self._measured.values())
        reads_data = is_table(self._measured[name]) or (is_first and name == self._order[0])
        return "input" if reads_data else "hidden"


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(_core.matches(name, pattern) for pattern in patterns)


def _has_matrix(module: nn.Module) -> bool:
    """Whether its output is linear in a weight that it has itself."""
    return is_linear(module) or isinstance(module, nn.Embedding)


def _recording(name: str, seen: dict[str, _Seen]) -> Callable[..., None]:
    def hook(_module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        held = output[0] if isinstance(output, (tuple, list)) else output
        if isinstance(held, torch.Tensor):
            seen[name] = _Seen(args, kwargs, held.detach().clone())

    return hook


@torch.no_grad()
def _own_update(module: nn.Module, start: torch.Tensor, seen: _Seen) -> torch.Tensor:
    """What the update of its weight does to the input that it sees, multiplier included."""
    held = {name: own.data for name, own in module.named_parameters(recurse=False)}
    try:
        for name, own in module.named_parameters(recurse=False):
            own.data = own.data - start if name == "weight" else torch.zeros_like(own.data)
        found: torch.Tensor = module.forward(*seen.args, **seen.kwargs)
    finally:
        for name, own in module.named_parameters(recurse=False):
            own.data = held[name]
    return found
