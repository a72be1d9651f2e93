"""Plans of torch models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from mutransfer import _core
from mutransfer import plan as plain
from mutransfer.errors import AxesError, PlanError
from mutransfer.plan import Pairs, Plan, Sizes
from mutransfer.shapes import Shape
from mutransfer.torch.names import is_table, owned
from mutransfer.torch.optimizers import planned_for
from mutransfer.torch.shapes import Known, Model, is_linear, known, undeclared
from mutransfer.torch.trace import Example, axes_of, traced

Axes = Mapping[str, tuple[int | None, int | None]]


def plan(
    target: Model,
    base: Model,
    *,
    delta: Model | None = None,
    optimizer: str | type[torch.optim.Optimizer] | torch.optim.Optimizer = "adamw",
    rule: str | Path = "mup",
    readout: Sequence[str] = (),
    router: Sequence[str] = (),
    declare: Pairs = (),
    axes: Axes | None = None,
    ties: Pairs = (),
    zero_init: Sequence[str] = (),
    head_dim: Sizes | str | None = "auto",
    depth: Sizes | None = None,
    active: Sizes | None = None,
    experts: Sizes | None = None,
    expert_width: Sizes | None = None,
    shared_width: Sizes | None = None,
    form: str | None = None,
    decay: str | None = None,
    options: Mapping[str, str] | None = None,
    example: Example | None = None,
    clips: bool = True,
    strict: bool = True,
) -> Plan:
    """Plans a model: how every number of every parameter follows from the base's.

    Args:
        target: The model to train, on any device, or shapes.
        base: The same model as it is tuned, smaller; `with torch.device("meta")` it costs nothing.
        delta: The base at another width, to show which sizes are widths; without it the target
            shows that.
        optimizer: A class of torch, an instance or a name.
        rule: A name of `mutransfer.rules()`, or the path of a table in TOML.
        readout: Patterns of modules (or parameters) that are readouts: heads, classifiers.
        router: Patterns of modules (or parameters) that choose experts: where `active` is given
            routers, which shapes show where they score as many experts as a tensor has; else
            readouts, as they write to a fixed number of them.
        declare: Patterns of parameters with roles, where types do not tell.
        axes: Patterns of parameters with their fan-in and fan-out axes, where types do not tell.
        ties: Readouts with the embeddings whose tensor they use, beside those that share it.
        zero_init: Patterns of parameters that start at zero.
        head_dim: Size of an attention head in base and target, where heads grow; `auto` reads it
            from a `config` as models of transformers have it.
        depth: Number of blocks in base and target, to be checked against the names.
        active: Experts that a token is routed to, in base and target, for a rule over experts; a
            dense base has 1.
        experts: Experts of a block, where shapes do not say it.
        expert_width: Hidden units of one expert, likewise.
        shared_width: Hidden units of all shared experts together, likewise.
        form: `folded` for models that must not be touched; without it the rule's own.
        decay: `l2`, `times-lr` or `independent`; without it the optimizer's own.
        options: Choices where the literature disagrees.
        example: What the base is called with (a tensor, arguments, keyword arguments, or a function
            of the model that runs it): one forward pass then shows the axes that types do not.
        clips: Whether gradients are clipped at a constant norm.
        strict: Whether serious findings are errors.

    Returns:
        A plan for `apply` and `optimizer`.

    Raises:
        AxesError: If a parameter grows and its axes are unknown.
        PlanError: If something else is unclear; the hint says what to declare.

    >>> from torch import nn
    >>> model = lambda w: nn.Sequential(nn.Linear(8, w), nn.ReLU(), nn.Linear(w, 3))
    >>> plan(model(256), model(32), delta=model(64), readout=["2"]).params["2.weight"].multiplier
    0.125
    """
    models = {"target": known(target), "base": known(base)}
    if delta is not None:
        models["delta"] = known(delta)
    given = dict(axes or {})
    if example is not None:
        shown = seen(base, models, example)
        given = {**shown.axes, **given}
        ties = [*ties, *shown.ties]
    undeclared(models, _among([pattern for pattern, _ in declare] + list(given)))
    name, own_decay = planned_for(optimizer)
    shapes = {which: _with_axes(model, given) for which, model in models.items()}
    parts = dict(
        delta=shapes.get("delta"),
        rule=rule,
        optimizer=name,
        declare=[
            *declare,
            *_readouts(target, models["target"], readout),
            *_matching(models["target"], router, "output" if active is None else "router"),
        ],
        ties=[*ties, *models["target"].ties],
        zero_init=zero_init,
        head_dim=_head_dim(base, target) if head_dim == "auto" else head_dim,
        depth=depth,
        active=active,
        experts=experts,
        expert_width=expert_width,
        shared_width=shared_width,
        form=form,
        decay=decay or own_decay,
        options=options,
        # Whether there is decay is known when the optimizer is made.
        decays=False,
        clips=clips,
        strict=strict,
    )
    made = plain(shapes["base"], shapes["target"], **parts)  # type: ignore[arg-type]
    fold = _without_hook(target, made)
    if not fold:
        return made
    return plain(shapes["base"], shapes["target"], fold=fold, **parts)  # type: ignore[arg-type]


class _Seen(NamedTuple):
    """What a forward pass of the base shows."""

    axes: dict[str, tuple[int | None, int | None]]
    ties: list[tuple[str, str]]


def seen(base: Model, models: Mapping[str, Known], example: Example) -> _Seen:
    """Axes of what types do not tell, and embeddings that are used as readouts without a module.

    Raises:
        AxesError: If what the base does contradicts the type of a module.
    """
    if not isinstance(base, nn.Module):
        raise PlanError("example= runs the base, which is no module", hint="give the base itself")
    shown = _Seen({}, [])
    shared = {name for _, name in models["base"].ties}
    for name, use in traced(base, example).items():
        shape = models["base"].shapes[name]
        others = [model.shapes[name].dims for model in models.values() if name in model.shapes]
        growing = [a for a, sizes in enumerate(zip(*others, strict=True)) if len(set(sizes)) > 1]
        if name in models["base"].unknown and len(use.summed) < 2:  # noqa: PLR2004  (one fan-in)
            shown.axes[name] = axes_of(use, len(shape.dims), growing)
        elif use.is_looked_up and use.summed and name not in shared:
            shown.ties.append((f"{name} as readout", name))
        elif shape.fan_in is not None and use.summed and shape.fan_in not in use.summed:
            raise AxesError(
                f"the type of the module of `{name}` says that axis {shape.fan_in} is summed over, "
                f"and the forward pass sums over axis {min(use.summed)}",
                hint=f'say which is right: axes={{"{name}": (fan_in, fan_out)}}',
                parameters=[name],
            )
    return shown


def _among(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: any(_core.matches(name, pattern) for pattern in patterns)


def _with_axes(model: Known, axes: Axes) -> dict[str, Shape]:
    """The shapes with the axes that the user gave."""
    found = dict(model.shapes)
    for pattern, both in axes.items():
        for name in filter(_among([pattern]), model.shapes):
            found[name] = Shape(found[name].dims, *both)
    return found


def _readouts(target: Any, model: Known, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Parameters to be declared as readouts, by modules that are named or that say so."""
    own = _own_readouts(target) if isinstance(target, nn.Module) else ()
    found = dict.fromkeys((name, "output") for name in own if name in model.shapes)
    return list(found | dict.fromkeys(_matching(model, patterns, "output")))


def _matching(model: Known, patterns: Sequence[str], role: str) -> list[tuple[str, str]]:
    """Parameters of a role by patterns of their modules."""
    found: dict[tuple[str, str], None] = {}
    tied = {readout for readout, _ in model.ties}
    for pattern in patterns:
        both = _among([pattern, f"{pattern}.weight"])
        named = [name for name in model.shapes if both(name) and len(model.shapes[name].dims) > 1]
        if not named and not any(both(name) for name in tied):
            raise PlanError(
                f"no module or parameter matches `{pattern}`",
                hint="give the name of the module, as named_modules() has it",
            )
        found |= dict.fromkeys((name, role) for name in named)
    return list(found)


def _head_dim(*models: Model) -> tuple[int, int] | None:
    """Sizes of the heads of base and target as their configs have them, if they differ."""
    base, target = (_config_head_dim(getattr(model, "config", None)) for model in models)
    return None if base is None or target is None or base == target else (base, target)


def _config_head_dim(config: Any) -> int | None:
    own = getattr(config, "head_dim", None)
    width, heads = (getattr(config, key, None) for key in ("hidden_size", "num_attention_heads"))
    if not isinstance(own, int) and isinstance(width, int) and isinstance(heads, int) and heads:
        return width // heads
    return own if isinstance(own, int) else None


def _own_readouts(target: nn.Module) -> list[str]:
    """What the model itself says to be its readout."""
    embeddings = getattr(target, "get_output_embeddings", None)
    own = embeddings() if callable(embeddings) else None
    return [
        name
        for name, found in owned(target).items()
        if found.local == "weight"
        and not is_table(found.module)
        and (found.module is own or getattr(type(found.module), "is_readout", False))
    ]


def _without_hook(target: Model, made: Plan) -> list[str]:
    """Parameters with a multiplier whose module has no input that it could be put on."""
    if not isinstance(target, nn.Module):
        return []
    parameters = owned(target)
    return [
        name
        for name, param in made.params.items()
        if param.multiplier != 1
        and not (is_linear(parameters[name].module) or is_table(parameters[name].module))
    ]
