"""Lightning with a planned optimizer: `configure_optimizers` returns it, with its schedule."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import lightning
import mutransfer.torch as mt
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.data import DataLoader

GPT = runpy.run_path(str(Path(__file__).with_name("gpt.py")))["GPT"]


class Planned(lightning.LightningModule):
    """A GPT of width 128, by the hyperparameters of width 64."""

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):
            base, delta = GPT(64), GPT(128)
        self.gpt = GPT(128)
        self.plan = mt.plan(self.gpt, base, delta=delta, optimizer=torch.optim.AdamW)
        mt.apply(self.gpt, self.plan, init="constant")

    def training_step(self, ids: torch.Tensor, _: int) -> torch.Tensor:
        """Loss of the next tokens."""
        loss = F.cross_entropy(self.gpt(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """A plain AdamW with the groups of the plan."""
        optimizer = mt.optimizer(torch.optim.AdamW, self.gpt, self.plan, lr=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


if __name__ == "__main__":
    torch.manual_seed(0)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=20,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Planned(), DataLoader(torch.arange(33).repeat(80, 1) % 32, batch_size=4))
    print(f"loss {trainer.callback_metrics['loss']:.3f}")
