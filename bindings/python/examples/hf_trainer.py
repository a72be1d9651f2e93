"""The Trainer of transformers with a planned optimizer; its schedules keep the ratios."""

from __future__ import annotations

import tempfile

import mutransfer.torch as mt
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments


def build(width: int) -> GPT2LMHeadModel:
    """Heads of 16; as many as fit. The readout is the embedding, which is seen."""
    sizes = {"n_embd": width, "n_layer": 2, "n_head": width // 16, "n_positions": 32}
    return GPT2LMHeadModel(GPT2Config(vocab_size=64, bos_token_id=0, eos_token_id=0, **sizes))


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.device("meta"):
        base, delta = build(64), build(128)
    model = build(128)
    # Queries, keys and values are one matrix, three times as wide: so it is meant.
    plan = mt.plan(model, base, delta=delta, optimizer=torch.optim.AdamW)
    mt.apply(model, plan, init="constant")
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2)
    rows = [{"input_ids": own, "labels": own} for own in torch.arange(32).repeat(16, 1)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=10,
            per_device_train_batch_size=8,
            lr_scheduler_type="cosine",
            warmup_steps=2,
            logging_steps=5,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, None))
        print(f"loss {trainer.train().training_loss:.3f}")
