"""A perceptron in JAX that trains by a plan of mutransfer. `jax_mlp.toml` is its study.

    mutransfer transfer examples/trainers/jax_mlp.toml
"""

import json
import os
import sys
import zlib

import jax
import jax.numpy as jnp

INPUTS, CLASSES = 16, 8


def shapes(width):
    """Weights are stored `[in, out]`."""
    return {
        "first/kernel": [INPUTS, width],
        "first/bias": [width],
        "middle/kernel": [width, width],
        "middle/bias": [width],
        "readout/kernel": [width, CLASSES],
    }


def examples(count, seed):
    """Inputs and classes, which a fixed random matrix tells; the same at every width."""
    teacher = jax.random.normal(jax.random.key(0), (INPUTS, CLASSES))
    x = jax.random.normal(jax.random.key(seed), (count, INPUTS))
    return x, jnp.argmax(x @ teacher - 0.5 * x[:, :CLASSES] ** 2, axis=1)


def forward(params, multipliers, x):
    """What each module gives, multiplied as the plan says."""
    outs = {}
    for module in ["first", "middle", "readout"]:
        name = f"{module}/kernel"
        x = multipliers[name] * (x @ params[name])
        if f"{module}/bias" in params:
            x = x + multipliers[f"{module}/bias"] * params[f"{module}/bias"]
        outs[module] = x
        x = jax.nn.relu(x)
    return outs


def loss_of(params, multipliers, batch):
    x, answers = batch
    shares = jax.nn.log_softmax(forward(params, multipliers, x)["readout"])
    return -jnp.mean(shares[jnp.arange(len(answers)), answers])


@jax.jit
def adam(params, moments, settings, batch, factor, t):
    """One step of Adam, with the learning rate and epsilon of the plan for every tensor."""
    loss, gradients = jax.value_and_grad(loss_of)(params, settings["multiplier"], batch)
    beta1, beta2 = settings["betas"]
    updated, kept = {}, {}
    for name, g in gradients.items():
        m, v = moments[name]
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        step = m / (1 - beta1**t) / (jnp.sqrt(v / (1 - beta2**t)) + settings["eps"][name])
        updated[name] = params[name] - factor * settings["lr"][name] * step
        kept[name] = m, v
    return loss, updated, kept


def factor(budget, step):
    """A schedule is a factor on every learning rate: here a line to zero."""
    if step < budget["warmup"]:
        return (step + 1) / budget["warmup"]
    return 1 - (step - budget["warmup"]) / (budget["steps"] - budget["warmup"])


def tell(**line):
    print(json.dumps(line), flush=True)


def train(params, settings, trial):
    budget, moments = trial["budget"], {n: (jnp.zeros_like(p),) * 2 for n, p in params.items()}
    for step in range(budget["steps"]):
        batch = examples(budget["batch"], 1_000_003 * (trial["seed"] + 1) + step)
        now = factor(budget, step)
        loss, params, moments = adam(params, moments, settings, batch, now, step + 1.0)
        tell(step=step, loss=float(loss))
    tell(final=True, loss=float(loss_of(params, settings["multiplier"], examples(512, 1))))


def measure(params, settings, trial):
    """Sizes of activations, and of their changes, on one batch."""
    moments = {name: (jnp.zeros_like(p),) * 2 for name, p in params.items()}
    batch = examples(trial["budget"]["batch"], 1_000_003 * (trial["seed"] + 1))
    start = None
    for step in range(trial["coordinates"]["steps"] + 1):
        outs = forward(params, settings["multiplier"], batch[0])
        start = start or outs
        for module, now in outs.items():
            for quantity, x in [("activation", now), ("change", now - start[module])]:
                l1, l2 = float(jnp.mean(jnp.abs(x))), float(jnp.sqrt(jnp.mean(x * x)))
                tell(step=step, module=module, quantity=quantity, l1=l1, l2=l2)
        _, params, moments = adam(params, moments, settings, batch, 1.0, step + 1.0)


if __name__ == "__main__":
    if "--shapes" in sys.argv:
        print(json.dumps(shapes(int(sys.argv[-1]))))
        sys.exit()
    with open(os.environ["MUTRANSFER_TRIAL"]) as file:
        trial = json.load(file)
    with open(trial["plan"]) as file:
        plan = json.load(file)["params"]
    settings = {key: {n: p[key] for n, p in plan.items()} for key in ("lr", "eps", "multiplier")}
    settings["betas"] = trial["hyper"]["beta1"], trial["hyper"]["beta2"]
    params = {}
    for name, dims in shapes(trial["sizes"]["width"]).items():
        key = jax.random.fold_in(jax.random.key(trial["seed"]), zlib.crc32(name.encode()))
        std = plan[name]["init_std"] or 0.0  # null for biases, which start at zero
        params[name] = std * jax.random.normal(key, dims)
    (measure if trial["coordinates"] else train)(params, settings, trial)
