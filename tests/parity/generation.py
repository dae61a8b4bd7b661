"""Greedy continuations of real stories by the reference."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from stories import END_OF_TEXT, read_stories

PROMPTS = 2
WORDS = 8  # of a story that was not trained on
TOKENS = 100


@dataclass
class Continuation:
    text: list[str]  # the prompt's, and after each token
    gaps: list[float]  # of each token, how far its logit is above the next one's

    def __str__(self) -> str:
        return self.text[-1]


def prompts(data: Path) -> list[str]:
    stories = read_stories(data / "tinystories-valid.txt", PROMPTS)
    return [" ".join(story.split()[:WORDS]) for story in stories]


def continue_greedily(model: PreTrainedModel, tokenizer: Path, prompt: str) -> Continuation:
    """TOKENS tokens, fewer where the text ends; each from the whole text before it, without a cache."""
    encoder = Tokenizer.from_file(str(tokenizer))
    ids = torch.tensor([encoder.encode(prompt, add_special_tokens=False).ids])
    output = model.eval().generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        use_cache=False,
        max_new_tokens=TOKENS,
        eos_token_id=END_OF_TEXT,
        pad_token_id=END_OF_TEXT,
        return_dict_in_generate=True,
        output_logits=True,
    )
    tokens, first = output.sequences[0].tolist(), ids.shape[1]
    ends = range(first, len(tokens) + 1)
    best = [logits[0].topk(2).values.tolist() for logits in output.logits]
    # A character may take several tokens: at the end of a text what is not whole is not shown.
    texts = [encoder.decode(tokens[:end]).rstrip("\ufffd") for end in ends]
    return Continuation(texts, [first - second for first, second in best])


def difference(reference: Continuation, ours: str) -> str:
    """Empty where the texts are equal; else at which token they part, and how near the reference was to another."""
    ours = ours.removesuffix("\n")
    if ours == str(reference):
        return ""
    for k, (before, after) in enumerate(pairwise(reference.text)):
        if ours.startswith(before) and not ours.startswith(after):
            return f"parts at token {k}, whose logit was {reference.gaps[k]:.1e} above the next"
    return "goes on"
