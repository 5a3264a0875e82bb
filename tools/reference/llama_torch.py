# SPDX-License-Identifier: Apache-2.0
"""A llama forward pass in torch on the dequantised weights of a GGUF file.

This is the yardstick for fidelity: exact arithmetic (binary32 or binary64) on the numbers the file
stands for, without quantised activations or a half-precision cache. It shares nothing with the
library but the file format, which it reads through the `gguf` package.
"""

import gguf
import numpy as np
import torch


class Llama:
    def __init__(self, path, dtype=torch.float32):
        reader = gguf.GGUFReader(path)
        field = lambda key: reader.fields["llama." + key].contents()
        optional = lambda key, default: field(key) if "llama." + key in reader.fields else default
        self.dtype = dtype
        self.layers = field("block_count")
        self.width = field("embedding_length")
        self.heads = field("attention.head_count")
        self.heads_kv = field("attention.head_count_kv")
        self.head = optional("attention.key_length", self.width // self.heads)
        self.epsilon = field("attention.layer_norm_rms_epsilon")
        self.rope = optional("rope.dimension_count", self.head)
        base = optional("rope.freq_base", 10000.0)
        pairs = torch.arange(0, self.rope, 2, dtype=torch.float64) / self.rope
        self.frequency = base ** -pairs
        self.tensors = {}
        for tensor in reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            shape = [int(n) for n in reversed(tensor.shape)]
            self.tensors[tensor.name] = torch.from_numpy(
                np.ascontiguousarray(values)).reshape(shape).to(dtype)

    def norm(self, x, name):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return x * scale * self.tensors[name]

    def rotate(self, x, positions):
        """x: [token][head][dim]; adjacent pairs, as GGUF's llama has them."""
        angle = positions[:, None].double() * self.frequency[None, :]
        cosine, sine = angle.cos().to(x.dtype)[:, None], angle.sin().to(x.dtype)[:, None]
        even, odd = x[..., 0:self.rope:2], x[..., 1:self.rope:2]
        turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1)
        return torch.cat((turned.flatten(-2), x[..., self.rope:]), -1)

    def hidden(self, tokens, layers=None):
        """Residual vectors [token][d] after `layers` layers (all of them by default)."""
        positions = torch.arange(len(tokens))
        x = self.tensors["token_embd.weight"][torch.tensor(tokens)]
        mask = torch.full((len(tokens), len(tokens)), float("-inf"), dtype=x.dtype).triu(1)
        for i in range(self.layers if layers is None else layers):
            w = lambda name: self.tensors[f"blk.{i}.{name}.weight"]
            a = self.norm(x, f"blk.{i}.attn_norm.weight")
            split = lambda y, heads: y.view(len(tokens), heads, self.head)
            q = self.rotate(split(a @ w("attn_q").T, self.heads), positions)
            k = self.rotate(split(a @ w("attn_k").T, self.heads_kv), positions)
            v = split(a @ w("attn_v").T, self.heads_kv)
            repeat = self.heads // self.heads_kv
            k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
            scores = torch.einsum("qhd,khd->hqk", q, k) / self.head ** 0.5 + mask
            mixed = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)
            x = x + mixed.reshape(len(tokens), -1) @ w("attn_output").T
            f = self.norm(x, f"blk.{i}.ffn_norm.weight")
            gate = torch.nn.functional.silu(f @ w("ffn_gate").T)
            x = x + (gate * (f @ w("ffn_up").T)) @ w("ffn_down").T
        return x

    def logits(self, tokens, last=False):
        """[token][V], or of the last token alone."""
        x = self.hidden(tokens)
        x = self.norm(x[-1:] if last else x, "output_norm.weight")
        head = self.tensors.get("output.weight", self.tensors["token_embd.weight"])
        return x @ head.T
