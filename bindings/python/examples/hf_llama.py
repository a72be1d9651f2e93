"""A Llama of transformers, unmodified, from a config; its base is the same with other sizes."""

from __future__ import annotations

import mutransfer.torch as mt
import torch
from transformers import LlamaConfig, LlamaForCausalLM


def build(width: int) -> LlamaForCausalLM:
    """Heads of 16; as many as fit."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=2,
            num_attention_heads=width // 16,
            num_key_value_heads=width // 16,
            head_dim=16,
            tie_word_embeddings=False,
        )
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.device("meta"):
        base, delta = build(64), build(128)
    model = build(256)
    plan = mt.plan(model, base, delta=delta, optimizer=torch.optim.AdamW)
    print(plan.table())
    # Its initialiser has one standard deviation for all, at any width.
    mt.apply(model, plan, init="constant")
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2, weight_decay=0.1)
    ids = (torch.arange(32)[None] + torch.arange(4)[:, None]) % 64
    for step in range(11):
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            print(f"step {step:2}  loss {loss.item():.3f}")
