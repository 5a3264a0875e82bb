#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts the 260-thousand-parameter TinyStories model from llama2.c's format to GGUF.

    tools/make_stories_gguf.py stories260K.bin tok512.bin tests/data/stories260K.gguf

Matrices become F16, but ffn_down F32, so that the small model runs through both; norms are F32.
llama2.c rotates adjacent pairs, as GGUF's architecture llama does: queries and keys stay as they
are. Needs nothing but the standard library, and writes the same bytes every time.
"""
import struct
import sys

F32, F16 = 0, 1
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32


def string(value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<Q", len(value)) + value


SCALARS = {U32: lambda v: struct.pack("<I", v), I32: lambda v: struct.pack("<i", v),
           FLOAT: lambda v: struct.pack("<f", v), BOOL: lambda v: struct.pack("<B", v),
           STRING: string}


def key(name, kind, value):
    if isinstance(value, list):
        items = b"".join(map(SCALARS[kind], value))
        return string(name) + struct.pack("<IIQ", ARRAY, kind, len(value)) + items
    return string(name) + struct.pack("<I", kind) + SCALARS[kind](value)


def read_tokenizer(path, count):
    with open(path, "rb") as file:
        data = file.read()
    tokens, scores, at = [], [], 4
    for _ in range(count):
        score, length = struct.unpack_from("<fi", data, at)
        tokens.append(data[at + 8:at + 8 + length])
        scores.append(score)
        at += 8 + length
    assert at == len(data), "tokens left over"
    return tokens, scores


def convert_tokens(tokens):
    """SentencePiece names and types: llama2.c stores spaces as such, GGUF as U+2581."""
    names, types = [], []
    for index, token in enumerate(tokens):
        if index == 0:
            names.append(b"<unk>")
            types.append(2)
        elif index < 3:
            names.append(b"<s>" if index == 1 else b"</s>")
            types.append(3)
        elif index < 259:
            names.append(b"<0x%02X>" % (index - 3))
            types.append(6)
        else:
            names.append(token.replace(b" ", "\u2581".encode()))
            types.append(1)
    return names, types


def main(model_path, tokenizer_path, output_path):
    with open(model_path, "rb") as file:
        data = file.read()
    dim, hidden, layers, heads, kv_heads, vocabulary, context = struct.unpack_from("<7i", data)
    assert vocabulary > 0, "untied output weights"
    kv_dim = dim // heads * kv_heads
    at = 28

    def take(count):
        nonlocal at
        values = struct.unpack_from("<%df" % count, data, at)
        at += 4 * count
        return values

    embedding = take(vocabulary * dim)
    parts = {}
    for name, rows, columns in (("attn_norm", 1, dim), ("attn_q", dim, dim),
                                ("attn_k", kv_dim, dim), ("attn_v", kv_dim, dim),
                                ("attn_output", dim, dim), ("ffn_norm", 1, dim),
                                ("ffn_gate", hidden, dim), ("ffn_down", dim, hidden),
                                ("ffn_up", hidden, dim)):
        parts[name] = [(rows, columns, take(rows * columns)) for _ in range(layers)]
    output_norm = take(dim)
    take(context * dim // heads)  # two tables of angles, made anew by whoever runs the model
    assert at == len(data), "bytes left over"

    tensors = [("token_embd.weight", vocabulary, dim, embedding)]
    for layer in range(layers):
        for name in ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm",
                     "ffn_gate", "ffn_up", "ffn_down"):
            rows, columns, values = parts[name][layer]
            tensors.append(("blk.%d.%s.weight" % (layer, name), rows, columns, values))
    tensors.append(("output_norm.weight", 1, dim, output_norm))

    tokens, scores = read_tokenizer(tokenizer_path, vocabulary)
    names, types = convert_tokens(tokens)
    keys = [
        key("general.architecture", STRING, "llama"),
        key("general.type", STRING, "model"),
        key("general.name", STRING, "stories260K"),
        key("general.license", STRING, "mit"),
        key("general.source.url", STRING,
            "https://huggingface.co/karpathy/tinyllamas/tree/main/stories260K"),
        key("llama.block_count", U32, layers),
        key("llama.context_length", U32, context),
        key("llama.embedding_length", U32, dim),
        key("llama.feed_forward_length", U32, hidden),
        key("llama.attention.head_count", U32, heads),
        key("llama.attention.head_count_kv", U32, kv_heads),
        key("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5),
        key("llama.rope.dimension_count", U32, dim // heads),
        key("llama.rope.freq_base", FLOAT, 10000.0),
        key("llama.vocab_size", U32, vocabulary),
        key("tokenizer.ggml.model", STRING, "llama"),
        key("tokenizer.ggml.tokens", STRING, names),
        key("tokenizer.ggml.scores", FLOAT, scores),
        key("tokenizer.ggml.token_type", I32, types),
        key("tokenizer.ggml.bos_token_id", U32, 1),
        key("tokenizer.ggml.eos_token_id", U32, 2),
        key("tokenizer.ggml.unknown_token_id", U32, 0),
        key("tokenizer.ggml.add_bos_token", BOOL, True),
        key("tokenizer.ggml.add_eos_token", BOOL, False),
        key("tokenizer.ggml.add_space_prefix", BOOL, True),
    ]
    table, body = b"", b""
    for name, rows, columns, values in tensors:
        half = rows > 1 and "ffn_down" not in name
        dims = (columns, rows) if rows > 1 else (columns,)
        table += string(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims,
                                            F16 if half else F32, len(body))
        body += struct.pack("<%d%s" % (len(values), "e" if half else "f"), *values)
        body += bytes(-len(body) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + table
    with open(output_path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT) + body)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
