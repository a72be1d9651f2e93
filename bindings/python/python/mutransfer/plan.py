"""Plans: for every parameter, how its numbers differ from those of the base model."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mutransfer import _core, shapes
from mutransfer.errors import PlanError, PlanWarning, in_file
from mutransfer.shapes import Shapes

Pairs: TypeAlias = Sequence[tuple[str, str]]
Sizes: TypeAlias = tuple[int, int]

# Findings of which no plan should be used.
_WRONG = ("MU001", "MU002", "MU006", "MU008")
# Findings on the rule itself, which its user chose: kept in the plan, and not said.
_CHOSEN = ("MU004", "MU013", "MU014")


class ParamPlan(NamedTuple):
    """The factors by which one parameter's numbers differ from those of the base model."""

    role: str
    lr: float
    weight_decay: float
    eps: float
    init_scale: float
    multiplier: float


_NUMBERS = itemgetter(*ParamPlan._fields)


class Setting(NamedTuple):
    """The numbers of one parameter."""

    lr: float
    weight_decay: float
    eps: float


class Forward(NamedTuple):
    """What the forward pass applies beside the parameters' own multipliers."""

    attention: float | None
    residual: float | None
    residual_in: Mapping[str, float]
    readout: Mapping[str, float]
    # Sizes of layers of experts, and `route`, on the weighted sum of the routed ones.
    experts: Mapping[str, Any] | None


class Finding(NamedTuple):
    """Something that looks wrong; `mutransfer.explain(code)` says why it matters."""

    code: str
    title: str
    parameter: str | None
    message: str
    fix: str


class Plan(NamedTuple):
    """How to train a model so that the hyperparameters of its base hold.

    Plans are equal if their hashes are. All numbers are factors on those of the base model, so
    that one plan serves any hyperparameters.
    """

    rule: str
    form: str
    optimizer: str
    decay: str
    hash: str
    params: Mapping[str, ParamPlan]
    forward: Forward
    clip: Mapping[str, Any] | None
    findings: tuple[Finding, ...]
    document: Mapping[str, Any]
    # By how much initialisers of frameworks scale each parameter by themselves, by their law; not
    # known of a plan that was read from a file.
    laws: Mapping[str, Mapping[str, float]]
    head_dim: tuple[int, int] | None = None

    @classmethod
    def from_document(
        cls,
        document: Mapping[str, Any],
        findings: Sequence[Mapping[str, Any]] = (),
        laws: Mapping[str, Mapping[str, float]] | None = None,
        head_dim: tuple[int, int] | None = None,
    ) -> Plan:
        """A plan from the JSON that `mutransfer plan --json` prints."""
        forward = document["forward"]
        # Parameters with equal numbers may share them.
        shared = {id(own): own for own in document["params"].values()}
        plans = {key: ParamPlan._make(_NUMBERS(own)) for key, own in shared.items()}
        return cls(
            rule=document["rule"],
            form=document["form"],
            optimizer=document["optimizer"],
            decay=document["decay"],
            hash=document["hash"],
            params={name: plans[id(own)] for name, own in document["params"].items()},
            forward=Forward(
                forward.get("attention"),
                forward.get("residual"),
                forward.get("residual_in", {}),
                forward.get("readout", {}),
                forward.get("experts"),
            ),
            clip=document.get("clip"),
            findings=tuple(Finding(**finding) for finding in findings),
            document=document,
            laws=laws or {},
            head_dim=head_dim,
        )

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Reads a plan that `save`, or `mutransfer plan --json` without base values, wrote.

        Raises:
            PlanError: If the file holds no plan, or one with absolute numbers.
        """
        with in_file(Path(path)):
            return cls.from_document(json.loads(_core.read_plan(Path(path).read_text("utf-8"))))

    def save(self, path: str | Path) -> None:
        """Writes the plan as JSON (schema: docs/plan.schema.json)."""
        Path(path).write_text(json.dumps(self.document, indent=2) + "\n", "utf-8")

    def settings(
        self, lr: float, weight_decay: float = 0.0, eps: float = 1e-8
    ) -> dict[str, Setting]:
        """The numbers of every parameter for those of the base model.

        Returns:
            Learning rate, weight decay (in the convention `decay`) and epsilon by name.
        """
        return {
            name: Setting(lr * param.lr, weight_decay * param.weight_decay, eps * param.eps)
            for name, param in self.params.items()
        }

    def groups(self) -> list[list[str]]:
        """Names of the parameters that share learning rate, weight decay and epsilon."""
        found: dict[tuple[float, float, float], list[str]] = {}
        for name, param in self.params.items():
            found.setdefault((param.lr, param.weight_decay, param.eps), []).append(name)
        return list(found.values())

    def multipliers(self) -> dict[str, float]:
        """Factors on weights in the forward pass by name, of tied readouts by the readout's."""
        own = {name: param.multiplier for name, param in self.params.items()}
        return own | dict(self.forward.readout)

    def compare_settings(
        self, groups: object, *, lr: float, weight_decay: float = 0.0, eps: float = 1e-8
    ) -> list[Finding]:
        """Where a trainer's own numbers differ from the plan's.

        Args:
            groups: The `param_groups` of an optimizer's `state_dict()`, with names (torch keeps
                them where it was made of `named_parameters()`), or settings as in a plan.
            lr: Learning rate of the base model.
            weight_decay: Weight decay of the base model.
            eps: Epsilon of the base model.
        """
        document = {**self.document, "params": {}}
        for name, own in self.settings(lr, weight_decay, eps).items():
            document["params"][name] = {**self.document["params"][name], **own._asdict()}
        found = _core.check_settings(json.dumps(groups), json.dumps(document))
        return [Finding(**finding) for finding in json.loads(found)]

    def table(self) -> str:
        """The plan as a table for people; parameters of blocks with equal numbers share a row."""
        rows: dict[tuple[str, ...], int] = {}
        for name, param in self.params.items():
            template = ".".join("*" if part.isdigit() else part for part in name.split("."))
            row = (template, param.role, *(f"{number:.6g}" for number in param[1:]))
            rows[row] = rows.get(row, 0) + 1
        head = ("parameter", *ParamPlan._fields)
        named = [(f"{row[0]} ({n})" if n > 1 else row[0], *row[1:]) for row, n in rows.items()]
        sizes = [max(map(len, column)) for column in zip(head, *named, strict=True)]
        lines = ["  ".join(map(str.ljust, row, sizes)).rstrip() for row in (head, *named)]
        lines.append(
            f"{self.rule} in the form {self.form}, for {self.optimizer} with {self.decay} decay"
        )
        forward = self.forward._asdict().items()
        return "\n".join(lines + [f"forward {name}: {value}" for name, value in forward if value])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.hash == other.hash

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        what = f"{self.rule}, {self.form}, {self.optimizer}, {len(self.params)} parameters"
        return f"Plan({what}, {self.hash[:16]})"


def plan(
    base: Shapes | str | Path,
    target: Shapes | str | Path,
    *,
    delta: Shapes | str | Path | None = None,
    rule: str | Path = "mup",
    optimizer: str = "adamw",
    layout: str | None = None,
    declare: Pairs = (),
    ties: Pairs = (),
    zero_init: Sequence[str] = (),
    head_dim: Sizes | None = None,
    depth: Sizes | None = None,
    active: Sizes | None = None,
    experts: Sizes | None = None,
    expert_width: Sizes | None = None,
    shared_width: Sizes | None = None,
    form: str | None = None,
    decay: str | None = None,
    options: Mapping[str, str] | None = None,
    fold: Sequence[str] = (),
    decays: bool = True,
    clips: bool = True,
    strict: bool = True,
) -> Plan:
    """Plans a model from shapes alone.

    Args:
        base: The proxy, on which hyperparameters are tuned: shapes by name, or the path of a
            `.bsh`, JSON or safetensors file.
        target: The model to train.
        delta: The proxy at another width, to show which sizes are widths; without it the target
            shows that.
        rule: A name of `rules()`, or the path of a table in TOML.
        optimizer: A name, such as `adamw`, `sgd` or `muon`.
        layout: How weights are stored where shapes do not say: `out-in` (torch) or `in-out`.
        declare: Patterns of names with roles: `input`, `hidden`, `output`, `vector`, `fixed`.
        ties: Readouts with the embeddings that they share their tensor with.
        zero_init: Patterns of parameters that start at zero.
        head_dim: Size of an attention head in base and target, where heads grow.
        depth: Number of blocks in base and target, to be checked against the names.
        active: Experts that a token is routed to, in base and target; a dense base has 1.
        experts: Experts of a block, where shapes do not say it.
        expert_width: Hidden units of one expert, likewise.
        shared_width: Hidden units of all shared experts together, likewise.
        form: `table3`, `table8`, `table9` or `folded`; without it the rule's own.
        decay: `l2`, `times-lr` or `independent`; without it the optimizer's own.
        options: Choices where the literature disagrees.
        fold: Patterns of parameters whose multiplier goes into their weights.
        decays: Whether there is weight decay.
        clips: Whether gradients are clipped at a constant norm.
        strict: Whether findings MU001, MU002, MU006 and MU008 are errors.

    Returns:
        A factor for every number of every parameter.

    Raises:
        PlanError: If no plan can be made; the hint says what to declare.

    >>> base, target = ({"up": [w, 64], "down": [10, w]} for w in (32, 256))
    >>> p = plan(base, target, layout="out-in", declare=[("up", "input"), ("down", "output")])
    >>> p.params["down"].multiplier
    0.125
    """
    name, table = named(rule)
    bsh = shapes.bsh(base)
    choices = {
        "bsh": bsh,
        "rule": name,
        "table": table,
        "optimizer": optimizer,
        "layout": layout,
        "declare": list(declare),
        "ties": list(ties),
        "zero_init": list(zero_init),
        "sizes": {
            "head_dim": head_dim,
            "depth": depth,
            "active": active,
            "experts": experts,
            "expert_width": expert_width,
            "shared_width": shared_width,
        },
        "form": form,
        "decay": decay,
        "options": dict(options or {}),
        "fold": list(fold),
        "decays": decays,
        "clips": clips,
    }
    with _undisturbed():
        planned = json.loads(
            _core.plan(
                {} if bsh else shapes.read(base),
                shapes.read(target),
                None if delta is None else shapes.read(delta),
                json.dumps(choices),
            )
        )
        rows = {name: planned["rows"][at] for name, at in planned["row_of"]}
        params = {name: row["document"] for name, row in rows.items()}
        laws = {name: row["laws"] for name, row in rows.items()}
        document = {**planned["plan"], "params": params}
        made = Plan.from_document(document, planned["findings"], laws, head_dim)
    _tell(made.findings, strict=strict)
    return made


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without collections of garbage, which would look through all of a large plan many times."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def named(rule: str | Path) -> tuple[str, str | None]:
    """A name, or the name and text of a table in a file."""
    path = Path(rule)
    if path.suffix == ".toml":
        return path.stem, path.read_text("utf-8")
    return str(rule), None


def _tell(findings: Sequence[Finding], *, strict: bool) -> None:
    wrong = [finding for finding in findings if strict and finding.code in _WRONG]
    if wrong:
        first = wrong[0]
        same = [one.parameter for one in wrong if one.code == first.code and one.parameter]
        about = f"`{first.parameter}`: " if first.parameter else ""
        raise PlanError(
            f"{about}{first.title}: {first.message}",
            hint=_HINTS.get(first.code, first.fix),
            code=first.code,
            parameters=same,
        )
    for finding in findings:
        if finding.code in _CHOSEN:
            continue
        about = f"`{finding.parameter}`: " if finding.parameter else ""
        text = f"[{finding.code}] {about}{finding.message}"
        warnings.warn(text, PlanWarning, stacklevel=_caller())


def _caller() -> int:
    """How far away the first frame outside of this package is."""
    import sys

    level, frame = 1, sys._getframe(1)  # noqa: SLF001
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("mutransfer"):
        level, frame = level + 1, frame.f_back
    return level


_HINTS = {
    "MU001": 'declare=[("NAME", "output")] for a readout, classifier or value head (in '
    'mutransfer.torch: readout=["MODULE"], and router=["MODULE"] for what chooses experts), '
    '"input" for an embedding, "hidden" for keys and values of a fixed number of heads',
}
