"""The drop-in against `mup` 1.0.0 as it is on PyPI, and where it is better on purpose."""

import copy
import importlib
import inspect
import sys
from pathlib import Path

import mutransfer.mup as ours
import mutransfer.mup.coord_check as our_check
import pytest
import torch
import torch.nn.functional as F
from conftest import seeded
from mutransfer import PlanWarning
from mutransfer.mup import MuReadout, MuSharedReadout
from test_mutants import Conv1D
from torch import distributed as dist
from torch import nn, optim
from torch.distributed.fsdp import fully_shard

theirs = pytest.importorskip("mup", reason="pip install --no-deps mup==1.0.0")
their_check = pytest.importorskip("mup.coord_check", reason="needs pandas")

PACKAGES = [theirs, ours]


def mlp(width, package, **readout):
    return nn.Sequential(
        nn.Linear(12, width),
        nn.ReLU(),
        nn.Linear(width, 2 * width, bias=False),
        nn.ReLU(),
        nn.Linear(2 * width, width),
        nn.ReLU(),
        package.MuReadout(width, 10, **readout),
    )


def cnn(width, package):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        package.MuReadout(2 * width * 4, 10),
    )


class Words(nn.Module):
    """An embedding, layer norms and a readout with an output multiplier."""

    def __init__(self, width, package):
        super().__init__()
        self.token = nn.Embedding(24, width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.head = package.MuReadout(width, 10, output_mult=3.0, bias=False)

    def forward(self, ids):
        x = self.token(ids).mean(1)
        return self.head(x + self.down(F.gelu(self.up(self.norm(x)))))


class Pair(nn.Module):
    """Puts out nothing beside its input."""

    def forward(self, x):
        return x, None


class Paired(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.model = Pair(), scaled(mlp, ours, 16)

    def forward(self, x):
        return self.model(self.pair(x)[0])


INPUTS = {
    mlp: lambda g: torch.randn(8, 12, generator=g),
    cnn: lambda g: torch.randn(8, 1, 4, 4, generator=g),
    Words: lambda g: torch.randint(24, (8, 5), generator=g),
}


def scaled(build, package, width=64, base=16, **choices):
    model = seeded(lambda w: build(w, package), width)
    return package.set_base_shapes(
        model, build(base, package), delta=build(2 * base, package), **choices
    )


def trained(build, model, made, steps=6):
    generator = torch.Generator().manual_seed(1)
    inputs, targets = INPUTS[build](generator), torch.arange(8)
    found = []
    for _ in range(steps):
        loss = F.cross_entropy(model(inputs), targets)
        made.zero_grad()
        loss.backward()
        made.step()
        found.append(loss.item())
    return found


def numbers(made):
    return [[g["lr"], g["weight_decay"], len(g["params"])] for g in made.param_groups]


@pytest.fixture(params=INPUTS, ids=lambda build: build.__name__)
def build(request):
    return request.param


def test_infshapes_and_weights(build):
    one, other = scaled(build, theirs), scaled(build, ours)
    for (name, left), (same, right) in zip(
        one.named_parameters(), other.named_parameters(), strict=True
    ):
        assert name == same
        assert left.infshape.serialize() == right.infshape.serialize()
        assert left.infshape.width_mult() == right.infshape.width_mult()
        assert left.infshape.ninf() == right.infshape.ninf()
        assert repr(left.infshape) == repr(right.infshape)
        assert torch.equal(left, right)


OPTIMIZERS = [
    ("MuSGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("MuAdam", {"lr": 0.01, "weight_decay": 0.01}),
    ("MuAdamW", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9)}),
    ("MuAdam", {"lr": 0.01, "impl": optim.RMSprop}),
    ("MuSGD", {"lr": 0.1, "impl": optim.ASGD}),
]


@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS)
def test_groups_and_losses(build, name, arguments):
    found = []
    for package in PACKAGES:
        model = scaled(build, package)
        made = getattr(package, name)(model.parameters(), **arguments)
        found.append((numbers(made), trained(build, model, made)))
    (left, left_losses), (right, right_losses) = found
    assert right == [pytest.approx(group, rel=1e-12) for group in left]
    assert right_losses == pytest.approx(left_losses, rel=2e-6)


@pytest.mark.parametrize(
    ("name", "own"), [("MuSGD", {"momentum": 0.7}), ("MuAdam", {"betas": (0.7, 0.8)})]
)
def test_groups_of_the_user(name, own):
    found = []
    for package in PACKAGES:
        model = scaled(mlp, package)
        given = [
            {"params": iter(model[0].parameters()), "lr": 0.3},
            {"params": list(model[2].parameters()), "weight_decay": 0.2, **own},
            {"params": list(model[6].parameters())},
        ]
        made = getattr(package, name)(given, lr=0.1, weight_decay=0.1)
        found.append([numbers(made), [g[key] for g in made.param_groups for key in own]])
    assert found[0][1] == found[1][1]
    assert found[1][0] == [pytest.approx(group, rel=1e-12) for group in found[0][0]]


def test_checkpoints_of_optimizers_are_exchanged():
    states = []
    for package in PACKAGES:
        model = scaled(mlp, package)
        made = package.MuAdam(model.parameters(), lr=0.01)
        trained(mlp, model, made, 1)
        states.append((made, made.state_dict()))
    states[1][0].load_state_dict(states[0][1])
    states[0][0].load_state_dict(states[1][1])


INITIALISERS = [
    ("uniform_", {"a": -0.1, "b": 0.1}),
    ("normal_", {"std": 0.3}),
    ("trunc_normal_", {"std": 0.3, "a": -0.5, "b": 0.5}),
    ("xavier_uniform_", {"gain": 2.0}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {"a": 1}),
    ("kaiming_normal_", {"mode": "fan_in"}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", {"mode": "fan_out"}),
]


@pytest.mark.parametrize(("name", "arguments"), INITIALISERS)
@pytest.mark.parametrize("width", [16, 64, 80])
def test_initialisers(build, name, arguments, width):
    models = [scaled(build, package, width) for package in PACKAGES]
    plain = build(width, ours)
    for left, right, own in zip(*(m.parameters() for m in [*models, plain]), strict=True):
        if left.dim() < 2:
            continue
        for package, tensor in [(theirs, left), (ours, right)]:
            torch.manual_seed(7)
            assert getattr(package, name)(tensor, **arguments) is tensor
        torch.testing.assert_close(right, left, rtol=1e-6, atol=0)
        if width == 16:
            torch.manual_seed(7)
            getattr(nn.init, name)(own, **arguments)
            assert torch.equal(right, own)


@pytest.mark.parametrize("package", PACKAGES)
def test_constants(package):
    model = scaled(mlp, package)
    assert (package.ones_(model[0].weight) == 1).all()
    package.eye_(model[6].weight)
    assert model[6].weight[1, 1] == 1
    package.uniform_(model[0].weight, 0, 1)
    for call in [
        lambda: package.ones_(model[2].weight),
        lambda: package.normal_(model[2].weight, mean=1),
        lambda: package.uniform_(model[2].weight),
        lambda: package.trunc_normal_(model[2].weight, a=-1),
    ]:
        with pytest.raises(AssertionError):
            call()


def test_the_base_is_torch():
    model = scaled(mlp, ours, width=16)
    plain = seeded(lambda w: mlp(w, ours), 16)
    for layer in plain:
        if isinstance(layer, MuReadout):
            layer._width_mult = 1.0
    losses = trained(mlp, model, ours.MuAdamW(model.parameters(), lr=0.01))
    # As in mup, there is no decay unless it is given.
    reference = optim.AdamW(plain.parameters(), lr=0.01, weight_decay=0.0)
    assert losses == trained(mlp, plain, reference)


def test_files_byte_for_byte(tmp_path, build):
    found = []
    for package in PACKAGES:
        path = str(tmp_path / package.__name__)
        made = package.make_base_shapes(build(16, package), build(32, package), path)
        model = package.set_base_shapes(build(64, package), path)
        again = package.set_base_shapes(build(64, package), made)
        package.save_base_shapes(model, path + "2")
        package.set_base_shapes(build(64, package), build(64, package), savefile=path + "3")
        assert package.get_infshapes(model) == package.get_infshapes(again)
        found.append([Path(path + end).read_bytes() for end in ("", "2", "3")])
    assert found[0] == found[1]


def test_statistics():
    pytest.importorskip("pandas")
    batch = [(torch.randn(4, 12, generator=torch.Generator().manual_seed(0)), torch.arange(4))]
    wanted = {name: name for name in our_check.FDICT if name != "std"}
    found = []
    for package, check in [(theirs, their_check), (ours, our_check)]:
        models = {w: lambda w=w, p=package: scaled(mlp, p, w) for w in (16, 64)}
        # mup seeds before each model's own seed, which `scaled` sets too.
        frame = check.get_coord_data(
            models,
            batch,
            "adam",
            nsteps=3,
            nseeds=2,
            cuda=False,
            show_progress=False,
            output_fdict=wanted,
            input_fdict={"l1": "l1"},
            param_fdict={"l2": "l2"},
            lossfn="xent",
            mup=True,
        )
        found.append(frame)
    left, right = found
    assert list(left.columns) == list(right.columns)
    for column in ("width", "module", "t", "optimizer", "lr"):
        assert (left[column] == right[column]).all()
    for column in [*wanted, "l1", "l2"]:
        assert right[column].dropna().tolist() == pytest.approx(
            left[column].dropna().tolist(), rel=1e-5, abs=1e-12
        )


MODULES = ["", ".infshape", ".shape", ".init", ".layer", ".optim", ".coord_check"]


@pytest.mark.parametrize("part", MODULES)
def test_names_and_signatures(part):
    """Every name of theirs, with their arguments in their order."""
    left = importlib.import_module(f"mup{part}")
    right = importlib.import_module(f"mutransfer.mup{part}")
    not_there = {"example_plot_coord_check"}
    for name, own in vars(left).items():
        is_theirs = getattr(own, "__module__", "").startswith("mup") and callable(own)
        if not is_theirs or name in not_there or name.startswith("_inf_fan"):
            continue
        assert hasattr(right, name), name
        wanted = list(inspect.signature(own).parameters)
        given = list(inspect.signature(getattr(right, name)).parameters)
        if not inspect.isclass(own):
            assert [argument for argument in given if argument in wanted] == wanted, name
    for leaked in ("Linear", "Adam", "AdamW", "SGD"):
        assert hasattr(ours, leaked)
    for private in ("_dataparallel_hack", "_extract_shapes", "_zip_infshape_dict"):
        assert hasattr(ours.shape, private)


def test_installed_under_their_name(monkeypatch):
    with pytest.raises(AssertionError, match="another mup is imported"):
        ours.install()
    for name in [name for name in sys.modules if name.split(".")[0] == "mup"]:
        monkeypatch.delitem(sys.modules, name)
    ours.install()
    from mup import MuAdamW, set_base_shapes
    from mup.coord_check import get_coord_data
    from mup.infshape import InfShape

    assert (MuAdamW, set_base_shapes) == (ours.MuAdamW, ours.set_base_shapes)
    assert (InfShape, get_coord_data) == (ours.InfShape, our_check.get_coord_data)
    for name in [name for name in sys.modules if name.split(".")[0] == "mup"]:
        monkeypatch.delitem(sys.modules, name)


def test_errors_are_theirs_in_kind():
    for package in PACKAGES:
        model = mlp(64, package)
        with pytest.raises(AssertionError):
            package.MuAdam(model.parameters(), lr=0.1)
        with pytest.raises(AssertionError):
            model(torch.zeros(1, 12))
        with pytest.raises(AssertionError):
            package.set_base_shapes(nn.Linear(64, 10), nn.Linear(16, 10))
        with pytest.raises(AssertionError):
            package.set_base_shapes(model, nn.Linear(16, 10))
        package.set_base_shapes(model, mlp(16, package))
        with pytest.raises(RuntimeError):
            package.set_base_shapes(model, mlp(16, package))
        package.set_base_shapes(model, mlp(16, package), rescale_params=False)
        for layer in model:
            layer._has_rescaled_params = False
        package.set_base_shapes(model, mlp(16, package))
        with pytest.raises(ValueError, match="unhandled"):
            package.set_base_shapes(model, 3)
    with pytest.raises(ours.MupError) as refused:
        ours.MuAdam(mlp(64, ours).parameters(), lr=0.1)
    assert str(refused.value) == (
        "a parameter of sizes [64, 12] does not have `infshape`\n"
        "  hint: call set_base_shapes on the model; after FSDP or deepcopy, reattach(model)"
    )


def test_nothing_is_scaled_without_a_base():
    model, plain = seeded(lambda w: mlp(w, ours), 64), seeded(lambda w: mlp(w, ours), 64)
    with pytest.warns(PlanWarning, match="base=None: the model is its own base") as warned:
        ours.set_base_shapes(model, None)
    assert warned[0].filename == __file__
    assert model[6].width_mult() == 1
    assert all(map(torch.equal, model.parameters(), plain.parameters()))


class TestOnPurpose:
    """Where `mup` is wrong or fails."""

    def test_copies_and_export(self):
        model = scaled(mlp, ours)
        expected = model(torch.ones(2, 12))
        copied = copy.deepcopy(model)
        assert torch.equal(copied(torch.ones(2, 12)), expected)
        with pytest.raises(AssertionError, match="reattach"):
            ours.MuAdam(copied.parameters(), lr=0.1)
        assert numbers(ours.MuAdam(copied, lr=0.1)) == numbers(ours.MuAdam(model, lr=0.1))
        exported = torch.export.export(copied, (torch.ones(2, 12),), strict=False)
        torch.testing.assert_close(exported.module()(torch.ones(2, 12)), expected)
        compiled = torch.compile(copied, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(torch.ones(2, 12)), expected)
        broken = copy.deepcopy(scaled(mlp, theirs))
        with pytest.raises(AssertionError):
            broken(torch.ones(2, 12))

    def test_sharded(self):
        """FSDP replaces parameters, and with them what is kept on them."""
        x = torch.ones(2, 12)
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        try:
            model = scaled(mlp, ours)
            expected, groups = model(x), numbers(ours.MuAdam(model, lr=0.1))
            fully_shard(model, mesh=dist.init_device_mesh("cpu", (1,)))
            torch.testing.assert_close(model(x), expected)
            with pytest.raises(AssertionError, match="reattach"):
                ours.MuAdam(model.parameters(), lr=0.1)
            assert numbers(ours.MuAdam(ours.reattach(model).parameters(), lr=0.1)) == groups
            broken = fully_shard(scaled(mlp, theirs), mesh=dist.init_device_mesh("cpu", (1,)))
            with pytest.raises(AssertionError):
                broken(x)
        finally:
            dist.destroy_process_group()

    def test_prefixes(self):
        base = {"module.module_list.weight": (4,), "module.e.weight": (4,)}
        plain = {"module_list.weight": (8,), "e.weight": (8,)}
        assert set(ours.zip_infshapes(base, plain)) == {"module_list.weight", "e.weight"}
        with pytest.raises(AssertionError):
            theirs.zip_infshapes(base, plain)

    def test_shared_readout(self):
        table = nn.Embedding(24, 64)
        assert MuSharedReadout(table.weight).bias.shape == (24,)
        assert theirs.MuSharedReadout(table.weight).bias.shape == (64,)

        class Tied(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.table = nn.Embedding(24, width)
                self.head = MuSharedReadout(self.table.weight, bias=False)

        model, plain = seeded(Tied, 64), seeded(Tied, 64)
        ours.set_base_shapes(model, Tied(16))
        assert torch.equal(model.table.weight, plain.table.weight)
        assert model.head.width_mult() == 4

    def test_equality_is_of_the_whole(self):
        dims = [ours.InfDim(None, 2), ours.InfDim(4, 8)]
        assert ours.InfShape(dims) != ours.InfShape(dims[:1])
        assert ours.InfShape(dims) == ours.InfShape(copy.deepcopy(dims))
        left = [theirs.InfDim(None, 2), theirs.InfDim(4, 8)]
        assert theirs.InfShape(left) == theirs.InfShape(left[:1])

    def test_fan_in_of_transposed_convolutions(self):
        make = lambda w: nn.ConvTranspose1d(w, 2 * w if w == 16 else w, 3)
        ours_model = ours.set_base_shapes(make(64), make(16), delta=nn.ConvTranspose1d(32, 64, 3))
        assert ours_model.weight.infshape.main_idx == 0
        assert ours_model.weight.infshape.width_mult() == 4
        made = ours.MuAdam(ours_model.parameters(), lr=0.8)
        assert made.param_groups[0]["lr"] == 0.2

    def test_fan_in_of_conv1d(self, monkeypatch):
        """The layer of GPT-2 in transformers, whose weights are stored [in, out]."""
        monkeypatch.setattr(Conv1D, "__module__", "transformers.pytorch_utils")
        model = ours.set_base_shapes(Conv1D(128, 64), Conv1D(16, 16), delta=Conv1D(32, 32))
        assert model.weight.infshape.main_idx == 0
        assert ours.MuAdam(model.parameters(), lr=0.8).param_groups[0]["lr"] == 0.2
        wrong = theirs.set_base_shapes(Conv1D(128, 64), Conv1D(16, 16), delta=Conv1D(32, 32))
        assert theirs.MuAdam(wrong.parameters(), lr=0.8).param_groups[0]["lr"] == 0.1

    def test_groups_of_the_caller_stay(self):
        for package, is_kept in [(theirs, False), (ours, True)]:
            given = [{"params": list(scaled(mlp, package).parameters())}]
            package.MuSGD(given, lr=0.1)
            assert ("lr" not in given[0]) == is_kept

    def test_coordinate_checks(self):
        pytest.importorskip("pandas")
        models = {16: lambda: scaled(mlp, ours, 16)}
        batch = [(torch.ones(4, 12), torch.arange(4))]
        quiet = {"nsteps": 1, "show_progress": False}
        frame = our_check.get_coord_data(
            models,
            batch,
            lambda params, lr: optim.Adam(params, lr=lr),
            lossfn=F.cross_entropy,
            output_fdict={"std": "std"},
            **quiet,
        )
        assert frame["std"].notna().all()
        assert set(frame["lr"]) == {1e-3}
        one_hot = our_check.get_coord_data(
            models, batch, "adam", lossfn="mse", one_hot_target=True, **quiet
        )
        assert len(one_hot) == len(frame)
        absolute = our_check.get_coord_data(
            {16: Paired}, batch, lossfn="l1", one_hot_target=True, **quiet
        )
        assert absolute["module"][0] == "pair:out[0]"
        assert len(absolute) == len(frame) + 2
        with pytest.raises(ValueError, match="unknown optimizer `lion`; known: sgd, adam, adamw"):
            our_check.get_coord_data(models, batch, "lion")
        with pytest.raises(NotImplementedError, match="unknown loss"):
            our_check.get_coord_data(models, batch, lossfn="x", **quiet)


def test_decay_that_stays():
    """As `decoupled_wd` of their repository."""
    model = scaled(mlp, ours)
    made = ours.MuAdamW(model.parameters(), lr=0.1, weight_decay=0.5, decoupled_wd=True)
    assert {group["weight_decay"] for group in made.param_groups} == {0.5}


def test_patterns_of_real_code():
    class Own(MuReadout):
        def width_mult(self):
            return 2.0

    model = scaled(mlp, ours)
    replaced = copy.deepcopy(model)
    replaced[6].width_mult = lambda: 8.0
    x = torch.ones(1, 64)
    bias = model[6].bias
    torch.testing.assert_close(
        (replaced[6](x) - bias) * 8, (model[6](x) - bias) * 4, rtol=1e-5, atol=1e-6
    )
    assert Own(64, 10).width_mult() == 2
    # LoRA sets dimensions by hand.
    low_rank = nn.Parameter(torch.zeros(4, 64))
    low_rank.infshape = ours.InfShape([ours.InfDim(None, 4), ours.InfDim(16, 64)])
    low_rank.infshape.main_idx, low_rank.infshape.main = 1, low_rank.infshape[1]
    assert ours.MuSGD([low_rank], lr=0.1).param_groups[0]["lr"] == pytest.approx(0.4)
    ours.normal_(low_rank, std=0.1)

    class Shaped(nn.Linear):
        def get_shapes(self):
            return {"weight": (9, 9), "bias": (9,)}

    assert ours.get_shapes(Shaped(2, 2)) == {"weight": (9, 9), "bias": (9,)}
