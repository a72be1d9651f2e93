"""The coordinate check from Python: what it measures, and its verdicts."""

import io
import json
import os
import subprocess

import mutransfer.torch as mt
import pytest
import torch
from conftest import MODELS, meta, mlp, seeded
from mutransfer import CheckFailed, TableError
from torch import nn, optim


@pytest.fixture(scope="module")
def table(readme):
    """SP and μP of the README's GPT."""
    return readme["table"]


def test_a_plain_gpt_passes_under_its_plan_and_fails_without(table):
    verdict = table.judge()
    sp, mup = verdict.checks
    assert (sp["rule"], sp["verdict"]) == ("sp", "fail")
    assert "own update of head at t = 1" in sp["diagnosis"]
    assert "the readout lacks a multiplier of 1/fan-in" in sp["diagnosis"]
    assert (mup["rule"], mup["verdict"], mup["diagnosis"]) == ("mup", "pass", None)
    assert {cell["verdict"] for cell in mup["cells"]} == {"pass"}
    with pytest.raises(CheckFailed, match="sp: fail; own update") as failed:
        verdict.raise_for_status()
    assert failed.value.hint.startswith("docs/coord.md")
    # Seeds were added until all was decided.
    assert verdict.settled == ("sp", "mup")
    assert {row["seed"] for row in table.rows} < set(range(table.seeds))


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
        str(table.seeds),
        "--json",
        "--out",
        tmp_path / "out",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1, said.stderr
    assert json.loads(said.stdout) == table.judge().checks


def test_a_table_as_a_picture_and_as_a_frame(table, tmp_path):
    table.plot(tmp_path / "sizes.png")
    table.plot(tmp_path / "changes.svg", "change")
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")
    assert "blocks.0.query" in (tmp_path / "changes.svg").read_text("utf-8")
    with pytest.raises(TableError) as refused:
        table.plot(tmp_path / "none.svg", "loss")
    assert str(refused.value) == (
        "there is no quantity `loss`\n  hint: activation, change or own-update"
    )
    pd = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert frame.equals(pd.read_csv(io.StringIO(table.csv())).astype(frame.dtypes))


def test_an_update_and_a_device_of_the_users():
    seen = []

    def train(model, optimizer, batch):
        seen.append((type(model), type(optimizer), batch))

    batch = (torch.ones(2, 12), torch.arange(2))
    table = mt.coordinates(
        mlp,
        widths=[8, 16],
        batch=batch,
        readout=["4"],
        init="fan-in",
        steps=1,
        seeds=1,
        device="cpu",
        train=train,
    )
    assert seen == [(nn.Sequential, optim.AdamW, batch)] * 2
    changes = [row for row in table.rows if row["quantity"] == "change"]
    assert changes
    assert all(row["l1"] == 0 for row in changes)


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
    nothing = mt.Coordinates([], "adamw", 8)
    with pytest.raises(TableError, match="no rows to analyse"):
        nothing.judge()
    with pytest.raises(TableError, match="nothing to draw"):
        nothing.plot("nowhere.svg")

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
