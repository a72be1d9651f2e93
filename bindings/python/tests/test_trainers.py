"""Trainers that own the loop: ratios of the plan hold through schedules, and after resuming."""

import mutransfer.torch as mt
import pytest
import torch
import torch.nn.functional as F
from conftest import GPT, ids, losses, meta, seeded
from torch import nn, optim

RATE, STEPS = 0.02, 6
# Both warn about themselves, and about versions of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


def planned():
    sizes = (meta(GPT, width) for width in (32, 8, 16))
    target, base, delta = sizes
    return mt.plan(target, base, delta=delta, readout=["head"], optimizer=optim.AdamW)


def model():
    return mt.apply(seeded(GPT, 32), planned(), init="fan-in")


def optimizer(of):
    return mt.optimizer(optim.AdamW, of, planned(), lr=RATE, weight_decay=0.1)


def ratios(made):
    """Rates over those of the plan, which all groups share."""
    return {round(group["lr"] / group["planned_lr_scale"], 12) for group in made.param_groups}


class Losing(nn.Module):
    """The GPT as the Trainer wants it: with its loss."""

    def __init__(self):
        super().__init__()
        self.gpt = model()

    def forward(self, ids, labels):
        logits = self.gpt(ids)
        return {"loss": F.cross_entropy(logits.flatten(0, 1), labels.flatten()), "logits": logits}


def rows():
    batch = ids(torch.Generator().manual_seed(0))
    return [{"ids": row, "labels": row} for row in batch]


def hugging_face(folder, resume=None):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    seen = []

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, _args, _state, _control, optimizer=None, **_):
            seen.append(ratios(optimizer))

    losing = Losing()
    made = optimizer(losing.gpt)
    arguments = transformers.TrainingArguments(
        folder,
        max_steps=STEPS,
        per_device_train_batch_size=2,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        save_steps=3,
        save_only_model=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=1,
    )
    trainer = transformers.Trainer(
        losing, arguments, train_dataset=rows(), optimizers=(made, None), callbacks=[Watch()]
    )
    trainer.train(resume_from_checkpoint=resume)
    return losing.gpt, seen


def test_trainer_of_transformers(tmp_path):
    whole, seen = hugging_face(tmp_path)
    assert len(seen) == STEPS
    assert all(len(own) == 1 for own in seen)
    assert len(set.union(*seen)) > 2
    resumed, again = hugging_face(tmp_path, str(tmp_path / "checkpoint-3"))
    assert again == seen[3:]
    for name, own in whole.state_dict().items():
        assert torch.equal(own, resumed.state_dict()[name]), name


def lightning(folder, steps, checkpoint=None):
    found = pytest.importorskip("lightning", reason="lightning is not installed")
    seen = []

    class Module(found.LightningModule):
        def __init__(self):
            super().__init__()
            self.gpt = model()

        def training_step(self, batch, _):
            return F.cross_entropy(self.gpt(batch).flatten(0, 1), batch.flatten())

        def configure_optimizers(self):
            made = optimizer(self.gpt)
            schedule = optim.lr_scheduler.CosineAnnealingLR(made, T_max=STEPS)
            return {
                "optimizer": made,
                "lr_scheduler": {"scheduler": schedule, "interval": "step"},
            }

        def on_train_batch_end(self, *_):
            seen.append(ratios(self.optimizers()))

    module = Module()
    trainer = found.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # One batch, so that it does not matter where in an epoch it was saved.
    data = torch.utils.data.DataLoader(ids(torch.Generator().manual_seed(0)), batch_size=4)
    trainer.fit(module, data, ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / f"{steps}.ckpt")
    return module.gpt, seen


def test_lightning(tmp_path):
    whole, seen = lightning(tmp_path, STEPS)
    assert len(seen) == STEPS
    assert all(len(own) == 1 for own in seen)
    assert len(set.union(*seen)) > 2
    lightning(tmp_path, 2)
    resumed, again = lightning(tmp_path, STEPS, tmp_path / "2.ckpt")
    assert again == seen[2:]
    for name, own in whole.state_dict().items():
        assert torch.equal(own, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("linear", {}),
        ("cosine", {}),
        ("cosine_with_restarts", {"num_cycles": 2}),
        ("polynomial", {}),
        ("constant", {}),
        ("constant_with_warmup", {}),
        ("inverse_sqrt", {}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ],
)
def test_schedules_of_transformers_multiply(name, more):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    planned_model = model()
    made = optimizer(planned_model)
    schedule = transformers.get_scheduler(name, made, 2, STEPS, more)
    for _ in range(STEPS - 1):
        # The guard looks before every step.
        losses(planned_model, made, ids, 1)
        assert len(ratios(made)) == 1
        schedule.step()


def gpt2(transformers, width):
    config = transformers.GPT2Config(
        vocab_size=24, n_embd=width, n_layer=2, n_head=width // 8, n_positions=16
    )
    return transformers.GPT2LMHeadModel(config)


def llama(transformers, width):
    config = transformers.LlamaConfig(
        vocab_size=24,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=width // 8,
        num_key_value_heads=width // 8,
    )
    return transformers.LlamaForCausalLM(config)


@pytest.mark.parametrize("build", [gpt2, llama])
def test_the_base_is_plain_torch(build):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    make = lambda width: build(transformers, width)
    plan = mt.plan(meta(make, 32), meta(make, 32), delta=meta(make, 64))
    found = []
    for is_planned in (True, False):
        trained = seeded(make, 32).eval()
        if is_planned:
            mt.apply(trained, plan, init="constant")
            made = mt.optimizer(optim.AdamW, trained, plan, lr=RATE, weight_decay=0.1)
        else:
            made = optim.AdamW(trained.parameters(), lr=RATE, weight_decay=0.1)
        own = ids(torch.Generator().manual_seed(0))
        for _ in range(3):
            loss = trained(input_ids=own, labels=own).loss
            made.zero_grad()
            loss.backward()
            made.step()
            found.append(loss.item())
    assert found[:3] == found[3:]
