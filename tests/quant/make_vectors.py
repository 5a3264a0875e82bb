#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes encode_vectors.inc: inputs and the bytes that the Python package `gguf` (0.19; an
implementation of llama.cpp's reference quantisers in numpy) makes of them.

    python3 tests/quant/make_vectors.py > tests/quant/encode_vectors.inc
"""
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants

rng = np.random.default_rng(1)
rows = [
    rng.standard_normal(32),
    rng.standard_normal(32) * 1e-3,
    np.zeros(32),
    np.full(32, -0.75),
    np.linspace(-1, 1, 32),
    np.arange(32) - 16.0,
    np.where(np.arange(32) % 2 == 0, 1.0, -1.0),          # a tie between the extremes
    np.concatenate([[127.0], np.arange(31) + 0.5]),       # halves: away from zero
    np.concatenate([[-127.0], -(np.arange(31) + 0.5)]),
    np.concatenate([[8.0], np.arange(31) * 0.5 - 7.75]),
    rng.standard_normal(32) * 1e4,
    rng.uniform(0, 1e-7, 32),                             # scales that are denormal in binary16
]
values = np.array(rows, dtype=np.float32)

print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Made by make_vectors.py: bits of the inputs, then the blocks they become. */")
print(f"enum {{ VECTOR_BLOCKS = {len(rows)} }};\n")


def table(declaration, numbers, width, per_line):
    print(f"static const {declaration} = {{")
    for i in range(0, len(numbers), per_line):
        print("    " + ", ".join(f"0x{n:0{width}x}" for n in numbers[i:i + per_line]) + ",")
    print("};\n")


table("uint32_t vector_values[VECTOR_BLOCKS * 32]", values.view(np.uint32).ravel().tolist(), 8, 8)
for kind in (T.BF16, T.Q8_0, T.Q4_0, T.Q4_1):
    data = quants.quantize(values, kind).view(np.uint8).ravel().tolist()
    table(f"unsigned char vector_{kind.name.lower()}[]", data, 2, 16)
