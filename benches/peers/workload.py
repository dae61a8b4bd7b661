"""What is timed: the models, and the batches that every peer gets alike.

The models and the reading of stories are those of tests/parity, whose `python` finds them: what is timed is what is
compared there.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from spec import Spec
from stories import batches, encode, pad, read_stories

MODELS = {
    "FullSA-FullMLP-4L": Spec(),
    "MedSA-MedMLP-4L": Spec(attention_ranks=(19,) * 4, mlp_ranks=(31,) * 4),
    "LgSA-LgMLP-4L": Spec(attention_ranks=(192,) * 4, mlp_ranks=(307,) * 4),
}
SHAPES = {
    "4x256": "4 sequences of 256 random tokens",
    "stories": "real stories in batches of 4",
}
PYTORCH_PEERS = {
    "eager": "Hugging Face GPT-Neo, eager, padded to the longest of the batch",
    "compiled": "lean GPT-Neo, fused attention, torch.compile, padded to the longest of the batch",
    "seed-padding": "Hugging Face GPT-Neo, eager, padded to the longest of a thousand stories, as the seed did",
    "compiled-bf16": "as `compiled`, under bf16 autocast",
}
JAX_PEERS = {
    "jax": "lean GPT-Neo, one jitted step, padded to the longest of the batch (compiled anew for each length)",
}
PEERS = PYTORCH_PEERS | JAX_PEERS
PADDING_GROUP = 1000  # the seed's tokeniser padded the stories a thousand at a time


@dataclass
class Batch:
    ids: torch.Tensor  # (stories, length)
    labels: torch.Tensor
    real_tokens: int  # without padding


def make_batches(shape: str, count: int, context: int, data: Path, padding: str) -> list[Batch]:
    """The first `count` batches, the same for every peer but for their padding ("batch" or "thousand")."""
    if shape == "4x256":
        generator = torch.Generator().manual_seed(0)
        ids = [torch.randint(50256, (4, 256), generator=generator) for _ in range(count)]
        return [Batch(tokens, tokens, tokens.numel()) for tokens in ids]

    stories = read_stories(data / "tinystories-train.txt", max(4 * count, PADDING_GROUP))
    encoded = encode(data / "gpt2" / "tokenizer.json", stories, context)
    made = []
    for k, batch in enumerate(islice(batches(encoded), count)):
        group = 4 * k // PADDING_GROUP * PADDING_GROUP
        longest = max(map(len, encoded[group : group + PADDING_GROUP])) if padding == "thousand" else None
        ids, labels = pad(batch, longest)
        made.append(Batch(ids, labels, sum(map(len, batch))))
    return made
