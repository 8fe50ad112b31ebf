"""Write a language model that is real in everything but what it says: llama architecture, 2 layers, random weights.

    .venv-llama/bin/python tests/llama/tiny_model.py tiny.gguf

It runs in the model server's environment, the only one that has `gguf`.
"""

import sys

import gguf  # type: ignore[import-not-found]  # in .venv-llama
import numpy as np  # type: ignore[import-not-found, unused-ignore]  # in .venv-llama

WIDTH, HEADS, LAYERS, HIDDEN, CONTEXT = 64, 4, 2, 128, 512
SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
WORDS = tuple(
    "▁the ▁a ▁of ▁and ▁word ▁is ▁in ▁to ▁we ▁it ing er on at es en re ▁t ▁s ▁w".split()  # noqa: SIM905  # shorter than a list
)
LETTERS = ("▁", *"abcdefghijklmnopqrstuvwxyzABCDEFGH.,!?:")
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def write(path: str) -> None:
    """Write the model; the same bytes every time."""
    random = np.random.default_rng(seed=1)
    tokens = (*SPECIAL, *BYTES, *WORDS, *LETTERS)
    kinds = gguf.TokenType
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    # Longer pieces win over letters, and letters over bytes.
    writer.add_token_scores([-1000.0] * (len(SPECIAL) + len(BYTES)) + [float(len(text)) for text in WORDS + LETTERS])
    writer.add_token_types(
        [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL]
        + [kinds.BYTE] * len(BYTES)
        + [kinds.NORMAL] * (len(WORDS) + len(LETTERS))
    )
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)

    def add(name: str, *shape: int) -> None:
        # Weights of a norm are near 1, all others small, as in a model before its training.
        values = random.normal(1.0 if "norm" in name else 0.0, 0.05, shape)
        writer.add_tensor(name, values.astype(np.float32))

    add("token_embd.weight", len(tokens), WIDTH)
    add("output_norm.weight", WIDTH)
    add("output.weight", len(tokens), WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            add(f"blk.{layer}.{name}.weight", HIDDEN, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}.weight", WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
