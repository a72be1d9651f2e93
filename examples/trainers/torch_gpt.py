"""A GPT in PyTorch that trains by a plan of mutransfer. `torch_gpt.toml` is its study.

    mutransfer transfer examples/trainers/torch_gpt.toml

It trains on the bytes of its own source, or of the file in $TEXT.
"""

import json
import math
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY, HEADS = 256, 4


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, scale):
        batch, context, width = x.shape
        y = self.norm1(x)
        q, k, v = (
            layer(y).view(batch, context, HEADS, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        x = x + self.out(y.transpose(1, 2).reshape(batch, context, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, width, depth, context):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens, plan):
        """The plan's factors on weights at both ends, and on the logits of attention."""
        factor = {name: plan["params"][f"{name}.weight"]["multiplier"] for name in ENDS}
        x = factor["token"] * self.token(tokens)
        x = x + factor["position"] * self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, plan["forward"]["attention"])
        return factor["readout"] * self.readout(self.norm(x))


ENDS = ["token", "position", "readout"]


def planned(trial, plan):
    """The model with the plan's initial weights, and its optimizer with the plan's rates."""
    sizes, hyper = trial["sizes"], trial["hyper"]
    model = GPT(sizes["width"], sizes["depth"], sizes["context"])
    groups = []
    for name, parameter in model.named_parameters():
        own = plan["params"][name]
        if own["init_std"] is not None:
            nn.init.normal_(parameter, std=own["init_std"])
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
        # Every factor that is left inside goes with the weight: there is none under these rules.
        assert own["multiplier"] == 1 or name.split(".")[0] in ENDS, name
        keys = {key: own[key] for key in ("lr", "weight_decay", "eps")}
        groups.append({"params": [parameter], **keys})
    return model, torch.optim.AdamW(groups, betas=(hyper["beta1"], hyper["beta2"]))


def factor(budget, step):
    """A schedule is a factor on every learning rate, so that it keeps their ratios."""
    if step < budget["warmup"]:
        return (step + 1) / budget["warmup"]
    done = (step - budget["warmup"]) / (budget["steps"] - budget["warmup"])
    return {
        "constant": 1.0,
        "linear": 1 - done,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
    }[budget["schedule"]]


def batch(text, size, context, seed):
    """The same at every width."""
    draw = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(text) - context - 1, (size,), generator=draw)
    rows = torch.stack([text[start : start + context + 1] for start in starts])
    return rows[:, :-1], rows[:, 1:]


def loss_of(model, plan, examples):
    tokens, answers = examples
    return F.cross_entropy(model(tokens, plan).flatten(0, 1), answers.flatten())


def train(model, optimizer, trial, plan, text):
    budget, context, held_out = trial["budget"], trial["sizes"]["context"], len(text) // 10
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(budget, step))
    for step in range(budget["steps"]):
        seed = 1_000_003 * trial["seed"] + step
        examples = batch(text[:-held_out], budget["batch"], context, seed)
        loss = loss_of(model, plan, examples)
        print(json.dumps({"step": step, "loss": loss.item()}), flush=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        loss = loss_of(model, plan, batch(text[-held_out:], 64, context, 0))
    print(json.dumps({"final": True, "loss": loss.item()}))


def measure(model, optimizer, trial, plan, text):
    """Sizes of what every layer gives, and of its changes, on one batch."""
    seen = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Embedding)) and name != "position":
            scale = plan["params"][f"{name}.weight"]["multiplier"]
            module.register_forward_hook(
                lambda _, __, out, name=name, scale=scale: seen.update({name: scale * out.detach()})
            )
    examples = batch(text, trial["budget"]["batch"], trial["sizes"]["context"], trial["seed"])
    start = None
    for step in range(trial["coordinates"]["steps"] + 1):
        optimizer.zero_grad()
        loss_of(model, plan, examples).backward()
        start = start or dict(seen)
        for name, now in seen.items():
            for quantity, x in [("activation", now), ("change", now - start[name])]:
                sizes = {"l1": x.abs().mean().item(), "l2": x.pow(2).mean().sqrt().item()}
                print(json.dumps({"step": step, "module": name, "quantity": quantity, **sizes}))
        optimizer.step()


if __name__ == "__main__":
    if "--shapes" in sys.argv:
        width, depth, context = map(int, sys.argv[-3:])
        with torch.device("meta"):
            shapes = {n: list(p.shape) for n, p in GPT(width, depth, context).named_parameters()}
        print(json.dumps(shapes))
        sys.exit()
    torch.set_num_threads(1)
    with open(os.environ["MUTRANSFER_TRIAL"]) as file:
        trial = json.load(file)
    with open(trial["plan"]) as file:
        plan = json.load(file)
    with open(os.environ.get("TEXT", __file__), "rb") as file:
        text = torch.tensor(list(file.read()))
    torch.manual_seed(trial["seed"])
    model, optimizer = planned(trial, plan)
    (measure if trial["coordinates"] else train)(model, optimizer, trial, plan, text)
