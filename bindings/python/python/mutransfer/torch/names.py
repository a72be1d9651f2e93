"""Parameters of a model by their names without wrappers, and what they are called otherwise."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

# What wrappers put into the path of a parameter: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


class Owned(NamedTuple):
    """A parameter with the module that has it, and its name there."""

    parameter: nn.Parameter
    module: nn.Module
    local: str


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DDP, DataParallel and torch.compile."""
    while True:
        inner = model.module if isinstance(model, _PARALLEL) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def clean(name: str) -> str:
    """A name without the parts that wrappers put there."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def owned(model: nn.Module) -> dict[str, Owned]:
    """Every parameter by every name that it has, as tied ones have several."""
    found: dict[str, Owned] = {}
    for path, module in unwrapped(model).named_modules(remove_duplicate=False):
        for local, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            found[clean(f"{path}.{local}" if path else local)] = Owned(parameter, module, local)
    return found


def first_names(parameters: dict[str, Owned]) -> dict[str, str]:
    """For every name the one that its parameter goes by: an embedding's where it has one."""
    by_identity: dict[int, list[str]] = {}
    for name, own in parameters.items():
        by_identity.setdefault(id(own.parameter), []).append(name)
    chosen: dict[str, str] = {}
    for names in by_identity.values():
        tables = [name for name in names if is_table(parameters[name].module)]
        for name in names:
            chosen[name] = (tables or names)[0]
    return chosen


def is_table(module: nn.Module) -> bool:
    """Whether it looks rows up."""
    return isinstance(module, (nn.Embedding, nn.EmbeddingBag))
