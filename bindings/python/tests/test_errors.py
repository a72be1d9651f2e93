"""What errors say, whole: `errors.txt` has every text, and `UPDATE=1` writes it anew."""

import json
import os
import re
from pathlib import Path

import mutransfer
import mutransfer.torch as mt
import pytest
import torch
from conftest import GPT, MODELS, cnn, meta, mlp, seeded
from mutransfer import Shape, _core, errors, mup
from mutransfer.mup import errors as mup_errors
from test_trace import Tied
from torch import nn, optim

pytestmark = pytest.mark.filterwarnings("ignore::mutransfer.PlanWarning")
TEXTS = Path(__file__).with_name("errors.txt")


def shapes(width, **more):
    return {"in": Shape((width, 12), 1, 0), "mid": Shape((width, width), 1, 0), **more}


def plan(**choices):
    return mutransfer.plan(shapes(32), shapes(256), **{"delta": shapes(64), **choices})


def planned(build=mlp, width=32, base=8, readout=("4",), **choices):
    models = [meta(build, own) for own in (width, base, 2 * base)]
    return mt.plan(models[0], models[1], delta=models[2], readout=readout, **choices)


def applied(**choices):
    return mt.apply(seeded(mlp, 32), planned(**choices), init="fan-in")


def written(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def table(**changes):
    """Measurements of a readout that grows."""
    row = {"rule": "mup", "seed": 0, "step": 1, "module": "head", "layer": "output"}
    rows = [
        {**row, "width": w, "quantity": "activation", "l1": w, "l2": w, "std": w, **changes}
        for w in (64, 128, 256)
    ]
    return mt.Coordinates(rows, "adamw", 1)


def deeper(width):
    model = GPT(width)
    model.blocks.append(GPT(width).blocks[0])
    return model


class Bare(nn.Module):
    """A table and a readout that no module has."""

    def __init__(self, width):
        super().__init__()
        self.table, self.head = nn.Parameter(torch.ones(4, width)), nn.Linear(width, 3)


class Reversed(nn.Linear):
    def forward(self, x):
        return x @ self.weight


def reversed_layers(width):
    return nn.Sequential(nn.Linear(6, width), Reversed(width, width))


def erased(_):
    model = applied(optimizer=optim.AdamW)
    made = mt.optimizer(optim.AdamW, model, planned(optimizer=optim.AdamW), lr=0.1)
    for group in made.param_groups:
        group["lr"] = 0.1
    made.step()


def of_another(_):
    mt.apply(mlp(32), planned(base=16), init="keep").load_state_dict(applied().state_dict())


def loaded(folder):
    planned().save(folder / "plan.json")
    mt.apply(mlp(32), mutransfer.Plan.load(folder / "plan.json"), init="fan-in")


def absolute(folder):
    document = json.loads(json.dumps(plan(declare=[("mid", "hidden")]).document))
    document["hyper"]["lr"] = 0.1
    mutransfer.Plan.load(written(folder, "plan.json", json.dumps(document)))


def unlike(width):
    model = mlp(width)
    nn.init.normal_(model[2].weight, std=width**-0.7)
    return model


def attention(_):
    head = {"head_dim": (2, 8), "readout": ["head"]}
    mt.apply(GPT(32), planned(GPT, **head), init="fan-in")


def in_parts(_):
    parameter = nn.Linear(2, 2)
    parameter.weight = nn.Parameter(torch.zeros(0))
    mt.shapes(parameter)


def scaled():
    return mup.set_base_shapes(drop_in(64), drop_in(16), delta=drop_in(32))


def drop_in(width):
    return nn.Sequential(nn.Linear(4, width), nn.Linear(width, width), mup.MuReadout(width, 2))


NOTHING = mt.Coordinates([], "adamw", 1)
# What is done wrong, with a folder for files.
WRONG = {
    "a panic": lambda _: _core._panics(),
    "rule": lambda _: plan(rule="magic"),
    "optimizer": lambda _: plan(optimizer="adadelta"),
    "lint": lambda _: mutransfer.explain("MU999"),
    "option": lambda _: plan(options={"eps": "x"}),
    "role": lambda _: plan(declare=[("mid", "x")]),
    "pattern": lambda _: plan(declare=[("out", "output")]),
    "sizes": lambda _: mutransfer.plan({"w": (1.5,)}, {"w": (2,)}),
    "readout": lambda _: mutransfer.plan({"o": Shape((4, 8), 1, 0)}, {"o": Shape((4, 16), 1, 0)}),
    "nothing grows": lambda _: plan(delta=shapes(32)),
    "missing": lambda _: plan(delta={"in": Shape((64, 12), 1, 0)}),
    "axes": lambda _: mutransfer.plan({"w": (8, 8)}, {"w": (32, 32)}),
    "axis": lambda _: mutransfer.plan({"w": Shape((8, 8), 2, 0)}, {"w": Shape((32, 32), 2, 0)}),
    "one axis twice": lambda _: mutransfer.plan(
        {"w": Shape((8, 8), 1, 1)}, {"w": Shape((32, 32), 1, 1)}
    ),
    "contradiction": lambda _: plan(declare=[("mid", "vector")]),
    "tie": lambda _: plan(ties=[("in", "mid")]),
    "tied form": lambda _: planned(
        lambda w: GPT(w, tied=True), readout=[], form="table3", optimizer="adamw"
    ),
    "parts": in_parts,
    "base sizes": lambda _: mutransfer.plan(shapes(8), "target.bsh"),
    "no plan": lambda folder: mutransfer.Plan.load(written(folder, "plan.json", "{}")),
    "absolute numbers": absolute,
    "rule of ones own": lambda folder: plan(rule=written(folder, "mine.toml", "[input]\nlr = 'x'")),
    "no rule": lambda folder: plan(rule=written(folder, "mine.toml", "[input\n")),
    "json": lambda folder: mutransfer.plan(written(folder, "a.json", "[1"), shapes(8)),
    "base shapes": lambda folder: mup.load_base_shapes(written(folder, "a.bsh", "a: 1")),
    "safetensors": lambda folder: mutransfer.plan(written(folder, "a.safetensors", "no"), {}),
    "theory": lambda _: mutransfer.theory("u-mup", "sgd"),
    "unknown axes": lambda _: planned(Bare, readout=["head"]),
    "contradicted axes": lambda _: mt.plan(
        meta(reversed_layers, 32), reversed_layers(8), example=torch.ones(2, 6)
    ),
    "traced on meta": lambda _: planned(example=torch.ones(2, 12)),
    "example of shapes": lambda _: mt.plan(mlp(8), mt.shapes(mlp(8)), example=torch.ones(2, 12)),
    "no such readout": lambda _: planned(readout=["9"]),
    "class": lambda _: planned(optimizer=optim.LBFGS),
    "other class": lambda _: mt.optimizer(optim.SGD, mlp(32), planned(), lr=0.1),
    "other decay": lambda _: mt.optimizer(
        optim.Adam, mlp(32), planned(optimizer="adam"), lr=0.1, decoupled_weight_decay=True
    ),
    "other muon": lambda _: mt.optimizers(
        mlp(32), planned(optimizer=optim.Muon), lr=1, adam_lr=1, adjust_lr_fn="match_rms_adamw"
    ),
    "muon alone": lambda _: mt.optimizer(
        optim.Muon, mlp(32), planned(optimizer=optim.Muon), lr=0.1
    ),
    "no rate": lambda _: mt.check(mlp(32), planned(), optim.AdamW(mlp(32).parameters())),
    "no base to check": lambda _: mt.check(mlp(32), planned(), initial=True),
    "clipped updates": lambda _: mt.clip_grad_norm_(
        mlp(32), planned(options={"clip": "update"}), 1.0
    ),
    "one width": lambda _: mt.coordinates(mlp, widths=[32], batch=None),
    "no rows": lambda _: NOTHING.judge(),
    "nothing to draw": lambda _: NOTHING.plot("nowhere.svg"),
    "quantity": lambda _: table().plot("nowhere.svg", "loss"),
    "no readout": lambda _: table(layer="hidden").judge(),
    "rule of a table": lambda _: table(rule="mine").judge(),
    "single width": lambda _: table(width=64).judge(),
    "zero": lambda _: mt.Coordinates(
        table().rows + table(module="body", layer="hidden", l1=0).rows, "adamw", 1
    ).judge(),
    "word for a number": lambda _: table(l1="x").judge(),
    "failed": lambda _: table().judge().raise_for_status(),
    "no base": lambda _: mt.apply(mlp(32), planned()),
    "base on meta": lambda _: mt.apply(mlp(32), planned(), base=meta(mlp, 8)),
    "law": lambda _: mt.apply(mlp(32), planned(), init="magic"),
    "no law": lambda _: mt.apply(
        seeded(unlike, 1024), planned(width=1024, base=64), base=seeded(unlike, 64)
    ),
    "sizes of a file": loaded,
    "compiled": lambda _: mt.apply(torch.compile(mlp(32)), planned(), init="fan-in"),
    "no place": lambda _: mt.install(
        Tied(32),
        mt.plan(meta(Tied, 32), Tied(8), delta=meta(Tied, 16), example=torch.ones(1).int()),
    ),
    "residual": lambda _: mt.apply(
        deeper(32),
        mt.plan(deeper(32), GPT(8), delta=GPT(16), readout=["head"], depth=(2, 3)),
        init="fan-in",
    ),
    "attention": attention,
    "tied fold": lambda _: mt.fold(
        mt.apply(GPT(32, tied=True), planned(MODELS["gpt-tied"][0], readout=[]), init="constant"),
        planned(MODELS["gpt-tied"][0], readout=[]),
    ),
    "installed twice": lambda _: mt.install(applied(), planned()),
    "scaled twice": lambda _: mt.scale_init(applied(), planned(), init="fan-in"),
    "other model": lambda _: mt.apply(cnn(32), planned(), init="keep"),
    "other checkpoint": of_another,
    "other weights": lambda _: mt.param_groups(applied(), planned(base=16), lr=0.1),
    "no groups": lambda _: mt.guard(optim.AdamW(mlp(32).parameters()), planned()),
    "schedule": erased,
    "mup: no shapes": lambda _: mup.MuAdam(drop_in(64).parameters(), lr=0.1),
    "mup: no rate": lambda _: mup.MuAdam(scaled().parameters()),
    "mup: names": lambda _: mup.set_base_shapes(drop_in(64), nn.Linear(4, 16)),
    "mup: no readout": lambda _: mup.set_base_shapes(nn.Linear(64, 2), nn.Linear(16, 2)),
    "mup: twice": lambda _: mup.set_base_shapes(scaled(), drop_in(16)),
    "mup: mean": lambda _: mup.init.normal_(scaled()[1].weight, mean=1),
    "mup: vector": lambda _: scaled()[1].bias.infshape.fanin_fanout(),
    "mup: no size": lambda _: mup.InfDim(16, None).width_mult(),
}


def raised(name, folder):
    with pytest.raises(errors.MutransferError) as caught:
        WRONG[name](folder)
    return caught.value


def whole(name, error, folder):
    text = str(error).replace(str(folder), "FOLDER")
    # Lists of rules and lints grow.
    text = re.sub("(known: [^,]+)(, [^,]+){8,}", r"\1, ...", text)
    return f"== {name}\n{type(error).__name__}: {re.sub('[0-9a-f]{16}', 'HASH', text)}\n"


@pytest.fixture(scope="module")
def all_raised(tmp_path_factory):
    found = {}
    for name in WRONG:
        folder = tmp_path_factory.mktemp("files")
        error = raised(name, folder)
        found[name] = error, whole(name, error, folder)
    return found


def test_every_text(all_raised):
    said = "\n".join(text for _, text in all_raised.values())
    if "UPDATE" in os.environ:
        TEXTS.write_text(said)
    assert said.splitlines() == TEXTS.read_text().splitlines()


def test_every_class_is_raised(all_raised):
    classes = {
        own
        for module in (errors, mup_errors)
        for own in vars(module).values()
        if isinstance(own, type) and issubclass(own, errors.MutransferError)
    }
    assert {type(error) for error, _ in all_raised.values()} == classes


def test_every_error_says_what_to_do(all_raised):
    """By a hint, or as the known names that its text has."""
    for name, (error, text) in all_raised.items():
        assert error.hint or re.search("known: |expected|; take ", text), name
