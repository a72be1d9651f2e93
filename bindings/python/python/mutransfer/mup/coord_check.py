"""Statistics of activations over widths and steps, as `mup.coord_check` has them.

`mutransfer coord` judges such tables; this only collects and plots them. It needs pandas, and
matplotlib and seaborn to plot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn, optim

from mutransfer.mup import optim as scaled

Statistic: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Statistics: TypeAlias = Mapping[str, str | Statistic]
Record: TypeAlias = dict[str, Any]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cov(x: torch.Tensor) -> torch.Tensor:
    """Inner products of all vectors along the last axis, over their length."""
    rows = x.reshape(1, 1) if x.nelement() == 1 else x.reshape(-1, x.shape[-1])
    return rows @ rows.T / rows.shape[-1]


def covoffdiag(x: torch.Tensor) -> torch.Tensor:
    """Those of different vectors."""
    found = cov(x)
    return found[~torch.eye(len(found), dtype=torch.bool, device=found.device)]


FDICT: dict[str, Statistic] = {
    "l1": lambda x: x.abs().mean(),
    "l2": lambda x: (x**2).mean() ** 0.5,
    "mean": lambda x: x.mean(),
    "std": lambda x: x.std(),
    "covl1": lambda x: cov(x).abs().mean(),
    "covl2": lambda x: (cov(x) ** 2).mean() ** 0.5,
    "covoffdiagl1": lambda x: covoffdiag(x).abs().mean(),
    "covoffdiagl2": lambda x: (covoffdiag(x) ** 2).mean() ** 0.5,
}

_LOSSES: dict[str, Loss] = {
    "xent": lambda output, target: F.cross_entropy(output, target),
    "mse": lambda output, target: F.mse_loss(output, target),
    "nll": lambda output, target: F.nll_loss(output, target),
    "l1": lambda output, target: F.l1_loss(output, target),
}
_OPTIMIZERS: dict[str, tuple[Callable[..., Any], Callable[..., Any], float]] = {
    "sgd": (scaled.MuSGD, optim.SGD, 0.1),
    "adam": (scaled.MuAdam, optim.Adam, 1e-3),
    "adamw": (scaled.MuAdamW, optim.AdamW, 1e-3),
}


def convert_fdict(d: Statistics) -> dict[str, Statistic]:
    """Names of statistics as functions."""
    return {name: FDICT[own] if isinstance(own, str) else own for name, own in d.items()}


def _record_coords(
    records: list[Record],
    width: int,
    modulename: str,
    t: int,
    output_fdict: Statistics | None = None,
    input_fdict: Statistics | None = None,
    param_fdict: Statistics | None = None,
) -> Callable[..., None]:
    """A forward hook that appends a record for every tensor of output, input and parameters."""
    outputs = convert_fdict({"l1": "l1"} if output_fdict is None else output_fdict)
    inputs, params = convert_fdict(input_fdict or {}), convert_fdict(param_fdict or {})

    def add(name: str, value: torch.Tensor, statistics: Mapping[str, Statistic]) -> None:
        found = {key: own(value).item() for key, own in statistics.items()}
        records.append({"width": width, "module": name, "t": t, **found})

    @torch.no_grad()
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        for name, value in _tensors(modulename, output, ":out"):
            add(name, value, outputs)
        for name, value in _tensors(modulename, args, ":in") if inputs else ():
            add(name, value, inputs)
        for name, value in module.named_parameters() if params else ():
            add(f"{modulename}:param[{name}]", value, params)

    return hook


def _tensors(name: str, value: Any, kind: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of something nested; the outermost level says whether it is in or out."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for at, own in enumerate(value):
            yield from _tensors(f"{name}{kind}[{at}]", own, "")
    elif isinstance(value, dict):
        for key, own in value.items():
            yield from _tensors(f"{name}{kind}[{key}]", own, "")
    elif value is not None:
        what = f"unexpected type of an input or output of `{name}`: {type(value).__name__}"
        raise NotImplementedError(f"{what}; known: tensors, and tuples, lists and dicts of them")


def _get_coord_data(
    models: Mapping[int, Callable[[], nn.Module]],
    dataloader: Iterable[Any],
    optcls: Callable[[nn.Module], Any],
    nsteps: int = 3,
    dict_in_out: bool = False,
    flatten_input: bool = False,
    flatten_output: bool = False,
    output_name: str = "loss",
    lossfn: str | Loss = "xent",
    filter_module_by_name: Callable[[str], bool] | None = None,
    fix_data: bool = True,
    cuda: bool = True,
    nseeds: int = 1,
    output_fdict: Statistics | None = None,
    input_fdict: Statistics | None = None,
    param_fdict: Statistics | None = None,
    show_progress: bool = True,
    one_hot_target: bool = False,
) -> Any:
    """The records of some steps of training at every width and seed, as a data frame."""
    import pandas as pd

    loss_of = _loss_of(
        lossfn,
        dict_in_out=dict_in_out,
        flatten_input=flatten_input,
        flatten_output=flatten_output,
        output_name=output_name,
        one_hot_target=one_hot_target,
    )
    batches = repeat(next(iter(dataloader)), nsteps) if fix_data else dataloader
    batches = list(zip(range(nsteps), batches, strict=False))
    device = torch.device("cuda" if cuda and torch.cuda.is_available() else "cpu")
    records: list[Record] = []
    first = next(iter(models))
    for seed, width in _progress([(s, w) for s in range(nseeds) for w in models], show_progress):
        # As mup seeds: before the first width, not before each.
        if width == first:
            torch.manual_seed(seed)
        model = models[width]().train().to(device)
        optimizer = optcls(model)
        for step, batch in batches:
            hooks = [
                module.register_forward_hook(
                    _record_coords(
                        records, width, name, step + 1, output_fdict, input_fdict, param_fdict
                    )
                )
                for name, module in model.named_modules()
                if filter_module_by_name is None or filter_module_by_name(name)
            ]
            loss = loss_of(model, batch, device)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            for held in hooks:
                held.remove()
    return pd.DataFrame(records)


def _progress(runs: list[tuple[int, int]], shown: bool) -> Iterable[tuple[int, int]]:
    if not shown:
        return runs
    try:
        from tqdm import tqdm
    except ImportError:
        return runs
    progress: Iterable[tuple[int, int]] = tqdm(runs)
    return progress


def _loss_of(
    lossfn: str | Loss,
    *,
    dict_in_out: bool,
    flatten_input: bool,
    flatten_output: bool,
    output_name: str,
    one_hot_target: bool,
) -> Callable[[nn.Module, Any, torch.device], torch.Tensor]:
    """The loss of a model on a batch."""
    if isinstance(lossfn, str) and lossfn not in _LOSSES:
        raise NotImplementedError(f"unknown loss `{lossfn}`; known: {', '.join(_LOSSES)}")
    compare = _LOSSES[lossfn] if isinstance(lossfn, str) else lossfn

    def of_dict(model: nn.Module, batch: Any, device: torch.device) -> torch.Tensor:
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        outputs = model(**moved)
        loss: torch.Tensor = outputs[output_name] if isinstance(outputs, dict) else outputs[0]
        return loss

    def of_pair(model: nn.Module, batch: Any, device: torch.device) -> torch.Tensor:
        data, target = (own.to(device) for own in batch)
        output = model(data.view(data.size(0), -1) if flatten_input else data)
        if flatten_output:
            output = output.view(-1, output.shape[-1])
        if one_hot_target:
            target = F.one_hot(target, num_classes=output.size(-1)).float()
        return compare(output, target)

    return of_dict if dict_in_out else of_pair


def get_coord_data(
    models: Mapping[int, Callable[[], nn.Module]],
    dataloader: Iterable[Any],
    optimizer: str | Callable[..., Any] = "sgd",
    lr: float | None = None,
    mup: bool = True,
    filter_trainable_by_name: Callable[[str], bool] | None = None,
    **kwargs: Any,
) -> Any:
    """Trains models of several widths and records what their modules put out.

    Args:
        models: Functions that build a model, by width.
        dataloader: Batches: pairs of input and target, or dicts with `dict_in_out`.
        optimizer: `sgd`, `adam` or `adamw`, or a function of parameters and learning rate.
        lr: Learning rate; 0.1 for SGD and 1e-3 for others.
        mup: Whether the optimizer scales by width.
        filter_trainable_by_name: Which parameters are trained; without it all.
        **kwargs: `nsteps`, `nseeds`, `dict_in_out`, `flatten_input`, `flatten_output`,
            `output_name`, `lossfn`, `filter_module_by_name`, `fix_data`, `cuda`, `output_fdict`,
            `input_fdict`, `param_fdict`, `show_progress` and `one_hot_target` as in mup.

    Returns:
        A data frame with `width`, `module`, `t`, the statistics, `optimizer` and `lr`.

    Raises:
        ValueError: If the optimizer is unknown.
    """
    name = optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", "custom")
    if isinstance(optimizer, str):
        if optimizer not in _OPTIMIZERS:
            known = ", ".join(_OPTIMIZERS)
            raise ValueError(f"unknown optimizer `{optimizer}`; known: {known}, or a function")
        by_width, plain, usual = _OPTIMIZERS[optimizer]
        rate = usual if lr is None else lr
        make = by_width if mup else plain
    elif callable(optimizer):
        make, rate = optimizer, 1e-3 if lr is None else lr
    else:
        raise ValueError("optimizer should be sgd, adam, adamw or a function")

    def optcls(model: nn.Module) -> Any:
        trained = [
            parameter
            for own, parameter in model.named_parameters()
            if filter_trainable_by_name is None or filter_trainable_by_name(own)
        ]
        return make(trained, lr=rate)

    data = _get_coord_data(models, dataloader, optcls, **kwargs)
    data["optimizer"] = name
    data["lr"] = rate
    return data


def plot_coord_data(
    df: Any,
    y: str = "l1",
    save_to: Any = None,
    suptitle: str | None = None,
    x: str = "width",
    hue: str = "module",
    legend: Any = "full",
    name_contains: str | None = None,
    name_not_contains: str | None = None,
    loglog: bool = True,
    logbase: float = 2,
    face_color: Any = None,
    module_list: Iterable[str] | None = None,
    subplot_width: float = 5,
    subplot_height: float = 4,
) -> Any:
    """Plots a statistic over widths, one picture for each step.

    Args:
        df: What `get_coord_data` gave.
        y: The statistic.
        save_to: A path to save the figure to.
        suptitle: Title of the figure.
        x: Column of the horizontal axis.
        hue: Column of the colours.
        legend: As seaborn's.
        name_contains: Plots modules whose name contains this.
        name_not_contains: Leaves out modules whose name contains this.
        loglog: Whether both axes are logarithmic.
        logbase: Their base.
        face_color: Colour of the background.
        module_list: Plots these modules.
        subplot_width: Width of a picture, in inches.
        subplot_height: Height of a picture, in inches.

    Returns:
        The figure.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    # The whole model, which has the name "", puts out what its last layer does.
    kept = df[df["module"] != ""]
    if module_list is not None:
        kept = kept[kept["module"].isin(list(module_list))]
    if name_contains is not None:
        kept = kept[kept["module"].str.contains(name_contains)]
    elif name_not_contains is not None:
        kept = kept[~kept["module"].str.contains(name_not_contains)]
    if kept["module"].str.isnumeric().all():
        kept = kept.assign(module=kept["module"].astype(int))
    steps = kept["t"].unique()
    sns.set_theme()
    fig = plt.figure(figsize=(subplot_width * len(steps), subplot_height))
    if face_color is not None:
        fig.patch.set_facecolor(face_color)
    for at, step in enumerate(steps, 1):
        axes = fig.add_subplot(1, len(steps), at)
        shown = legend if at == 1 else None
        sns.lineplot(x=x, y=y, data=kept[kept["t"] == step], hue=hue, legend=shown, ax=axes)
        axes.set_title(f"t={step}")
        if at > 1:
            axes.set_ylabel("")
        if loglog:
            axes.loglog(base=logbase)
    if suptitle:
        fig.suptitle(suptitle)
    fig.tight_layout(rect=(0, 0.03, 1, 0.95))
    if save_to is not None:
        fig.savefig(save_to)
    return fig
