#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the smallest whole models, one per tokenizer kind, and some with nothing in them, as seeds
for tests/fuzz/fuzz_model.c.

    make_fuzz_seeds.py tests/fuzz/corpus/model

One layer of 32 numbers, two heads over one key/value head, every tensor type once; the weights
are a fixed pseudo-random sequence, so the files are the same wherever this runs.
"""

import pathlib
import random
import struct
import sys

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "BF16": 30}


def text(value):
    raw = value.encode("utf-8") if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def item(kind, value):
    if kind == STRING:
        return text(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def key(name, kind, value):
    if isinstance(value, list):
        return (text(name) + struct.pack("<IIQ", ARRAY, kind, len(value))
                + b"".join(item(kind, one) for one in value))
    return text(name) + struct.pack("<I", kind) + item(kind, value)


def weights(source, kind, count):
    if kind == "F32":
        return b"".join(struct.pack("<f", source.uniform(-1, 1)) for _ in range(count))
    if kind == "F16":
        return b"".join(struct.pack("<e", source.uniform(-1, 1)) for _ in range(count))
    if kind == "BF16":
        return b"".join(struct.pack("<f", source.uniform(-1, 1))[2:] for _ in range(count))
    head = {"Q4_0": 1, "Q4_1": 2, "Q8_0": 1}[kind]
    body = 32 if kind == "Q8_0" else 16
    return b"".join(struct.pack("<e", 0.03125) * head
                    + bytes(source.randrange(256) for _ in range(body))
                    for _ in range(count // 32))


def byte_characters():
    """GPT-2's printable character for each byte."""
    plain = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def bpe_keys():
    merges = ["t h", "th e", "Ġ the", "a n", "an d", "Ġ and"]
    tokens = (["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + byte_characters()
              + [pair.replace(" ", "") for pair in merges])
    return tokens, [
        key("tokenizer.ggml.model", STRING, "gpt2"),
        key("tokenizer.ggml.pre", STRING, "smollm"),
        key("tokenizer.ggml.token_type", I32, [3] * 3 + [1] * (len(tokens) - 3)),
        key("tokenizer.ggml.merges", STRING, merges),
        key("tokenizer.ggml.bos_token_id", U32, 1),
        key("tokenizer.ggml.eos_token_id", U32, 2),
        key("tokenizer.chat_template", STRING,
            "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
            "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"),
    ]


def sentencepiece_keys():
    tokens = (["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
              + ["\u2581", "t", "h", "e", "\u2581t", "he", "\u2581the"])
    return tokens, [
        key("tokenizer.ggml.model", STRING, "llama"),
        key("tokenizer.ggml.token_type", I32,
            [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)),
        key("tokenizer.ggml.scores", F32,
            [0.0] * 259 + [-float(rank) for rank in range(len(tokens) - 259)]),
        key("tokenizer.ggml.bos_token_id", U32, 1),
        key("tokenizer.ggml.eos_token_id", U32, 2),
        key("tokenizer.ggml.unknown_token_id", U32, 0),
    ]


def model(tokens, tokenizer, version, kept=None):
    source = random.Random(1)
    tensors = [
        ("token_embd.weight", "Q8_0", [32, len(tokens)]),
        ("output_norm.weight", "F32", [32]),
        ("blk.0.attn_norm.weight", "F32", [32]),
        ("blk.0.attn_q.weight", "Q4_0", [32, 32]),
        ("blk.0.attn_k.weight", "Q4_1", [32, 16]),
        ("blk.0.attn_v.weight", "Q8_0", [32, 16]),
        ("blk.0.attn_output.weight", "BF16", [32, 32]),
        ("blk.0.ffn_norm.weight", "F32", [32]),
        ("blk.0.ffn_gate.weight", "F16", [32, 24]),
        ("blk.0.ffn_up.weight", "Q4_0", [32, 24]),
        ("blk.0.ffn_down.weight", "F32", [24, 32]),
    ][:kept]
    keys = [
        key("general.architecture", STRING, "llama"),
        key("general.name", STRING, "seed"),
        key("llama.block_count", U32, 1),
        key("llama.context_length", U32, 64),
        key("llama.embedding_length", U32, 32),
        key("llama.feed_forward_length", U32, 24),
        key("llama.attention.head_count", U32, 2),
        key("llama.attention.head_count_kv", U32, 1),
        key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        key("llama.rope.freq_base", F32, 10000.0),
        *tokenizer,
        key("tokenizer.ggml.tokens", STRING, tokens),
    ]
    table, data = b"", b""
    for name, kind, dims in tensors:
        data += b"\0" * (-len(data) % 32)
        table += (text(name) + struct.pack("<I", len(dims))
                  + b"".join(struct.pack("<Q", dim) for dim in dims)
                  + struct.pack("<IQ", TYPES[kind], len(data)))
        count = dims[0] * (dims[1] if len(dims) > 1 else 1)
        data += weights(source, kind, count)
    head = (b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys)
            + table)
    return head + b"\0" * (-len(head) % 32) + data + b"\0" * (-len(data) % 32)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bpe.gguf").write_bytes(model(*bpe_keys(), 3))
    (folder / "sentencepiece.gguf").write_bytes(model(*sentencepiece_keys(), 2))
    (folder / "no_tensors.gguf").write_bytes(model(*bpe_keys(), 3, kept=0))
    (folder / "no_name.gguf").write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key("general.architecture", STRING, ""))


if __name__ == "__main__":
    main()
