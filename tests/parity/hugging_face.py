"""The reference: Hugging Face's GPT-Neo, GPT-2 and Llama, with their parameters under lrx's names."""

import re
from collections import OrderedDict

import torch
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from kinds import Structured
from spec import ATTENTION_MATRICES, Spec, block_of, stored_name

EAGER = {"use_cache": False, "attn_implementation": "eager"}


def hugging_face(spec: Spec) -> PreTrainedModel:
    """The family's model, with low-rank matrices in place of its own where the spec says so."""
    model = {"gpt-neo": gpt_neo, "gpt2": gpt2, "llama": llama}[spec.family](spec)
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied != spec.is_llama
    return model.train()


def gpt_neo(spec: Spec) -> GPTNeoForCausalLM:
    kinds = ["local" if spec.window(layer) else "global" for layer in range(spec.layers)]
    windows = {window for window in spec.windows or () if window}
    assert len(windows) <= 1, "GPT-Neo has one window size for all its local layers"
    config = GPTNeoConfig(
        vocab_size=spec.vocabulary,
        max_position_embeddings=spec.context,
        hidden_size=spec.hidden,
        num_layers=spec.layers,
        num_heads=spec.heads,
        intermediate_size=spec.inner_features,
        attention_types=[[kinds, 1]],
        window_size=max(windows, default=256),
        activation_function="gelu_new",
        layer_norm_epsilon=1e-5,
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
        **EAGER,
    )
    model = GPTNeoForCausalLM(config)
    model.shared = {}
    for layer, block in enumerate(model.transformer.h):
        make_low_rank(block.attn.attention, {name: name for name in ATTENTION_MATRICES}, spec, layer)
        make_low_rank(block.mlp, {name: name for name in spec.mlp_matrices}, spec, layer)
        for owner, names in ((block.attn.attention, ATTENTION_MATRICES), (block.mlp, spec.mlp_matrices)):
            for name in names:
                make_structured(owner, name, spec, f"basis.{layer}.{block_of(name)}", model.shared)
    return model


def make_structured(owner: nn.Module, name: str, spec: Spec, among: str, shared: dict[str, nn.Parameter]) -> None:
    """Swaps in a layer of the spec's kind."""
    dense, kind = getattr(owner, name), spec.kind(name)
    if kind is not None:
        bias = dense.bias is not None
        setattr(owner, name, Structured(kind, dense.in_features, dense.out_features, bias, shared, among))


class Gpt2(GPT2LMHeadModel):
    """GPT-2: its matrices are in × out, and those of queries, keys and values are one."""

    def stored(self) -> dict[str, torch.Tensor]:
        found = {}
        for name, parameter in self.named_parameters():
            if ".attn." in name or ".mlp." in name:
                parameter = parameter.T if parameter.dim() == 2 else parameter
            if ".attn.c_attn." in name:
                for matrix, part in zip(ATTENTION_MATRICES, parameter.chunk(3), strict=False):
                    found[name.replace("attn.c_attn", f"attn.attention.{matrix}")] = part
            else:
                found[name.replace("attn.c_proj", "attn.attention.out_proj")] = parameter
        return found


def gpt2(spec: Spec) -> Gpt2:
    assert not (spec.attention_ranks or spec.mlp_ranks or spec.windows or spec.kv_heads), "GPT-2 has none of these"
    config = GPT2Config(
        vocab_size=spec.vocabulary,
        n_positions=spec.context,
        n_embd=spec.hidden,
        n_layer=spec.layers,
        n_head=spec.heads,
        n_inner=spec.inner_features,
        activation_function="gelu_new",
        layer_norm_epsilon=1e-5,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        **EAGER,
    )
    return Gpt2(config)


LLAMA_ATTENTION = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "o_proj": "out_proj"}
LLAMA_MLP = {"gate_proj": "gate", "up_proj": "c_fc", "down_proj": "c_proj"}
LLAMA_NAMES = {  # lrx has GPT-Neo's names everywhere
    r"^model\.layers\.": "transformer.h.",
    r"^model\.embed_tokens\.": "transformer.wte.",
    r"^model\.norm\.": "transformer.ln_f.",
    r"\.input_layernorm\.": ".ln_1.",
    r"\.post_attention_layernorm\.": ".ln_2.",
    **{rf"\.self_attn\.{theirs}\.": f".attn.attention.{ours}." for theirs, ours in LLAMA_ATTENTION.items()},
    **{rf"\.mlp\.{theirs}\.": f".mlp.{ours}." for theirs, ours in LLAMA_MLP.items()},
}


class Llama(LlamaForCausalLM):
    def stored(self) -> dict[str, torch.Tensor]:
        found = {}
        for name, parameter in self.named_parameters():
            for pattern, ours in LLAMA_NAMES.items():
                name = re.sub(pattern, ours, name)
            found[stored_name(name)] = parameter
        return found


def llama(spec: Spec) -> Llama:
    assert not spec.windows, "Llama has none"
    config = LlamaConfig(
        vocab_size=spec.vocabulary,
        max_position_embeddings=spec.context,
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.kv_heads,
        intermediate_size=spec.inner_features,
        hidden_act="silu",
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        attention_bias=False,
        mlp_bias=False,
        attention_dropout=0.0,
        **EAGER,
    )
    model = Llama(config)
    for layer, block in enumerate(model.model.layers):
        make_low_rank(block.self_attn, LLAMA_ATTENTION, spec, layer)
        make_low_rank(block.mlp, LLAMA_MLP, spec, layer)
    return model


def make_low_rank(owner: nn.Module, names: dict[str, str], spec: Spec, layer: int) -> None:
    """Swaps in low-rank matrices; `names` has lrx's name of each of the owner's matrices."""
    for theirs, ours in names.items():
        dense, rank = getattr(owner, theirs), spec.rank(layer, ours)
        if rank is not None:
            setattr(owner, theirs, low_rank(dense.in_features, dense.out_features, rank, dense.bias is not None))


def low_rank(inputs: int, outputs: int, rank: int, bias: bool) -> nn.Module:
    """W x + b becomes B (A x) + b."""
    return nn.Sequential(
        OrderedDict(down=nn.Linear(inputs, rank, bias=False), up=nn.Linear(rank, outputs, bias=bias)),
    )
