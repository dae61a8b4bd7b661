"""Times the training step of a lean GPT-Neo in JAX in this process, and prints one line of JSON. `compare.py` calls it.

One function under `jax.jit`: loss, gradients, clipping and AdamW (optax), with the parameters and moments given up to it.
`check` compares its loss and its gradients with those of the PyTorch model that the other peers train.
"""

import math
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from lean import Lean
from measuring import arguments_of, time_steps
from spec import Spec, load, random_weights
from stories import NO_TARGET
from workload import JAX_PEERS, MODELS, Batch, make_batches

Weights = dict[str, jax.Array]


def norm(x: jax.Array, w: Weights, name: str) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.square(centred).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: jax.Array, w: Weights, name: str) -> jax.Array:
    """One matrix, or two factors."""
    if f"{name}.weight" in w:
        y = x @ w[f"{name}.weight"].T
    else:
        y = x @ w[f"{name}.down.weight"].T @ w[f"{name}.up.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def attention(x: jax.Array, w: Weights, name: str, spec: Spec) -> jax.Array:
    batch, length, hidden = x.shape
    q, k, v = (
        linear(x, w, f"{name}.{matrix}").reshape(batch, length, spec.heads, -1) for matrix in ("q_proj", "k_proj", "v_proj")
    )
    y = jax.nn.dot_product_attention(q, k, v, is_causal=True, scale=1.0)  # GPT-Neo does not scale its scores
    return linear(y.reshape(batch, length, hidden), w, f"{name}.out_proj")


def loss_of(w: Weights, ids: jax.Array, labels: jax.Array, spec: Spec) -> jax.Array:
    """Mean cross-entropy over the target tokens."""
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][: ids.shape[1]]
    for layer in range(spec.layers):
        block = f"transformer.h.{layer}"
        x = x + attention(norm(x, w, f"{block}.ln_1"), w, f"{block}.attn.attention", spec)
        inner = jax.nn.gelu(linear(norm(x, w, f"{block}.ln_2"), w, f"{block}.mlp.c_fc"), approximate=True)
        x = x + linear(inner, w, f"{block}.mlp.c_proj")
    logits = norm(x, w, "transformer.ln_f") @ w["transformer.wte.weight"].T
    targets = labels[:, 1:]
    there = targets != NO_TARGET
    losses = optax.softmax_cross_entropy_with_integer_labels(logits[:, :-1], jnp.where(there, targets, 0))
    return (losses * there).sum() / there.sum()


def training(spec: Spec):  # noqa: ANN201
    """A step, and the weights and moments that it begins with."""
    weights = {name: jnp.asarray(value, jnp.float32) for name, value in random_weights(spec, seed=0).items()}
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(5e-5, weight_decay=0.0))
    moments = optimizer.init(weights)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, moments, ids, labels):  # noqa: ANN001, ANN202
        loss, gradients = jax.value_and_grad(loss_of)(weights, ids, labels, spec)
        updates, moments = optimizer.update(gradients, moments, weights)
        return optax.apply_updates(weights, updates), moments, loss

    return step, weights, moments


def check(spec: Spec) -> bool:
    """Whether the loss and the gradients are those of the PyTorch model."""
    weights = random_weights(spec, seed=0)
    ids = torch.randint(50256, (2, 12), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    labels[1, 7:] = NO_TARGET
    model = Lean(spec)
    load(model, weights)
    theirs = model(ids, labels)
    theirs.backward()
    as_jax = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}
    ours, gradients = jax.value_and_grad(loss_of)(as_jax, jnp.asarray(ids.numpy()), jnp.asarray(labels.numpy()), spec)
    worst = max(
        float(np.abs(np.asarray(gradients[name]) - parameter.grad.numpy()).max())
        for name, parameter in model.named_parameters()
    )
    print(f"loss {float(ours):.6f} and {theirs.item():.6f}; greatest difference of a gradient {worst:.1e}")
    return math.isclose(float(ours), theirs.item(), abs_tol=1e-4) and worst < 1e-4


def main() -> int:
    arguments = arguments_of(__doc__, [*JAX_PEERS, "check"])
    spec = MODELS[arguments.model]
    if arguments.peer == "check":
        return 0 if check(spec) else 1
    count = arguments.warm_up + arguments.steps
    batches = make_batches(arguments.shape, count, spec.context, arguments.data, "batch")
    step, weights, moments = training(spec)

    def timed(batch: Batch) -> float:
        nonlocal weights, moments
        weights, moments, loss = step(weights, moments, jnp.asarray(batch.ids.numpy()), jnp.asarray(batch.labels.numpy()))
        jax.block_until_ready(weights)
        return float(loss)

    time_steps(timed, batches, arguments.warm_up)
    return 0


if __name__ == "__main__":
    sys.exit(main())
