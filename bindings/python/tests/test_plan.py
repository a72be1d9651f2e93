"""Plans without a framework."""

import copy
import importlib
import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import mutransfer
import pytest
from mutransfer import AxesError, PlanError, PlanWarning, Shape


def shapes(width):
    return {
        "in.weight": Shape((width, 12), 1, 0),
        "in.bias": (width,),
        "mid.weight": Shape((width, width), 1, 0),
        "out.weight": Shape((10, width), 1, 0),
    }


DECLARED = [("out.weight", "output")]


def planned(**choices):
    given = {"delta": shapes(64), "declare": DECLARED, **choices}
    return mutransfer.plan(shapes(32), shapes(256), **given)


def test_numbers_of_table_8():
    plan = planned(optimizer="adamw")
    assert plan.params["mid.weight"] == ("hidden", 1 / 8, 8.0, 1 / 8, 1 / 8**0.5, 1.0)
    assert plan.params["out.weight"] == ("output", 1.0, 1.0, 1 / 8, 1.0, 1 / 8)
    assert plan.params["in.bias"][:3] == ("vector", 1.0, 1.0)
    setting = plan.settings(0.1, weight_decay=0.5, eps=1e-6)["mid.weight"]
    assert setting == (0.1 / 8, 4.0, 1e-6 / 8)
    assert plan.groups() == [["in.bias", "in.weight", "out.weight"], ["mid.weight"]]
    assert "mid.weight  hidden  0.125  8" in plan.table()


def test_active_experts_of_a_dense_base():
    """The example of the program's pages: two of four experts, as wide together as the base."""
    matrix = lambda *dims: Shape(dims, 1, 0)
    of = "blocks.0.mlp"
    dense = {"embed": (50, 32), f"{of}.up": matrix(80, 32), f"{of}.down": matrix(32, 80)}
    sparse = {"embed": (50, 64), f"{of}.router": matrix(4, 64)}
    dense["blocks.0.query"], sparse["blocks.0.query"] = matrix(32, 32), matrix(64, 64)
    dense["head"], sparse["head"] = matrix(50, 32), matrix(50, 64)
    for expert in range(4):
        sparse[f"{of}.experts.{expert}.up"] = matrix(40, 64)
        sparse[f"{of}.experts.{expert}.down"] = matrix(64, 40)
    declare = [("embed", "input"), ("head", "output")]
    with pytest.warns(PlanWarning, match="MU021"):
        plan = mutransfer.plan(dense, sparse, declare=declare, rule="complete-mue", active=(1, 2))
    down = plan.params["blocks.0.mlp.experts.3.down"]
    assert (down.role, down.lr, down.init_scale, down.multiplier) == ("expert-out", 0.5, 0.5, 2.0)
    experts = plan.forward.experts
    assert (experts["route"], experts["active"], experts["experts"]) == (2.0, [1, 2], [1, 4])
    assert "forward experts:" in plan.table()
    with pytest.raises(PlanError, match="8 of 4 experts are active"):
        mutransfer.plan(dense, sparse, declare=declare, rule="complete-mue", active=(1, 8))
    with pytest.raises(PlanError, match="active width") as refused:
        mutransfer.plan(dense, sparse, declare=declare, rule="complete-mue")
    assert "active" in refused.value.hint


def test_without_torch():
    """Importing the package must not import a framework, and is fast."""
    code = "import sys, mutransfer; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_equality_is_that_of_hashes():
    assert planned() == planned()
    assert planned() != planned(optimizer="sgd")
    assert len({planned(), planned(), planned(rule="sp")}) == 2
    assert pickle.loads(pickle.dumps(planned())) == planned()
    assert copy.deepcopy(planned()).params == planned().params


def test_saved_and_loaded(tmp_path):
    plan = planned(head_dim=(8, 16))
    plan.save(tmp_path / "plan.json")
    loaded = mutransfer.Plan.load(tmp_path / "plan.json")
    assert loaded == plan
    assert loaded.params == plan.params
    assert loaded.forward == plan.forward


def test_a_plan_with_absolute_numbers_is_refused(tmp_path):
    document = copy.deepcopy(planned().document)
    document["hyper"]["lr"] = 0.01
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(PlanError) as refused:
        mutransfer.Plan.load(tmp_path / "plan.json")
    assert str(refused.value) == (
        f"{tmp_path}/plan.json: this plan has absolute numbers, for one set of hyperparameters\n"
        "  hint: plan without --lr and the like"
    )
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(PlanError, match="this is no plan: missing field `rule`"):
        mutransfer.Plan.load(tmp_path / "plan.json")


def test_folded_parameters_are_those_of_the_folded_form():
    single, form = planned(fold=["out.weight"]), planned(form="folded", clips=False)
    assert single.params == form.params
    assert single.hash != planned().hash


def test_an_undeclared_readout_is_an_error_unless_not_strict():
    with pytest.raises(PlanError) as refused:
        planned(declare=[])
    assert refused.value.code == "MU001"
    assert refused.value.parameter == "out.weight"
    assert str(refused.value).startswith(
        "`out.weight`: readout not declared: dimensions [10, 256] grow in the fan-in only; declare "
        "`out.weight` output, input if it is an embedding, or hidden if it stays inside the network"
    )
    with pytest.warns(PlanWarning, match=r"\[MU001\] `out.weight`") as warned:
        planned(declare=[], strict=False)
    assert warned[0].filename == __file__


def test_unknown_axes():
    base, target = {"w": (32, 32)}, {"w": (256, 256)}
    with pytest.raises(AxesError) as refused:
        mutransfer.plan(base, target)
    assert isinstance(refused.value, PlanError)
    assert isinstance(refused.value, ValueError)
    assert refused.value.code == "MU006"
    assert str(refused.value) == (
        "parameter `w` of dimensions [256, 256] grows, but which axis is fan-in is unknown\n"
        '  hint: say which axis is summed over: Shape(dims, fan_in, fan_out), or layout="out-in" '
        '(torch) or "in-out" for all; or declare=[(name, role)]'
    )


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"rule": "magic"}, "unknown rule `magic`; known: sp, "),
        ({"optimizer": "adamx"}, "unknown optimizer `adamx`; known: sgd, "),
        ({"form": "table7"}, "unknown form `table7`; known: table3, table8, table9, folded"),
        ({"decay": "l3"}, "unknown weight decay `l3`; known: l2, times-lr, independent"),
        ({"layout": "x"}, "unknown layout `x`; known: out-in, in-out"),
        ({"options": {"eps": "x"}}, "unknown variant `x`, expected one of"),
        ({"declare": [("out.weight", "x")]}, "unknown role `x`; known: "),
        ({"declare": [("no.weight", "input")]}, "no parameter matches `no.weight`"),
        ({"zero_init": ["no.weight"]}, "no parameter matches `no.weight`"),
        ({"head_dim": (0, 8)}, "a head of zero entries"),
        ({"delta": shapes(32)}, "no dimension grows between the base and the delta model"),
        ({"delta": {"a": (1,)}}, "parameter `in.bias` of the base model is missing in the delta"),
    ],
)
def test_wrong_choices(choice, text):
    with pytest.raises(PlanError) as refused:
        planned(**choice)
    assert text in str(refused.value)


@pytest.mark.parametrize("sizes", [(1.5,), (-1,), ("a",)])
def test_sizes_are_whole_numbers(sizes):
    with pytest.raises(PlanError, match=r"parameter `w` has the sizes .*whole numbers"):
        mutransfer.plan({"w": sizes}, {"w": sizes})


def test_files(tmp_path):
    def write(width):
        path = tmp_path / f"{width}.json"
        named = {
            name: {"dims": shape.dims, "fan_in": shape.fan_in, "fan_out": shape.fan_out}
            if isinstance(shape, Shape)
            else shape
            for name, shape in shapes(width).items()
        }
        path.write_text(json.dumps(named))
        return path

    base, delta, target = write(32), write(64), write(256)
    assert mutransfer.plan(base, target, delta=delta, declare=DECLARED) == planned()
    header, end = {}, 0
    for name, shape in shapes(256).items():
        dims = list(shape.dims if isinstance(shape, Shape) else shape)
        begin, end = end, end + 4 * math.prod(dims)
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    (tmp_path / "t.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"data")
    bsh = tmp_path / "base.bsh"
    sizes = {
        "in.weight": [32, None],
        "in.bias": [32],
        "mid.weight": [32, 32],
        "out.weight": [None, 32],
    }
    bsh.write_text(mutransfer._core.bsh_write(sizes))
    read = mutransfer.plan(bsh, tmp_path / "t.safetensors", layout="out-in", declare=DECLARED)
    assert read.params == planned().params
    with pytest.raises(PlanError, match=r"base\.bsh has base sizes only"):
        mutransfer.plan(base, bsh)
    with pytest.raises(FileNotFoundError):
        mutransfer.plan(tmp_path / "no.json", target)


def test_a_table_of_ones_own(tmp_path):
    table = tmp_path / "mine.toml"
    table.write_text('[input]\n[hidden]\nlr = "m_in^-1/2"\n[output]\n')
    plan = planned(rule=table)
    assert {finding.code for finding in plan.findings} == {"MU013"}
    assert plan.rule == "mine"
    assert plan.params["mid.weight"].lr == pytest.approx(8**-0.5)
    table.write_text('[input]\n[hidden]\nlr = "m_up"\n[output]\n')
    with pytest.raises(PlanError, match="m_up"):
        planned(rule=table)


def test_what_is_known():
    assert (
        mutransfer.explain("MU012")["fix"]
        == "Take the number from the plan; let schedules be factors."
    )
    assert [lint["code"] for lint in mutransfer.lints()][:2] == ["MU001", "MU002"]
    with pytest.raises(PlanError, match="unknown lint `MU999`"):
        mutransfer.explain("MU999")
    assert {"mup", "sp", "ntk"} <= mutransfer.rules().keys()
    assert "muon-moonlight" in mutransfer.optimizers()


def test_settings_of_a_trainer():
    plan = planned()
    groups = [
        {"lr": setting.lr, "weight_decay": setting.weight_decay, "params": [name]}
        for name, setting in plan.settings(0.1, 0.5).items()
    ]
    assert plan.compare_settings(groups, lr=0.1, weight_decay=0.5) == []
    found = plan.compare_settings(groups, lr=0.2, weight_decay=0.5)
    assert [one.parameter for one in found] == list(plan.params)
    assert found[0].message == "lr is 0.1, the plan has 0.2"


@pytest.mark.skipif("MUTRANSFER_PROGRAM" not in os.environ, reason="names the built program")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "sophia"])
def test_the_program_makes_the_same_plan(tmp_path, optimizer):
    plan = planned(optimizer=optimizer, head_dim=(8, 16), zero_init=["out.weight"], decays=False)
    files = []
    for flag, width in [("--base", 32), ("--delta", 64), ("--target", 256)]:
        path = tmp_path / f"{width}.json"
        path.write_text(
            json.dumps(
                {n: list(s[0] if isinstance(s, Shape) else s) for n, s in shapes(width).items()}
            )
        )
        files += [flag, path]
    program = Path(os.environ["MUTRANSFER_PROGRAM"])
    made = subprocess.run(
        [
            program,
            "plan",
            *files,
            "--layout",
            "out-in",
            "--declare",
            "out.weight=output",
            "--optimizer",
            optimizer,
            "--head-dim",
            "8:16",
            "--zero-init",
            "out.weight",
            "--json",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(made.stdout)["hash"] == plan.hash
    assert json.loads(made.stdout) == plan.document
    nn, mt = pytest.importorskip("torch").nn, importlib.import_module("mutransfer.torch")
    models = [
        nn.ModuleDict(
            {
                "in": nn.Linear(12, width),
                "mid": nn.Linear(width, width, bias=False),
                "out": nn.Linear(width, 10, bias=False),
            }
        )
        for width in (256, 32, 64)
    ]
    assert plan == mt.plan(
        models[0],
        models[1],
        delta=models[2],
        readout=["out"],
        optimizer=optimizer,
        head_dim=(8, 16),
        zero_init=["out.weight"],
    )
