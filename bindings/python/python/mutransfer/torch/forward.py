"""Multipliers of the forward pass, as hooks that survive copies, compilation and wrappers."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from mutransfer.errors import AlreadyApplied, ForwardError, PlanMismatch
from mutransfer.plan import Plan
from mutransfer.torch.names import Owned, clean, first_names, is_table, owned, unwrapped
from mutransfer.torch.shapes import is_linear

_RECORD = "mutransfer_plan"


class Multiplier:
    """Scales the first argument of a module, and so its weight; a bias stays as it is."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (args[0] * self.factor, *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, {**kwargs, name: kwargs[name] * self.factor}


class OutputMultiplier:
    """Scales what a look-up table gives."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> Any:
        return output * self.factor


class Recorded:
    """Refuses the checkpoint of another plan, whose multipliers are not those of this model."""

    def __init__(self, plan_hash: str) -> None:
        self.hash = plan_hash

    def __call__(self, module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        loaded, own = state.get(prefix + _RECORD), getattr(module, _RECORD, None)
        # FSDP gives a model its own buffers where a checkpoint has none.
        if loaded is None or (own is not None and loaded.data_ptr() == own.data_ptr()):
            return
        if not torch.equal(loaded.cpu(), record(self.hash)):
            raise PlanMismatch(
                f"the checkpoint is of another plan than {self.hash[:16]}, which was applied to "
                "this model",
                hint="plan with the base, rule and optimizer that the checkpoint was trained with; "
                "or fold(model, plan) before saving, which makes a plain model",
            )


def record(plan_hash: str) -> torch.Tensor:
    """A plan's hash as integers, which no cast of a model touches."""
    return torch.tensor([int(plan_hash[at : at + 15], 16) for at in range(0, 60, 15)], device="cpu")


def recorded(model: nn.Module) -> str | None:
    """The beginning of the hash of the plan that the weights of a model were trained by."""
    held = getattr(unwrapped(model), _RECORD, None)
    if not isinstance(held, torch.Tensor) or held.is_meta:
        return None
    return "".join(f"{int(part):015x}" for part in held)


def install(
    model: nn.Module,
    plan: Plan,
    *,
    attention: str = "auto",
    handled: Collection[str] = (),
    record: bool = True,
) -> nn.Module:
    """Puts the plan's multipliers into the forward pass, and its hash into the model's state.

    Before `torch.compile`, `fully_shard` and `DDP`.

    Args:
        model: The planned model.
        plan: Its plan.
        attention: `auto` sets the `scaling` or `scale` of attention modules, where heads grow.
        handled: What the model itself applies: `attention`, `residual`, `route`, or names of
            readouts.
        record: Whether the plan's hash becomes a buffer, so that checkpoints of other plans are
            refused.

    Returns:
        The same model.

    Raises:
        ForwardError: If a multiplier has no place, or the model is compiled already.
        AlreadyApplied: If a plan was applied to this model before.
        PlanMismatch: If the plan is for another model.
    """
    _refuse(model)
    parameters = owned(model)
    same_names(plan, model)
    hooks = _places(plan, parameters, handled)
    _has_residual(plan, handled)
    _has_route(plan, handled)
    scaled = _attention(model, plan, attention, handled)
    for module, factor in hooks:
        if is_table(module):
            module.register_forward_hook(OutputMultiplier(factor))
        else:
            module.register_forward_pre_hook(Multiplier(factor), prepend=True, with_kwargs=True)
    for module, name in scaled:
        setattr(module, name, plan.forward.attention)
    if record:
        write_record(model, plan)
    return model


def write_record(model: nn.Module, plan: Plan) -> None:
    """Makes the plan's hash a part of the model's state."""
    device = next((own.parameter.device for own in owned(model).values()), torch.device("cpu"))
    held = record(plan.hash)
    model.register_buffer(_RECORD, held if device.type == "meta" else held.to(device))
    model.register_load_state_dict_pre_hook(Recorded(plan.hash))  # type: ignore[no-untyped-call]


def renew_record(model: nn.Module, plan: Plan) -> None:
    """Writes the hash again, where memory that was only reserved has taken its place."""
    held = getattr(model, _RECORD, None)
    if isinstance(held, torch.Tensor) and not held.is_meta:
        held.copy_(record(plan.hash))


def same_record(plan: Plan, model: nn.Module) -> None:
    """Refuses weights of another plan, as loaders that call no hook leave them.

    Raises:
        PlanMismatch: With both hashes.
    """
    held = recorded(model)
    if held is not None and held != plan.hash[: len(held)]:
        raise PlanMismatch(
            f"the weights are of plan {held[:16]}, and this is plan {plan.hash[:16]}",
            hint="plan with the base, rule and optimizer that they were trained with",
        )


def same_names(plan: Plan, model: nn.Module) -> None:
    """Refuses a plan for another model.

    Raises:
        PlanMismatch: With up to ten names that only one of them has.
    """
    own = set(first_names(owned(model)).values())
    for what, names in [
        ("the plan does not have", own - plan.params.keys()),
        ("the model does not have", plan.params.keys() - own),
    ]:
        if names:
            raise PlanMismatch(
                f"{what} parameter `{min(names)}`",
                hint="plan this model itself, or one that is built by the same code",
                parameters=sorted(names),
            )


def multipliers(model: nn.Module) -> dict[str, float]:
    """Factors that hooks of this package apply, by the path of the module."""
    found: dict[str, float] = {}
    for path, module in unwrapped(model).named_modules():
        for hook in _hooks(module):
            found[clean(path)] = found.get(clean(path), 1.0) * hook.factor
    return found


def fold(model: nn.Module, plan: Plan, *, untie: bool = False) -> nn.Module:
    """Makes it a plain model with the same outputs: multipliers go into the weights.

    Exact, but for weights in 16 bits where a multiplier is no power of two.

    Args:
        model: A model to which `plan` was applied; it is changed.
        plan: The plan.
        untie: Whether a readout that shares its tensor with an embedding gets one of its own.

    Returns:
        The same model.

    Raises:
        ForwardError: If a multiplier is on a tied tensor and `untie` is not given.
    """
    parameters = owned(model)
    first = first_names(parameters)
    tied = {id(parameters[name].parameter) for name, own in first.items() if own != name}
    hooked = [module for module in model.modules() if _hooks(module)]
    shared = [module for module in hooked if id(module.weight) in tied]
    if shared and not untie:
        raise ForwardError(
            "a multiplier is on a readout that shares its tensor with an embedding",
            hint="untie=True gives the readout a tensor of its own",
            parameters=list(plan.forward.readout),
        )
    for module in hooked:
        weight = module.weight
        assert isinstance(weight, nn.Parameter)  # noqa: S101  (for the type checker)
        if module in shared:
            weight = module.weight = nn.Parameter(weight.detach().clone())
        with torch.no_grad():
            for hook in _hooks(module):
                weight.mul_(hook.factor)
        _unhook(module)
    if hasattr(model, _RECORD):
        delattr(model, _RECORD)
        _drop(model._load_state_dict_pre_hooks, Recorded)  # noqa: SLF001
    return model


def _hooks(module: nn.Module) -> list[Multiplier | OutputMultiplier]:
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]  # noqa: SLF001
    return [hook for hook in hooks if isinstance(hook, (Multiplier, OutputMultiplier))]


def _unhook(module: nn.Module) -> None:
    gone = _drop(module._forward_pre_hooks, Multiplier)  # noqa: SLF001
    for key in gone:
        module._forward_pre_hooks_with_kwargs.pop(key, None)  # noqa: SLF001
    _drop(module._forward_hooks, OutputMultiplier)  # noqa: SLF001


def _drop(hooks: Any, kind: type) -> list[Any]:
    gone = [key for key, hook in hooks.items() if isinstance(getattr(hook, "hook", hook), kind)]
    for key in gone:
        del hooks[key]
    return gone


def _refuse(model: nn.Module) -> None:
    if hasattr(model, "_orig_mod"):
        raise ForwardError(
            "the model is compiled already, and torch ignores hooks that come later",
            hint="apply the plan first, then torch.compile",
        )
    if is_applied(model):
        raise AlreadyApplied(
            "a plan was applied to this model before",
            hint='build the model anew; after loading weights use init="keep"',
        )


def is_applied(model: nn.Module) -> bool:
    """Whether a plan was applied to a model."""
    return hasattr(model, _RECORD) or bool(multipliers(model))


def _places(
    plan: Plan, parameters: dict[str, Owned], handled: Collection[str]
) -> list[tuple[nn.Module, float]]:
    """Modules with the factors that belong on them."""
    factors = plan.multipliers()
    found = []
    for name, factor in factors.items():
        if factor == 1 or name in handled:
            continue
        own = parameters.get(name)
        is_readout = name in plan.forward.readout
        if own is None or not (is_linear(own.module) or (is_table(own.module) and not is_readout)):
            raise ForwardError(
                f"`{name}` needs the multiplier {factor:.6g}, and no module has it to put it on",
                hint=f'multiply there yourself and say so: handled=["{name}"]; or plan with '
                'form="folded"',
                parameters=[name],
            )
        found.append((own.module, factor))
    return found


def _has_residual(plan: Plan, handled: Collection[str]) -> None:
    factors = [plan.forward.residual or 1.0, *plan.forward.residual_in.values()]
    if any(factor != 1 for factor in factors) and "residual" not in handled:
        raise ForwardError(
            f"residual branches need the factor {factors[0]:.6g}"
            if len(factors) == 1
            else "residual branches of each stack need a factor, see plan.forward.residual_in",
            hint='multiply every branch by plan.forward.residual and say so: handled=["residual"]',
        )


def _has_route(plan: Plan, handled: Collection[str]) -> None:
    route = (plan.forward.experts or {}).get("route", 1)
    if route != 1 and "route" not in handled:
        raise ForwardError(
            f"the weighted sum of the routed experts needs the factor {route:.6g}",
            hint='multiply that sum, and no shared expert, by plan.forward.experts["route"], and '
            'say so: handled=["route"]',
        )


def _attention(
    model: nn.Module, plan: Plan, attention: str, handled: Collection[str]
) -> list[tuple[nn.Module, str]]:
    """Modules with a scale of attention, and what they call it, if it has to change."""
    wanted = plan.forward.attention
    sizes = plan.head_dim or (0, 1)
    if wanted is None or attention != "auto" or "attention" in handled or sizes[0] == sizes[1]:
        return []
    usual = sizes[1] ** -0.5
    found = [
        (module, name)
        for module in model.modules()
        for name in ("scaling", "scale")
        if isinstance(held := getattr(module, name, None), float) and math.isclose(held, usual)
    ]
    if not found:
        raise ForwardError(
            f"logits of attention need the scale {wanted:.6g} in place of 1/sqrt(head_dim), and no "
            "module has one to set",
            hint="keep the size of heads and let their number grow; or pass the scale to "
            'scaled_dot_product_attention yourself and say so: handled=["attention"]',
        )
    return found
