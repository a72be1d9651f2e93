"""The coordinate check from Python: what it measures, and its verdicts."""

import json
import os
import subprocess

import mutransfer.torch as mt
import pytest
import torch
from conftest import GPT, MODELS, meta, mlp, seeded
from mutransfer import CheckFailed, TableError
from torch import nn, optim

WIDTHS = (32, 64, 128, 256)


@pytest.fixture(scope="module")
def table():
    """SP and μP of a plain GPT, with the readout at zero as is usual."""
    generator = torch.Generator().manual_seed(0)
    batch = [torch.randint(24, (8, 16), generator=generator) for _ in range(2)]
    return mt.coordinates(
        GPT,
        widths=WIDTHS,
        batch=batch,
        readout=["head"],
        rules=("sp", "mup"),
        init="fan-in",
        steps=3,
        seeds=8,
        zero_init=["head.weight"],
    )


def test_verdicts(table):
    sp, mup = table.judge().checks
    assert (sp["rule"], sp["verdict"]) == ("sp", "fail")
    assert "the readout lacks a multiplier of 1/fan-in" in sp["diagnosis"]
    assert mup["verdict"] != "fail", mup["diagnosis"]
    failed = [cell for cell in mup["cells"] if cell["verdict"] == "fail"]
    passed = [cell for cell in mup["cells"] if cell["verdict"] == "pass"]
    assert failed == []
    # More seeds decide the others.
    assert len(passed) > 0.6 * len([cell for cell in mup["cells"] if cell["verdict"]])
    with pytest.raises(CheckFailed, match="sp: fail; own update"):
        table.judge().raise_for_status()


@pytest.mark.skipif("MUTRANSFER_PROGRAM" not in os.environ, reason="names the built program")
def test_the_program_says_the_same(table, tmp_path):
    table.to_csv(tmp_path / "coords.csv")
    command = [
        os.environ["MUTRANSFER_PROGRAM"],
        "coord",
        "--from",
        tmp_path / "coords.csv",
        "--optimizer",
        "adamw",
        "--seeds",
        "8",
        "--json",
        "--out",
        tmp_path / "out",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1, said.stderr
    assert json.loads(said.stdout) == table.judge().checks


def test_what_a_probe_measures():
    """By hand, for one layer with a multiplier."""
    build, readouts, _ = MODELS["mlp"]
    plan = mt.plan(meta(build, 64), meta(build, 16), delta=meta(build, 32), readout=readouts)
    model = mt.apply(seeded(mlp, 64), plan, init="fan-in")
    probe = mt.Probe(model, readout=["4"], modules=["3"])
    made = mt.optimizer(optim.AdamW, model, plan, lr=0.1)
    inputs = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    before, first = model(inputs), model[4].weight.detach().clone()
    probe.step(lambda: model(inputs))
    model(inputs).square().sum().backward()
    made.step()
    probe.step(lambda: model(inputs))
    after, seen = model(inputs), model[:4](inputs) / 4
    rows = probe.rows(width=64, seed=3)
    found = {(row["module"], row["quantity"], row["step"]): row for row in rows}
    assert {row["module"]: row["layer"] for row in rows} == {
        "0": "input",
        "2": "hidden",
        "3": "hidden",
        "4": "output",
    }
    expected = {
        "activation": after,
        "change": after - before,
        "own-update": seen @ (model[4].weight - first).T,
    }
    for quantity, value in expected.items():
        row = found["4", quantity, 1]
        assert row["l1"] == pytest.approx(value.abs().mean().item(), rel=1e-5)
        assert row["l2"] == pytest.approx(value.square().mean().sqrt().item(), rel=1e-5)
        assert row["std"] == pytest.approx(value.std(correction=0).item(), rel=1e-5)
    assert found["4", "activation", 0]["l1"] == pytest.approx(before.abs().mean().item(), rel=1e-5)
    assert (rows[0]["width"], rows[0]["seed"], rows[0]["rule"]) == (64, 3, "mup")


def test_a_probe_leaves_the_model_as_it_is():
    build, _, batch = MODELS["resnet"]
    model = seeded(build, 8).train()
    before = {name: own.clone() for name, own in model.state_dict().items()}
    probe = mt.Probe(model, readout=["5"])
    inputs = batch(torch.Generator().manual_seed(0))
    for _ in range(2):
        probe.step(lambda: model(inputs))
    assert all(torch.equal(own, before[name]) for name, own in model.state_dict().items())
    changes = [row for row in probe.rows(width=8, seed=0) if row["quantity"] != "activation"]
    assert changes
    assert all(row["l1"] == 0 for row in changes)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.filterwarnings("ignore::mutransfer.PlanWarning")
def test_what_cannot_be_judged():
    with pytest.raises(TableError) as refused:
        mt.coordinates(mlp, widths=[32, 32], batch=None)
    assert str(refused.value) == (
        "a slope takes two widths\n  hint: give three or more, an octave apart"
    )
    with pytest.raises(TableError, match="no rows to analyse"):
        mt.Coordinates([], "adamw", 8).judge()

    def loss(model, batch):
        return model(batch).square().mean()

    silent = mt.coordinates(
        lambda w: nn.Sequential(nn.Linear(12, w), nn.Linear(w, w)),
        widths=[8, 16, 32],
        batch=torch.ones(2, 12),
        loss=loss,
        steps=1,
        seeds=1,
        init="fan-in",
    )
    with pytest.raises(TableError, match="nothing says which module is the readout"):
        silent.judge()
