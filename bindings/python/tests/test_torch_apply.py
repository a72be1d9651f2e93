"""Initial weights, multipliers and groups in PyTorch."""

import copy
from types import SimpleNamespace

import mutransfer
import mutransfer.torch as mt
import pytest
import torch
from conftest import CLASSES, GPT, MODELS, cnn, ids, losses, meta, mlp, resnet, seeded
from mutransfer import (
    AlreadyApplied,
    AxesError,
    ForwardError,
    InitError,
    PlanError,
    PlanMismatch,
    PlanWarning,
)
from torch import nn

# Under u-μP, the base itself has unit scale.
RULES = sorted(mutransfer.rules().keys() - {"mup", "u-mup"})


def planned(kind, width=32, base=8, **choices):
    build, readouts, _ = kind
    given = {"delta": meta(build, 2 * base), "readout": readouts, **choices}
    return mt.plan(meta(build, width), meta(build, base), **given)


@pytest.mark.parametrize(
    ("name", "rule"),
    [(name, "mup") for name in MODELS] + [(n, rule) for n in ("mlp", "gpt") for rule in RULES],
)
def test_the_base_is_plain_torch(name, rule):
    """At the base everything is bit for bit what it is without a plan."""
    kind = build, _, batch = MODELS[name]
    with pytest.warns(PlanWarning, match="MU003"):
        plan = planned(kind, width=8, rule=rule, optimizer=torch.optim.AdamW, clips=False)
    plain, ours = seeded(build, 8), seeded(build, 8)
    mt.apply(ours, plan, init="auto", base=seeded(build, 8, seed=5))
    for one, other in zip(plain.parameters(), ours.parameters(), strict=True):
        assert torch.equal(one, other)
    reference = torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0.1)
    optimizer = mt.optimizer(torch.optim.AdamW, ours, plan, lr=1e-2, weight_decay=0.1)
    for group in optimizer.param_groups:
        assert (group["lr"], group["weight_decay"], group["eps"]) == (1e-2, 0.1, 1e-8)
    assert losses(ours, optimizer, batch, 3) == losses(plain, reference, batch, 3)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("name", ["mlp", "cnn", "gpt"])
def test_forms_train_the_same_network(name, optimizer):
    """Multipliers as hooks, in the weights, or of another form: the same losses."""
    kind = build, _, batch = MODELS[name]
    found = []
    for form in [None, "folded", "table9"]:
        plan = planned(kind, form=form, optimizer=optimizer, clips=False)
        model = seeded(build, 32, dtype=torch.float64)
        mt.apply(model, plan, base=seeded(build, 8, dtype=torch.float64), init="fan-in")
        assert bool(mt.multipliers(model)) == (form != "folded")
        made = mt.optimizer(optimizer, model, plan, lr=0.02, weight_decay=0.01, eps=1e-6)
        found.append(losses(model, made, batch, 50))
    assert found[0][0] - found[0][-1] > 0.1
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5)


@pytest.mark.parametrize("name", ["mlp", "gpt", "resnet"])
def test_folding_keeps_outputs_and_leaves_a_plain_model(name):
    kind = build, _, batch = MODELS[name]
    model = seeded(build, 32).eval()
    keys = set(model.state_dict())
    plan = planned(kind, form="table9")
    mt.apply(model, plan, init="fan-in")
    inputs = batch(torch.Generator().manual_seed(0))
    before = model(inputs)
    mt.fold(model, plan)
    assert set(model.state_dict()) == keys
    assert mt.multipliers(model) == {}
    torch.testing.assert_close(model(inputs), before, rtol=1e-5, atol=1e-6)
    plain = seeded(build, 32).eval()
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain(inputs), model(inputs), rtol=0, atol=0)


def test_a_tied_readout_is_folded_only_when_untied():
    build, _, batch = kind = MODELS["gpt-tied"]
    model = seeded(build, 32)
    plan = planned(kind)
    assert plan.forward.readout == {"head.weight": 0.25}
    assert "head.weight" not in plan.params
    mt.apply(model, plan, init="constant")
    assert mt.multipliers(model) == {"head": 0.25}
    with pytest.raises(ForwardError, match="untie=True"):
        mt.fold(model, plan)
    inputs = batch(torch.Generator().manual_seed(0))
    before = model(inputs)
    mt.fold(model, plan, untie=True)
    assert model.head.weight is not model.token.weight
    torch.testing.assert_close(model(inputs), before)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_are_those_of_the_rule(name):
    """Whatever torch drew at the target's width, hidden matrices have 1/sqrt(fan_in) and all else
    the base's standard deviation."""
    build, _, _ = kind = MODELS[name]
    plan, base, model = (
        planned(kind, width=64, base=16, delta=None),
        seeded(build, 16),
        seeded(build, 64),
    )
    pick = lambda of: {n: of.get_parameter(n).detach().clone() for n in plan.params}
    before, at_base = pick(model), pick(base)
    mt.apply(model, plan, base=base)
    for parameter, param in plan.params.items():
        now = model.get_parameter(parameter).detach()
        if at_base[parameter].numel() < 200 or at_base[parameter].std() == 0:
            continue
        expected = at_base[parameter].std() * param.init_scale
        assert float(now.std() / expected) == pytest.approx(1, rel=0.15), parameter
        ratio = (now / before[parameter]).flatten()
        assert torch.allclose(ratio, ratio[0])


def test_biases_of_torch_become_constant():
    """As `rescale_linear_bias` of mup does: the readout's bias does not shrink."""
    model, before = seeded(mlp, 256), seeded(mlp, 256)
    plan = planned(MODELS["mlp"], width=256, base=16)
    mt.apply(model, plan, init="fan-in")
    assert torch.equal(model[4].bias, before[4].bias * 4)
    assert torch.equal(model[0].bias, before[0].bias)
    assert torch.equal(model[2].weight, before[2].weight)
    assert torch.equal(model[4].weight, before[4].weight * 4)


def test_laws_by_pattern_and_zero():
    def build(width):
        model = mlp(width)
        nn.init.normal_(model[2].weight, std=0.02)
        return model

    model, before = seeded(build, 256), seeded(build, 256)
    plan = planned((build, ["4"], None), width=256, base=16, zero_init=["4.weight"])
    mt.apply(model, plan, init={"*": "fan-in", "2.weight": "constant"})
    assert torch.equal(model[2].weight, before[2].weight / 4)
    assert not model[4].weight.any()


def test_a_law_that_is_none():
    def build(width):
        model = mlp(width)
        nn.init.normal_(model[2].weight, std=width**-0.7)
        return model

    plan = planned((build, ["4"], None), width=1024, base=64)
    model = seeded(build, 1024)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InitError) as refused:
        mt.apply(model, plan, base=seeded(build, 64))
    assert str(refused.value) == (
        "the standard deviation of `2.weight` is 0.05623 in the base and 0.007814 in the target, "
        "times 0.139; no law fits (constant 1, fan-in 0.25, fan-out 0.25, xavier 0.25)\n"
        '  hint: say the law: init={"PATTERN": "fan-in"}, or "constant", "fan-out", "xavier"; in '
        "small models several laws may fit, and a wider base tells them apart"
    )
    assert mt.multipliers(model) == {}
    assert all(torch.equal(model.state_dict()[name], held) for name, held in before.items())


def test_measuring_needs_real_weights():
    plan = planned(MODELS["mlp"])
    with pytest.raises(InitError, match="there is no base"):
        mt.apply(mlp(32), plan)
    with pytest.raises(InitError, match=r"`0\.weight` is on the device meta"):
        mt.apply(mlp(32), plan, base=meta(mlp, 8))
    with pytest.raises(InitError, match="`magic` is no law of initial weights"):
        mt.apply(mlp(32), plan, init="magic")


def test_a_plan_is_applied_once():
    plan, model = planned(MODELS["mlp"]), mlp(32)
    mt.apply(model, plan, init="fan-in")
    with pytest.raises(AlreadyApplied, match="scaled before"):
        mt.apply(model, plan, init="fan-in")
    with pytest.raises(AlreadyApplied, match="a plan was applied"):
        mt.apply(model, plan, init="keep")


def test_weights_that_come_later():
    model = meta(mlp, 32)
    plan = planned(MODELS["mlp"])
    mt.install(model, plan, record=False)
    model.to_empty(device="cpu")
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    before = model[4].weight.detach().clone()
    mt.scale_init(model, plan, init="fan-in")
    assert torch.equal(model[4].weight, before * 2)
    assert mt.multipliers(model) == {"4": 0.25}


def test_a_plan_of_another_model():
    plan = planned(MODELS["mlp"])
    with pytest.raises(PlanMismatch) as refused:
        mt.apply(cnn(32), plan, init="keep")
    assert str(refused.value) == (
        "the plan does not have parameter `5.bias`\n"
        "  all of these: `5.bias`, `5.weight`\n"
        "  hint: plan this model itself, or one that is built by the same code"
    )
    with pytest.raises(PlanMismatch):
        mt.param_groups(cnn(32), plan, lr=0.1)


def test_a_compiled_model_is_refused():
    model = torch.compile(mlp(32), backend="eager")
    with pytest.raises(ForwardError, match="compiled already"):
        mt.apply(model, planned(MODELS["mlp"]), init="fan-in")


def test_heads_that_grow_need_another_scale():
    class Attention(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.read = nn.Linear(12, width)
            self.qkv, self.out = nn.Linear(width, width), nn.Linear(width, 4)
            self.scaling = (width // 4) ** -0.5

    build = Attention
    plan = planned((build, ["out"], None), head_dim=(2, 8))
    model = mt.apply(build(32), plan, init="fan-in")
    assert model.scaling == pytest.approx(2**0.5 / 8)
    plan = planned(MODELS["gpt"], head_dim=(2, 8))
    with pytest.raises(ForwardError, match=r'handled=\["attention"\]'):
        mt.apply(GPT(32), plan, init="fan-in")
    assert plan.forward.attention == pytest.approx(2**0.5 / 8)
    mt.apply(GPT(32), plan, init="fan-in", handled=["attention"])


def test_depth_needs_a_multiplier_that_the_model_applies():
    def build(width, blocks=2):
        model = GPT(width)
        model.blocks.extend(copy.deepcopy(model.blocks[0]) for _ in range(blocks - 2))
        return model

    plan = mt.plan(build(32, 8), GPT(8), delta=GPT(16), readout=["head"], depth=(2, 8))
    assert plan.forward.residual == 0.25
    with pytest.raises(ForwardError) as refused:
        mt.apply(build(32, 8), plan, init="fan-in")
    assert str(refused.value) == (
        "residual branches need the factor 0.25\n"
        '  hint: multiply every branch by plan.forward.residual and say so: handled=["residual"]'
    )
    mt.apply(build(32, 8), plan, init="fan-in", handled=["residual"])


class Functional(nn.Module):
    """Its readout is a parameter of its own, which no module has."""

    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(12, width)
        self.head = nn.Parameter(torch.randn(CLASSES, width) / width**0.5)

    def forward(self, x):
        return self.inner(x).relu() @ self.head.T


def test_what_no_module_has_is_folded_alone():
    with pytest.raises(AxesError) as refused:
        mt.plan(Functional(32), Functional(8), delta=Functional(16))
    assert str(refused.value) == (
        "parameter `head` of Functional has the sizes [10, 32] and grows, and nothing says which "
        "of its axes the model sums over\n"
        '  hint: example=INPUTS shows it; or say it: declare=[("NAME", "input")] for a table or '
        'position code, "output" for a readout; or axes={"NAME": (fan_in, fan_out)} with the '
        "numbers of the axes"
    )
    given = {"delta": Functional(16), "axes": {"head": (1, 0)}, "readout": ["head"], "clips": False}
    plan = mt.plan(Functional(32), Functional(8), **given)
    assert plan.params["head"].multiplier == 1
    assert plan.params["head"].lr == 0.25
    declared = mt.plan(
        Functional(32),
        Functional(8),
        delta=Functional(16),
        clips=False,
        declare=[("head", "output")],
    )
    assert declared == plan
    with pytest.warns(PlanWarning, match="MU011"):
        mt.plan(Functional(32), Functional(8), **{**given, "form": "folded", "clips": True})


def test_readouts_are_named():
    with pytest.raises(PlanError, match=r"`4\.weight`: readout not declared"):
        mt.plan(mlp(32), mlp(8), delta=mlp(16))
    with pytest.raises(PlanError, match="no module or parameter matches `9`"):
        mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["9"])
    by_module = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"])
    assert by_module == mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4.weight"])
    assert by_module == mt.plan(mlp(32), mlp(8), readout=["4"])


def test_axes_by_type():
    layers = nn.ModuleDict(
        {
            "linear": nn.Linear(2, 3),
            "bilinear": nn.Bilinear(2, 3, 4),
            "conv": nn.Conv2d(2, 3, 5),
            "transposed": nn.ConvTranspose1d(2, 3, 5),
            "depthwise": nn.Conv2d(4, 8, 3, groups=4),
            "grouped": nn.Conv2d(4, 8, 3, groups=2),
            "table": nn.Embedding(2, 3),
            "bag": nn.EmbeddingBag(2, 3),
            "norm": nn.LayerNorm([2, 3]),
            "batch": nn.BatchNorm2d(3),
            "lstm": nn.LSTM(2, 3),
            "cell": nn.GRUCell(2, 3),
            "attention": nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True),
        }
    )
    found = {name: (shape.fan_in, shape.fan_out) for name, shape in mt.shapes(layers).items()}
    matrices = {name: axes for name, axes in found.items() if axes != (None, None)}
    assert matrices == {
        "linear.weight": (1, 0),
        "bilinear.weight": (1, 0),
        "conv.weight": (1, 0),
        "transposed.weight": (0, 1),
        "depthwise.weight": (None, 0),
        "grouped.weight": (1, 0),
        "table.weight": (None, 1),
        "bag.weight": (None, 1),
        "norm.weight": (None, 1),
        "norm.bias": (None, 1),
        "lstm.weight_ih_l0": (1, 0),
        "lstm.weight_hh_l0": (1, 0),
        "cell.weight_ih": (1, 0),
        "cell.weight_hh": (1, 0),
        "attention.q_proj_weight": (1, 0),
        "attention.k_proj_weight": (1, 0),
        "attention.v_proj_weight": (1, 0),
        "attention.bias_k": (None, 2),
        "attention.bias_v": (None, 2),
        "attention.out_proj.weight": (1, 0),
    }


def test_a_table_shared_by_two_layers_is_one_parameter():
    class Shared(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.one, self.two = nn.Embedding(9, width), nn.Embedding(9, width)
            self.two.weight = self.one.weight
            self.out = nn.Linear(width, 3)

    plan = planned((Shared, ["out"], None))
    assert set(plan.params) == {"one.weight", "out.weight", "out.bias"}
    assert plan.forward.readout == {}


def test_a_readout_that_comes_before_its_embedding():
    class Reversed(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.head = nn.Linear(width, 9, bias=False)
            self.token = nn.Embedding(9, width)
            self.token.weight = self.head.weight

    plan, model = planned((Reversed, [], None)), Reversed(32)
    assert plan.forward.readout == {"head.weight": 0.25}
    assert list(plan.params) == ["token.weight"]
    mt.apply(model, plan, init="constant")
    made = mt.optimizer(torch.optim.AdamW, model, plan, lr=0.1)
    assert [len(group["params"]) for group in made.param_groups] == [1]


def test_what_grows_may_follow_from_the_target():
    assert planned(MODELS["gpt"], delta=None) == planned(MODELS["gpt"])
    assert planned(MODELS["resnet"], delta=None).params["1.first.weight"].role == "hidden"
    assert resnet(8)(torch.zeros(1, 1, 8, 8)).shape == (1, CLASSES)
    assert GPT(8)(ids(None)).shape == (4, 16, 24)


def test_routers_write_to_a_fixed_number_of_experts():
    def build(width):
        return nn.ModuleDict(
            {
                "read": nn.Linear(9, width),
                "router": nn.Linear(width, 4),
                "up": nn.Linear(width, width),
                "head": nn.Linear(width, 9),
            }
        )

    with pytest.raises(PlanError, match=r"`router\.weight`: readout not declared") as refused:
        mt.plan(build(32), build(8), delta=build(16), readout=["head"])
    assert 'router=["MODULE"] for what chooses experts' in refused.value.hint
    given = {"delta": build(16), "readout": ["head"], "router": ["router"]}
    plan = mt.plan(build(32), build(8), **given)
    assert plan.params["router.weight"].role == "output"


def test_experts_of_a_dense_base_need_a_factor_that_the_model_applies():
    """Two of four experts half as wide as the dense layer, by Complete-muE."""

    def expert(width, hidden):
        return {"up": nn.Linear(width, hidden), "down": nn.Linear(hidden, width)}

    def model(width, **parts):
        attention = nn.Linear(width, width)
        block = nn.ModuleDict({"attention": attention, "mlp": nn.ModuleDict(parts)})
        ends = {"read": nn.Embedding(9, width), "head": nn.Linear(width, 9)}
        return nn.ModuleDict({**ends, "blocks": nn.ModuleList([block])})

    experts = nn.ModuleList(nn.ModuleDict(expert(64, 40)) for _ in range(4))
    dense, sparse = model(32, **expert(32, 80)), model(64, router=nn.Linear(64, 4), experts=experts)
    given = {"rule": "complete-mue", "readout": ["head"], "router": ["blocks.*.mlp.router"]}
    with pytest.warns(PlanWarning, match="MU021"):
        plan = mt.plan(sparse, dense, active=(1, 2), experts=(1, 4), **given)
    assert plan.params["blocks.0.mlp.router.weight"].role == "router"
    assert plan.params["blocks.0.mlp.experts.0.down.weight"].role == "expert-out"
    assert plan.params["blocks.0.mlp.experts.0.down.weight"].multiplier == 2.0
    with pytest.raises(ForwardError, match=r"routed experts needs the factor 2") as refused:
        mt.apply(sparse, plan, init="fan-in")
    assert 'handled=["route"]' in refused.value.hint
    mt.apply(sparse, plan, init="fan-in", handled=["route"])


def test_sizes_of_heads_are_read_from_a_config():
    def build(width, **config):
        model = nn.Sequential(nn.Linear(9, width), nn.Linear(width, 9))
        model.config = SimpleNamespace(**config)
        return model

    def sizes(base, target):
        models = build(32, **target), build(8, **base)
        return mt.plan(*models, delta=build(16), readout=["1"]).head_dim

    heads = {"num_attention_heads": 4}
    assert sizes(heads | {"hidden_size": 8}, heads | {"hidden_size": 32}) == (2, 8)
    assert sizes({"head_dim": 8}, {"head_dim": 32}) == (8, 32)
    # Heads of a fixed size, more of them; and models without a config.
    assert sizes({"head_dim": 8}, {"head_dim": 8}) is None
    assert sizes({}, {}) is None


def clipped(width, form, max_norm):
    """Norm and gradients after one pass of a perceptron."""
    plan = mt.plan(mlp(width), mlp(8), delta=mlp(16), readout=["4"], form=form, clips=False)
    model = mt.apply(seeded(mlp, width), plan, init="fan-in")
    model(torch.ones(3, 12)).square().sum().backward()
    before = [own.grad.clone() for own in model.parameters()]
    norm = mt.clip_grad_norm_(model, plan, max_norm)
    return plan, model, before, norm


def test_clipping_in_the_default_form_is_that_of_torch():
    plan, model, before, norm = clipped(64, None, 1e-3)
    assert plan.clip is None
    assert norm == torch.nn.utils.get_total_norm(before)
    assert torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]) <= 1e-3


def test_clipping_counts_every_tensor_by_the_plan():
    """Forms train alike, so they have one norm and are clipped alike."""
    _, model, _, norm = clipped(64, None, 1e-3)
    plan, folded, before, same = clipped(64, "folded", 1e-3)
    assert set(plan.clip["factors"]) == {"4.weight"}
    assert float(same) == pytest.approx(float(norm), rel=1e-5)
    assert float(torch.nn.utils.get_total_norm(before)) != pytest.approx(float(norm), rel=1e-2)
    grads = [float(own[0].weight.grad.norm()) for own in (model, folded)]
    assert grads[0] == pytest.approx(grads[1], rel=1e-4)
