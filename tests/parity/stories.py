"""TinyStories as lrx reads them: text file -> stories -> token ids -> padded batches."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

SEPARATOR = "<|endoftext|>"
END_OF_TEXT = 50256
NO_TARGET = -100  # the label that Hugging Face and F.cross_entropy ignore

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_DATA = REPOSITORY.parent / "shared" / "data"


def data_is_present(folder: Path) -> bool:
    names = ["tinystories-train.txt", "tinystories-valid.txt", "gpt2/tokenizer.json"]
    return all((folder / name).is_file() for name in names)


def read_stories(path: Path, count: int) -> list[str]:
    """The first `count` stories: the text between separators, without its surrounding white space."""
    stories = (part.strip() for part in path.read_text(encoding="utf-8").split(SEPARATOR))
    return list(islice((story for story in stories if story), count))


def write_stories(path: Path, stories: list[str]) -> None:
    path.write_text("".join(f"{story}\n{SEPARATOR}\n" for story in stories), encoding="utf-8")


def encode(tokenizer: Path, stories: list[str], context: int) -> list[list[int]]:
    """One list of ids a story: no token added, truncated at `context`."""
    encoder = Tokenizer.from_file(str(tokenizer))
    encoded = encoder.encode_batch(stories, add_special_tokens=False)
    return [story.ids[:context] for story in encoded]


def batches(stories: list[list[int]], size: int = 4) -> Iterator[list[list[int]]]:
    """In file order; the last one may be smaller."""
    return (stories[i : i + size] for i in range(0, len(stories), size))


def pad(batch: list[list[int]], length: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the right with the end-of-text token, and labels without loss there. (stories, length) each."""
    length = length or max(map(len, batch))
    ids = [story + [END_OF_TEXT] * (length - len(story)) for story in batch]
    labels = [story + [NO_TARGET] * (length - len(story)) for story in batch]
    return torch.tensor(ids), torch.tensor(labels)


def targets(batch: list[list[int]]) -> int:
    """Every token of a story but its first is a target."""
    return sum(len(story) - 1 for story in batch)
