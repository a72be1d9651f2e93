"""A GPT in plain PyTorch under a plan, with warm-up and cosine; saved as a plain model."""

from __future__ import annotations

import mutransfer.torch as mt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

STEPS, VOCAB = 41, 32


class Block(nn.Module):
    """Attention and a perceptron; heads of a fixed size, as many as fit."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The residual stream [batch, tokens, width], with what the block adds."""
        heads = self.qkv(self.norm1(x)).unflatten(-1, (3, -1, 16)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    """The readout shares the tensor of the embedding, which is seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(VOCAB, width), nn.Embedding(32, width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCAB, bias=False)
        for own in self.modules():
            if isinstance(own, (nn.Linear, nn.Embedding)):
                nn.init.normal_(own.weight, std=0.02)
        self.head.weight = self.token.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [batch, tokens, vocabulary] of `ids` [batch, tokens]."""
        x = self.token(ids) + self.position(torch.arange(ids.shape[1], device=ids.device))
        return self.head(self.norm(self.blocks(x)))


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.device("meta"):
        base, delta = GPT(64), GPT(128)
    model = GPT(128)
    plan = mt.plan(model, base, delta=delta, optimizer=torch.optim.AdamW)
    mt.apply(model, plan, init="constant")
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2, weight_decay=0.1)
    schedules = torch.optim.lr_scheduler
    warmup = schedules.LinearLR(optimizer, 0.1, total_iters=5)
    cosine = schedules.CosineAnnealingLR(optimizer, STEPS - 5)
    schedule = schedules.SequentialLR(optimizer, [warmup, cosine], [5])
    ids = torch.arange(33).repeat(8, 1).add(torch.arange(8)[:, None]) % VOCAB
    for step in range(STEPS):
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        mt.clip_grad_norm_(model, plan, 1.0)
        optimizer.step()
        schedule.step()
        if step % 10 == 0:
            print(f"step {step:2}  loss {loss.item():.3f}")
    plain = mt.fold(model, plan, untie=True)
    print(f"{len(plain.state_dict())} tensors of a plain model")
