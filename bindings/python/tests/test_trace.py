"""What one forward pass shows of axes that types do not tell."""

import mutransfer.torch as mt
import pytest
import torch
import torch.nn.functional as F
from conftest import MODELS, meta
from mutransfer import AxesError, ForwardError, PlanError
from mutransfer.torch.trace import axes_of, traced
from torch import nn
from torch.utils.checkpoint import checkpoint

IN, OUT = 6, 10


class Bare(nn.Module):
    """One weight that no module of torch has, between two that do."""

    def __init__(self, dims, use):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dims))
        self.use = use

    def forward(self, x):
        return self.use(x, self.weight)


def experts(x, w):
    return torch.einsum("eti,eio->eto", x.expand(w.shape[0], *x.shape), w)


# How a weight is used, with its sizes, and its fan-in and fan-out if both grow.
USES = {
    "transposed": ((OUT, IN), lambda x, w: x @ w.T, (1, 0)),
    "straight": ((IN, OUT), lambda x, w: x @ w, (0, 1)),
    "linear": ((OUT, IN), F.linear, (1, 0)),
    "einsum": ((OUT, IN), lambda x, w: torch.einsum("ti,oi->to", x, w), (1, 0)),
    "einsum straight": ((IN, OUT), lambda x, w: torch.einsum("ti,io->to", x, w), (0, 1)),
    "batched": ((3, IN, OUT), lambda x, w: torch.bmm(x.expand(3, *x.shape), w), (1, 2)),
    "experts": ((3, IN, OUT), experts, (1, 2)),
    "selected": ((3, OUT, IN), lambda x, w: x @ w[1].T, (2, 1)),
    "chunked": ((2 * OUT, IN), lambda x, w: x @ w.chunk(2)[0].T, (1, 0)),
    "cast": ((OUT, IN), lambda x, w: x.double() @ w.double().T, (1, 0)),
    "scaled": ((OUT, IN), lambda x, w: x @ (w * 0.5).T, (1, 0)),
    "copied": ((IN, OUT), lambda x, w: x @ w.T.contiguous().T, (0, 1)),
    "vector": ((OUT, IN), lambda x, w: w @ x[0], (1, 0)),
    "convolution": ((OUT, IN, 3), lambda x, w: F.conv1d(x.T[None], w), (1, 0)),
    "reversed": ((IN, OUT, 3), lambda x, w: F.conv_transpose1d(x.T[None], w), (0, 1)),
    "checkpointed": (
        (OUT, IN),
        lambda x, w: checkpoint(lambda y: y @ w.T, x, use_reentrant=False),
        (1, 0),
    ),
}


@pytest.mark.parametrize("name", USES)
def test_axes(name):
    dims, use, (fan_in, fan_out) = USES[name]
    model = Bare(dims, use)
    found = traced(model, torch.randn(4, IN))["weight"]
    assert axes_of(found, len(dims), [fan_in, fan_out]) == (fan_in, fan_out)
    assert not found.is_looked_up


def grouped(x, w):
    rows = x.expand(2, *x.shape).flatten(0, 1).bfloat16()
    ends = torch.tensor([len(x), 2 * len(x)], dtype=torch.int32)
    return F.grouped_mm(rows, w.bfloat16(), offs=ends)


def test_groups_of_rows():
    """One product for all experts, which wants rows of a whole number of 16 bytes."""
    found = traced(Bare((2, 8, 16), grouped), torch.randn(4, 8))["weight"]
    assert axes_of(found, 3, [1, 2]) == (1, 2)


# Every layer of torch that has a matrix, with its inputs.
x, flat = torch.randn(2, 4, 5), torch.randn(2, 4)
LAYERS = {
    "linear": (nn.Linear(5, 3), (x,)),
    "conv1d": (nn.Conv1d(4, 3, 2), (x,)),
    "conv2d": (nn.Conv2d(4, 3, 2), (x[..., None].expand(2, 4, 5, 5),)),
    "conv3d": (nn.Conv3d(4, 3, 2), (x[..., None, None].expand(2, 4, 5, 5, 5),)),
    "grouped conv": (nn.Conv1d(4, 6, 2, groups=2), (x,)),
    "transposed 1d": (nn.ConvTranspose1d(4, 3, 2), (x,)),
    "transposed 2d": (nn.ConvTranspose2d(4, 3, 2), (x[..., None].expand(2, 4, 5, 5),)),
    "rnn": (nn.RNN(5, 3), (x,)),
    "gru": (nn.GRU(5, 3), (x,)),
    "rnn cell": (nn.RNNCell(4, 3), (flat,)),
    "lstm cell": (nn.LSTMCell(4, 3), (flat,)),
    "gru cell": (nn.GRUCell(4, 3), (flat,)),
    "attention": (nn.MultiheadAttention(5, 1, kdim=5, vdim=5), (x, x, x)),
    "attention of other sizes": (
        nn.MultiheadAttention(5, 1, kdim=4, vdim=4),
        (x, x.transpose(1, 2)[:, :4], x.transpose(1, 2)[:, :4]),
    ),
    "encoder": (nn.TransformerEncoderLayer(5, 1, 7), (x,)),
    "decoder": (nn.TransformerDecoderLayer(5, 1, 7), (x, x)),
    "table": (nn.Embedding(9, 3), (torch.arange(4),)),
    "bag": (nn.EmbeddingBag(9, 3), (torch.arange(4)[None],)),
}
# Those that are one operation, which shows nothing of them.
HIDDEN = {
    "bilinear": (nn.Bilinear(4, 4, 3), (flat, flat)),
    "lstm": (nn.LSTM(5, 3), (x,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_torch(name):
    """What is done with a matrix of a layer is what the layer's type says."""
    layer, inputs = LAYERS[name]
    types, seen = mt.shapes(layer), traced(layer, inputs)
    matrices = [own for own in types if len(types[own].dims) > 1]
    assert matrices
    for own in matrices:
        if types[own].fan_in is None:
            assert seen[own].is_looked_up, own
        else:
            assert seen[own].summed == {types[own].fan_in}, own


@pytest.mark.parametrize("name", HIDDEN)
def test_layers_that_hide_their_matrices(name):
    layer, inputs = HIDDEN[name]
    matrices = [shape for shape in mt.shapes(layer).values() if len(shape.dims) > 1]
    assert {(shape.fan_in, shape.fan_out) for shape in matrices} == {(1, 0)}
    assert not any(use.summed or use.is_looked_up for use in traced(layer, inputs).values())


@pytest.mark.parametrize(
    "use",
    [
        lambda w: w[[0, 2]],
        lambda w: F.embedding(torch.arange(2), w),
        lambda w: w.index_select(0, torch.arange(2)),
    ],
)
def test_tables(use):
    found = traced(Bare((5, OUT), lambda _, w: use(w)), torch.ones(1))["weight"]
    assert found.is_looked_up
    assert axes_of(found, 2, [1]) == (None, 1)


def test_what_is_added_is_no_matrix():
    found = traced(Bare((1, 4, IN), lambda x, w: x + w), torch.ones(4, IN))["weight"]
    assert axes_of(found, 3, [2]) == (None, 2)


@pytest.mark.parametrize("name", MODELS)
def test_types_agree_with_what_is_done(name):
    """In the test models."""
    build, readouts, batch = MODELS[name]
    model = build(8)
    inputs = batch(torch.Generator().manual_seed(0))
    for parameter, use in traced(model, inputs).items():
        shape = mt.shapes(model)[parameter]
        if use.summed and not use.is_looked_up:
            assert use.summed == {shape.fan_in}, parameter
    plain = mt.plan(meta(build, 32), meta(build, 8), delta=meta(build, 16), readout=readouts)
    assert plain == mt.plan(
        meta(build, 32), model, delta=meta(build, 16), readout=readouts, example=(inputs,)
    )


class Mixture(nn.Module):
    """Experts in one tensor, a position code and a readout without a module."""

    def __init__(self, width):
        super().__init__()
        self.read = nn.Linear(IN, width)
        self.position = nn.Parameter(torch.randn(1, 4, width))
        self.up = nn.Parameter(torch.randn(3, width, 2 * width))
        self.down = nn.Parameter(torch.randn(3, width, 2 * width))
        self.head = nn.Parameter(torch.randn(width, 5))

    def forward(self, x):
        y = self.read(x) + self.position
        y = torch.einsum("bti,eio->beto", y, self.up).relu()
        return torch.einsum("beti,eoi->bto", y, self.down) @ self.head


def test_a_model_of_ones_own():
    models = [meta(Mixture, 64), Mixture(8)]
    with pytest.raises(AxesError) as refused:
        mt.plan(*models, delta=meta(Mixture, 16))
    assert refused.value.parameters == ("position", "up", "down", "head")
    plan = mt.plan(
        *models,
        delta=meta(Mixture, 16),
        example=torch.randn(2, 4, IN),
        readout=["head"],
        clips=False,
    )
    roles = {name: param.role for name, param in plan.params.items()}
    assert roles == {
        "position": "input",
        "up": "hidden",
        "down": "hidden",
        "head": "output",
        "read.weight": "input",
        "read.bias": "vector",
    }
    given = {"position": (None, 2), "up": (1, 2), "down": (2, 1), "head": (0, 1)}
    assert plan == mt.plan(
        *models, delta=meta(Mixture, 16), axes=given, readout=["head"], clips=False
    )


class Tied(nn.Module):
    """Its readout is its embedding, and no module says so."""

    def __init__(self, width):
        super().__init__()
        self.token, self.body = nn.Embedding(9, width), nn.Linear(width, width)

    def forward(self, ids):
        return self.body(self.token(ids)) @ self.token.weight.T


def test_a_tie_without_a_module():
    ids = torch.arange(9)[None]
    plan = mt.plan(meta(Tied, 32), Tied(8), delta=meta(Tied, 16), example=ids)
    assert plan.forward.readout == {"token.weight as readout": 0.25}
    with pytest.raises(ForwardError, match=r'handled=\["token.weight as readout"\]'):
        mt.apply(Tied(32), plan, init="constant")
    mt.apply(Tied(32), plan, init="constant", handled=["token.weight as readout"])


class Backwards(nn.Linear):
    def forward(self, x):
        return x @ self.weight


def test_a_forward_pass_that_contradicts_its_class():
    build = lambda w: nn.Sequential(nn.Linear(IN, w), Backwards(w, w))
    with pytest.raises(AxesError) as refused:
        mt.plan(meta(build, 32), build(8), delta=meta(build, 16), example=torch.ones(2, IN))
    assert str(refused.value) == (
        "the type of the module of `1.weight` says that axis 1 is summed over, and the forward "
        "pass sums over axis 0\n"
        '  hint: say which is right: axes={"1.weight": (fan_in, fan_out)}'
    )


def test_how_an_example_is_given():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(OUT, IN))

        def forward(self, *, x):
            return x @ self.weight.T

    expected = {"weight": (frozenset({1}), False)}
    x = torch.randn(2, IN)
    assert traced(Named(), {"x": x}) == expected
    model = Named().train()
    state = torch.random.get_rng_state()
    assert traced(model, lambda own: own(x=torch.randn(2, IN))) == expected
    assert torch.equal(state, torch.random.get_rng_state())
    assert model.training
    with pytest.raises(AxesError, match="on the device meta"):
        traced(meta(lambda _: Named(), 0), {"x": x})
    with pytest.raises(PlanError, match="which is no module"):
        mt.plan(Named(), {"weight": (OUT, IN)}, example={"x": x})
