"""Writes beside itself what the `mup` package computes for some models, one JSON file per model; see README.md."""

import json
import math
import tempfile
from importlib.metadata import version
from pathlib import Path

import mup
import torch
from mup import MuAdam, MuAdamW, MuReadout, MuSGD, make_base_shapes, set_base_shapes
from torch import nn

LEARNING_RATE, WEIGHT_DECAY = 0.1, 0.01
OPTIMIZERS = {"adam": MuAdam, "adamw": MuAdamW, "sgd": MuSGD}
INITIALIZERS = {
    "normal": ("normal_", {"std": 0.02}),
    "uniform": ("uniform_", {"a": -0.1, "b": 0.1}),
    "xavier_normal": ("xavier_normal_", {}),
    "xavier_uniform": ("xavier_uniform_", {}),
    "kaiming_normal/fan_in": ("kaiming_normal_", {"mode": "fan_in"}),
    "kaiming_normal/fan_out": ("kaiming_normal_", {"mode": "fan_out"}),
    "kaiming_uniform/fan_in": ("kaiming_uniform_", {"mode": "fan_in"}),
    "kaiming_uniform/fan_out": ("kaiming_uniform_", {"mode": "fan_out"}),
    "trunc_normal": ("trunc_normal_", {"std": 0.02, "a": -0.04, "b": 0.04}),
}


class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm_1 = nn.BatchNorm2d(channels_out)
        self.conv_2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(channels_out)
        if channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )


class ResNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stage_1 = ResidualBlock(width, width, stride=1)
        self.stage_2 = ResidualBlock(width, 2 * width, stride=2)
        self.readout = MuReadout(2 * width, 10)


class Gru(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gru = nn.GRU(input_size=10, hidden_size=width, num_layers=2)
        self.readout = MuReadout(width, 5)


class GatedMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        hidden = 32 * math.ceil(8 * width / (3 * 32))
        self.norm = nn.RMSNorm(width)
        self.gate = nn.Linear(width, hidden)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)


class GroupedAttention(nn.Module):
    def __init__(self, width, head_dim=8):
        super().__init__()
        heads = width // head_dim
        # Squares only: then every key and value head serves the same number of query heads.
        key_value_heads = math.isqrt(heads)
        assert key_value_heads**2 == heads
        self.norm = nn.RMSNorm(width)
        self.query = nn.Linear(width, heads * head_dim)
        self.key = nn.Linear(width, key_value_heads * head_dim)
        self.value = nn.Linear(width, key_value_heads * head_dim)
        self.out = nn.Linear(heads * head_dim, width)


class Transformer(nn.Module):
    def __init__(self, block):
        super().__init__()
        vocabulary, width = 50, block.norm.normalized_shape[0]
        self.token = nn.Embedding(vocabulary, width)
        self.block = block
        self.readout = MuReadout(width, vocabulary)


class Names(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_parameter("0", nn.Parameter(torch.randn(width)))
        # Unquoted, YAML 1.1 reads these as something other than text; PyYAML leaves `y` unquoted all the same.
        for name in ["1_000", "null", "off", "true", "y"]:
            self.register_parameter(name, nn.Parameter(torch.randn(width)))
        # PyYAML adds the five characters of the unwritten tag `!!str` when it keeps a `key:` below 128.
        for length in [122, 123, 140]:
            name = "long_name_of_" + str(length)
            self.register_parameter(name.ljust(length, "_"), nn.Parameter(torch.randn(width, width)))
        self._leading = nn.Parameter(torch.randn(3, width))
        self.scalar = nn.Parameter(torch.tensor(1.0))
        self.add_module("1", nn.Linear(width, width))
        self.add_module("2", nn.ParameterList([torch.randn(width), torch.randn(width, width)]))
        keys = ["with-dash", "with_underscore", "_leading", "-leading"]
        self.keyed = nn.ParameterDict({key: torch.randn(width) for key in keys})
        self.readout = MuReadout(width, 3)


# Name: constructor, base width, delta width, target widths.
MODELS = {
    "resnet": (ResNet, 8, 12, [8, 32]),
    "gru": (Gru, 16, 24, [16, 64, 160]),
    # Rounding gives 32 the base's feed-forward ratio and the others another.
    "rounded-ffn": (lambda width: Transformer(GatedMlp(width)), 64, 128, [32, 128, 192]),
    "grouped-kv": (lambda width: Transformer(GroupedAttention(width)), 32, 128, [32, 128, 288]),
    "names": (Names, 8, 16, [8, 24]),
}


def shapes(model):
    return {name: list(parameter.shape) for name, parameter in model.named_parameters()}


def norms(model):
    return {name: parameter.detach().double().norm() for name, parameter in model.named_parameters()}


def ratio(after, before):
    return float(after / before) if before > 0 else None


def initializer_ratios(model, function, arguments):
    """The factors between `mup.init` and `torch.nn.init`, which draw the same numbers from the same seed."""
    ratios = {}
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            continue
        scaled, plain = parameter.detach().clone(), parameter.detach().clone()
        scaled.infshape = parameter.infshape
        torch.manual_seed(7)
        getattr(mup.init, function)(scaled, **arguments)
        torch.manual_seed(7)
        getattr(nn.init, function)(plain, **arguments)
        ratios[name] = ratio(scaled.double().norm(), plain.double().norm())
    return ratios


def optimizer_settings(model, optimizer):
    # By identity, for mup sorts the parameters into groups of its own.
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    return {
        name: {key: group_of[id(parameter)][key] for key in ["lr", "weight_decay"]}
        for name, parameter in model.named_parameters()
    }


def target_case(construct, width, base_shapes_file):
    torch.manual_seed(0)
    model = construct(width)
    before = norms(model)
    set_base_shapes(model, base_shapes_file)
    after = norms(model)
    named = dict(model.named_parameters())
    return {
        "width": width,
        "shapes": shapes(model),
        "width_mult": {name: float(parameter.infshape.width_mult()) for name, parameter in named.items()},
        "infinite_dims": {name: parameter.infshape.ninf() for name, parameter in named.items()},
        "rescale_at_set_base_shapes": {name: ratio(after[name], before[name]) for name in named},
        "readout_forward_multiplier": {
            name: 1.0 / module.width_mult() for name, module in model.named_modules() if isinstance(module, MuReadout)
        },
        "optimizers": {
            name: optimizer_settings(model, make(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY))
            for name, make in OPTIMIZERS.items()
        },
        "initializers": {
            name: initializer_ratios(model, function, arguments)
            for name, (function, arguments) in INITIALIZERS.items()
        },
    }


def model_case(name, construct, base_width, delta_width, target_widths):
    base, delta = construct(base_width), construct(delta_width)
    with tempfile.NamedTemporaryFile(suffix=".bsh") as file:
        make_base_shapes(base, delta, file.name)
        return {
            "model": name,
            "mup": version("mup"),
            "torch": version("torch").split("+")[0],
            "base_width": base_width,
            "delta_width": delta_width,
            "global_lr": LEARNING_RATE,
            "global_weight_decay": WEIGHT_DECAY,
            "base": shapes(base),
            "delta": shapes(delta),
            "bsh": Path(file.name).read_text(),
            "targets": [target_case(construct, width, file.name) for width in target_widths],
        }


if __name__ == "__main__":
    # More threads would add up the norms in another order.
    torch.set_num_threads(1)
    for name, model in MODELS.items():
        Path(__file__).with_name(f"{name}.json").write_text(json.dumps(model_case(name, *model), indent=1))
