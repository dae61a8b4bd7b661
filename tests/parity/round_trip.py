"""Models of transformers into lrx and out again: the same logits, the same text.

A checkpoint that transformers writes is what lrx starts from; one update at a learning rate of 1e-12 later lrx exports it, and
transformers loads that with two lines, no code of lrx's, and no option. Where lrx trained the model itself, its own evaluation
loss and its own text are what the exported one has to have.

    tests/parity/python tests/parity/round_trip.py [CASE...] [--lrx BINARY] [--data FOLDER]
"""

import argparse
import csv
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from stories import DEFAULT_DATA, END_OF_TEXT, REPOSITORY, data_is_present, encode, read_stories, targets, write_stories
from training import hugging_face_loss

TOLERANCE = 1e-4  # of logits, and of losses in nats
TOKENS = 100  # of greedy text
STORIES, VALID = 40, 4
HIDDEN, LAYERS, HEADS, CONTEXT, VOCABULARY = 48, 3, 4, 256, 50257
RANK = 6


def loaded(folder: Path):  # noqa: ANN201
    """All that a user of an export has to write."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return model, tokenizer


# The families, with weights so large that every parameter matters to the logits.


def gpt_neo(windows: bool) -> GPTNeoForCausalLM:
    kinds = ["global", "local", "global"] if windows else ["global"] * LAYERS
    return GPTNeoForCausalLM(
        GPTNeoConfig(
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            hidden_size=HIDDEN,
            num_layers=LAYERS,
            num_heads=HEADS,
            attention_types=[[kinds, 1]],
            window_size=8,
        )
    )


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS)
    )


def llama(tied: bool = False) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=2,
            intermediate_size=128,
            rms_norm_eps=1e-6,
            tie_word_embeddings=tied,
        )
    )


NEO = ""
LOCAL = "[model.attention]\nwindow = [0, 8, 0]\n"
GPT2 = '[model.attention]\nscaled = true\nbias = "all"\n'
LLAMA = 'positions = "rotary"\nnorm = "rms-norm"\nnorm_epsilon = 1e-6\ntied = false\n'
LLAMA_BLOCKS = (
    '[model.attention]\nscaled = true\nbias = "none"\nkv_heads = 2\n[model.mlp]\nblock = "gated-mlp"\ninner = 128\n'
)


@dataclass
class Case:
    model: Callable[[], PreTrainedModel] | None  # none: lrx trains one itself
    config: str  # of [model] and what follows it
    low_rank: bool = False  # the checkpoint's matrices are of rank RANK, and lrx's in two factors
    compact: bool = False
    dtype: torch.dtype = torch.float32
    shards: bool = False
    tolerance: float = TOLERANCE
    init_from: dict[str, str] = field(default_factory=dict)


CASES = {
    "gpt-neo": Case(lambda: gpt_neo(windows=False), NEO),
    "gpt-neo-local": Case(lambda: gpt_neo(windows=True), LOCAL),
    "gpt2": Case(gpt2, GPT2),
    "llama": Case(llama, LLAMA + LLAMA_BLOCKS),
    "llama-tied": Case(lambda: llama(tied=True), LLAMA.replace("tied = false", "tied = true") + LLAMA_BLOCKS),
    "gpt-neo-low-rank": Case(lambda: gpt_neo(windows=False), NEO, low_rank=True),
    "gpt-neo-local-low-rank": Case(lambda: gpt_neo(windows=True), LOCAL, low_rank=True),
    "gpt2-low-rank": Case(gpt2, GPT2, low_rank=True),
    "llama-low-rank": Case(llama, LLAMA + LLAMA_BLOCKS, low_rank=True),
    "gpt-neo-compact": Case(lambda: gpt_neo(windows=False), NEO, compact=True),
    "gpt-neo-local-compact": Case(lambda: gpt_neo(windows=True), LOCAL, compact=True),
    "gpt2-compact": Case(gpt2, GPT2, compact=True),
    "llama-compact": Case(llama, LLAMA + LLAMA_BLOCKS, compact=True),
    "llama-low-rank-compact": Case(llama, LLAMA + LLAMA_BLOCKS, low_rank=True, compact=True),
    "gpt2-sharded": Case(gpt2, GPT2, shards=True),
    "gpt2-f16": Case(gpt2, GPT2, dtype=torch.float16),
    "llama-bf16": Case(llama, LLAMA + LLAMA_BLOCKS, dtype=torch.bfloat16),
    # What the family has otherwise than the model: scaled scores beside windows, shared keys beside learned positions.
    "trained-neo-scaled": Case(None, "[model.attention]\nwindow = [0, 8, 0]\nscaled = true\nkind = 'low-rank'\nrank = 6\n"),
    "trained-gpt2-kv": Case(None, "[model.attention]\nkv_heads = 2\nscaled = true\n[model.mlp]\nkind = 'block-shuffle'\nblocks = 4\n"),
    "trained-latent": Case(None, "[model.attention]\nblock = 'latent-attention'\nlatent = 8\n", compact=True),
    "trained-no-positions": Case(None, "positions = 'none'\n[model.mlp]\nkind = 'low-rank'\nrank = 5\n", compact=True),
    "trained-llama": Case(None, LLAMA + LLAMA_BLOCKS + "kind = 'low-rank'\nrank = 7\n", compact=True),
}


def enliven(model: PreTrainedModel, low_rank: bool) -> None:
    """Every parameter matters; matrices of the layers are of rank RANK where that is asked for."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.copy_((1.0 if name.endswith("weight") else 0.0) + 0.1 * drawn)
                continue
            scale = 0.08 if "wpe" in name else 1.0 if any(n in name for n in ("wte", "embed", "lm_head")) else 0.5
            parameter.copy_(scale * drawn / parameter.shape[-1] ** 0.5)
            is_table = any(n in name for n in ("wte", "wpe", "embed", "lm_head"))
            if not low_rank or is_table:
                continue
            # GPT-2's q, k and v are one matrix, inputs x outputs: each of them is of rank RANK.
            parts = parameter.chunk(3, dim=1) if "c_attn" in name else [parameter]
            for part in parts:
                u, s, v = torch.linalg.svd(part, full_matrices=False)
                part.copy_((u[:, :RANK] * (2 * s[:RANK])) @ v[:RANK])


def config(case: Case, data: Path, checkpoint: Path | None) -> str:
    kind = f"kind = 'low-rank'\nrank = {RANK}\n"
    text = case.config
    if case.low_rank:
        for block in ("attention", "mlp"):
            head = f"[model.{block}]\n"
            text = text.replace(head, head + kind) if head in text else text + head + kind
    init = "" if checkpoint is None else f"init_from = {{ path = '{checkpoint}'"
    if checkpoint is not None:
        init += ", vocabulary = 'select' }\n" if case.compact else " }\n"
    rate = "1e-12" if checkpoint is not None else "3e-3"
    steps = "1" if checkpoint is not None else "30"
    return f"""
[data]
train = "train.txt"
valid = "valid.txt"
tokenizer = "{data / "gpt2" / "tokenizer.json"}"
vocabulary = "{"compact" if case.compact else "full"}"
[train]
batch_stories = 4
steps = {steps}
learning_rate = {rate}
[model]
hidden = {HIDDEN}
layers = {LAYERS}
heads = {HEADS}
context = {CONTEXT}
{init}{text}"""


def run_lrx(lrx: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run([lrx, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"lrx {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(name: str, case: Case, lrx: Path, data: Path) -> list[str]:
    """What is wrong, and prints what was measured."""
    wrong, shown = [], []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        train, valid = read_stories(data / "tinystories-train.txt", STORIES), []
        valid, train = train[:VALID], train[VALID:]
        write_stories(folder / "train.txt", train)
        write_stories(folder / "valid.txt", valid)
        original, checkpoint = None, None
        if case.model is not None:
            original = case.model().eval()
            enliven(original, case.low_rank)
            original, checkpoint = original.to(case.dtype), folder / "checkpoint"
            original.save_pretrained(checkpoint, **({"max_shard_size": "200KB"} if case.shards else {}))
            assert case.shards == (len(list(checkpoint.glob("model-*.safetensors"))) > 1)
            # Not `float()` of it: that keeps what rotary positions lost in 16 bits.
            original = type(original).from_pretrained(checkpoint, dtype=torch.float32).eval()
        (folder / "run.toml").write_text(config(case, data, checkpoint))
        run_lrx(lrx, folder, "run", "run.toml", "--out", "out")
        with (folder / "out" / "run" / "runs.csv").open() as file:
            row = next(csv.DictReader(file))
        run_lrx(lrx, folder, "export", row["run_id"], "exported", "--out", "out")

        model, tokenizer = loaded(folder / "exported")
        full = encode(data / "gpt2" / "tokenizer.json", valid, CONTEXT)
        own = [tokenizer(story).input_ids[:CONTEXT] for story in valid]
        if not case.compact and own != full:
            wrong.append("the tokenizer gives other ids")
        if case.compact:
            kept = sorted({id for story in encode(data / "gpt2" / "tokenizer.json", train + valid, 10**9) for id in story})
            number = {tokenizer.convert_ids_to_tokens(own_id): own_id for story in own for own_id in story}
            reference = AutoTokenizer.from_pretrained(folder / "exported")  # decodes with its own vocabulary
            texts = [reference.decode(story) for story in own]
            if texts != [story if len(ids) < CONTEXT else text for story, text, ids in zip(valid, texts, own, strict=True)]:
                wrong.append("decoding what was encoded gives another text")
            if [len(story) for story in own] != [len(story) for story in full]:
                wrong.append("a text has another number of tokens than the whole tokenizer gives it")
            shown.append(f"{len(kept)} tokens used, {len(tokenizer)} in the tokenizer, {len(number)} seen")

        with torch.no_grad():
            loss = sum(
                hugging_face_loss(model, [story]).item() * targets([story]) for story in own if len(story) > 1
            ) / targets(own)
            largest = 0.0
            if original is not None:
                for theirs, ours in zip(full, own, strict=True):
                    before = original(torch.tensor([theirs])).logits[0]
                    after = model(torch.tensor([ours])).logits[0]
                    if case.compact:
                        # The tokens of the texts stand for the rows: every one that was seen.
                        columns = {o: t for ts, os in zip(full, own, strict=True) for t, o in zip(ts, os, strict=True)}
                        before, after = before[:, list(columns.values())], after[:, list(columns.keys())]
                    largest = max(largest, (before - after).abs().max().item())
                shown.append(f"logits within {largest:.1e}")
                if not largest <= case.tolerance:
                    wrong.append(f"logits differ by {largest:.2e}")
        rows = model.get_input_embeddings().weight.shape[0]
        is_exact = not case.compact or rows == int(row_vocabulary(folder, row))
        gap = abs(loss - float(row["eval_loss"]))
        shown.append(f"loss {loss:.5f}, lrx's {float(row['eval_loss']):.5f}")
        if is_exact and not gap <= case.tolerance:
            wrong.append(f"losses differ by {gap:.2e}")
        if not is_exact:
            exact = loss_of_own(model, own, int(row_vocabulary(folder, row)))
            shown.append(f"over its own tokens {exact:.5f}")
            if not abs(exact - float(row["eval_loss"])) <= case.tolerance:
                wrong.append(f"losses over the model's own tokens differ by {abs(exact - float(row['eval_loss'])):.2e}")

        difference, what = per_story(lrx, folder, row, model, own, data)
        shown.append(f"each story within {difference:.1e}")
        if what or not difference <= case.tolerance:
            wrong.append(what or f"the loss of a story differs by {difference:.2e}")

        prompt = " ".join(valid[0].split()[:8])
        arguments = ("--prompt", prompt, "--temperature", "0", "--tokens", str(TOKENS), "--out", "out")
        ours = run_lrx(lrx, folder, "generate", row["run_id"], *arguments).removesuffix("\n")
        inputs = tokenizer(prompt, return_tensors="pt")
        theirs = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)[0]
        text = tokenizer.decode(theirs, skip_special_tokens=True)
        shown.append(f"{len(theirs) - inputs.input_ids.shape[1]} tokens of text")
        if text.rstrip("\ufffd") != ours.rstrip("\ufffd"):
            wrong.append(f"texts differ:\n    lrx          {ours!r}\n    transformers {text!r}")
        if original is not None and not case.compact:
            before = original.generate(**inputs, do_sample=False, max_new_tokens=TOKENS, pad_token_id=END_OF_TEXT)[0]
            if before.tolist() != theirs.tolist():
                wrong.append("the text is another than the original's")
    print(f"{'FAILED' if wrong else 'ok':7}{name:26}{'; '.join(shown)}")
    return wrong


def per_story(
    lrx: Path, folder: Path, row: dict[str, str], model: PreTrainedModel, own: list[list[int]], data: Path
) -> tuple[float, str]:
    """The largest difference between PyTorch's loss of a story and what `lrx eval` and the run itself say of it; what else is
    wrong with their rows."""
    arguments = ("eval", row["run_id"], "valid.txt", "--per-story", "--format", "csv", "--out", "out")
    evaluated = list(csv.DictReader(run_lrx(lrx, folder, *arguments).splitlines()))
    with (folder / "out" / "run" / row["run_id"] / "stories.csv").open() as file:
        kept = list(csv.DictReader(file))
    stories = [story for story in own if len(story) > 1]
    if not len(evaluated) == len(kept) == len(stories):
        return float("inf"), f"{len(evaluated)} and {len(kept)} stories where {len(stories)} have a target"
    from tokenizers import Tokenizer

    whole = Tokenizer.from_file(str(data / "gpt2" / "tokenizer.json"))
    largest, vocabulary = 0.0, int(row_vocabulary(folder, row))
    texts = read_stories(folder / "valid.txt", VALID)
    for text, story, of_eval, of_run in zip(texts, stories, evaluated, kept, strict=True):
        loss, count = loss_of_own(model, [story], vocabulary), len(story) - 1
        largest = max(largest, abs(loss - float(of_eval["loss"])), abs(loss - float(of_run["nats"]) / count))
        # Of a byte-level tokenizer: each letter of a token stands for a byte.
        size = sum(len(token) for token in whole.encode(text).tokens[1 : len(story)])
        bits = loss * count / (size * math.log(2))
        largest = max(largest, abs(bits - float(of_eval["bits_per_byte"])))
        if not count == int(of_eval["tokens"]) == int(of_run["tokens"]) or size != int(of_run["bytes"]):
            return float("inf"), f"a story of {count} targets and {size} bytes has {of_eval} and {of_run}"
    return largest, ""


def row_vocabulary(folder: Path, row: dict[str, str]) -> str:
    """Tokens of the model: what its embedding has in lrx's own weights."""
    from safetensors import safe_open

    weights = folder / "out" / "run" / row["run_id"] / "model.safetensors"
    with safe_open(weights, framework="pt") as file:
        return str(file.get_slice("transformer.wte.weight").get_shape()[0])


def loss_of_own(model: PreTrainedModel, stories: list[list[int]], vocabulary: int) -> float:
    total = 0.0
    with torch.no_grad():
        for story in (story for story in stories if len(story) > 1):
            logits = model(torch.tensor([story])).logits[0, :-1, :vocabulary]
            total += torch.nn.functional.cross_entropy(logits, torch.tensor(story[1:]), reduction="sum").item()
    return total / targets(stories)


def full_rank(lrx: Path, data: Path) -> list[str]:
    """Two factors of full rank, by singular values, start at the dense model's loss."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        stories = read_stories(data / "tinystories-train.txt", STORIES)
        write_stories(folder / "train.txt", stories[VALID:])
        write_stories(folder / "valid.txt", stories[:VALID])
        model = gpt_neo(windows=True)
        enliven(model, low_rank=False)
        model.save_pretrained(folder / "checkpoint")
        losses = []
        whole = f"kind = 'low-rank'\nrank = {HIDDEN}\n"
        for more in (LOCAL, LOCAL + whole + "[model.mlp]\n" + whole):
            (folder / "run.toml").write_text(config(Case(None, more), data, folder / "checkpoint"))
            run_lrx(lrx, folder, "run", "run.toml", "--out", f"out{len(losses)}")
            with (folder / f"out{len(losses)}" / "run" / "runs.csv").open() as file:
                losses.append(float(next(csv.DictReader(file))["eval_loss"]))
        difference = abs(losses[0] - losses[1])
        print(f"{'ok' if difference <= TOLERANCE else 'FAILED':7}{'full-rank':26}dense {losses[0]:.6f}, in factors {losses[1]:.6f}")
        return [] if difference <= TOLERANCE else [f"losses differ by {difference:.2e}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/parity/python tests/parity/round_trip.py", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"all by default: {', '.join([*CASES, 'full-rank'])}")
    parser.add_argument("--lrx", type=Path, default=REPOSITORY / "target" / "release" / "lrx", help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="default: %(default)s")
    arguments = parser.parse_args()
    if not data_is_present(arguments.data):
        print(f"{arguments.data} has no TinyStories and GPT-2's tokenizer; name their folder with --data", file=sys.stderr)
        return 2
    lrx, data = arguments.lrx.resolve(), arguments.data.resolve()
    failed = {}
    for name in arguments.cases or [*CASES, "full-rank"]:
        wrong = full_rank(lrx, data) if name == "full-rank" else check(name, CASES[name], lrx, data)
        if wrong:
            failed[name] = wrong
    for name, wrong in failed.items():
        print(f"\n{name}:", *wrong, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
