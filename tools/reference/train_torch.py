#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The trainer's yardstick: one small real model, trained in torch (binary64).

    python3 tools/reference/train_torch.py tests/data/stories260K.gguf tests/data/train_vectors.gguf

Written from the method's formulas, sharing nothing with the library but the file format: stream
rows are computed anchor by anchor, gradients are autograd's. The file receives, per case, the
losses summed per stream (or of the main rows) and the gradients of every trained tensor, one after
the other in the order of `PARAMETERS`; and what AdamW makes of the first values in five steps.

Nothing random is stored: tokens, first values, teacher and draft vocabulary follow from mix(index),
which tests/train computes as well.
"""
import sys

import gguf
import numpy as np
import torch
from llama_torch import Llama

MASK = (1 << 64) - 1
MSA, STREAMS = 2, 3                    # Ns, gamma
RANK = {"main": 2, "stream": 2, "init": 2, "root": 2, "parent": 2, "prune": 2}
LORA_SCALE = 1.5
ROTATION_STEP = 0.3125
STREAM_WEIGHTS = [1.0, 0.5, 0.25]
JOINT_WEIGHTS = [0.125, 0.125, 0.125]
GRADIENT_SCALE = 1 / 64
TEACHER, TEACHER_SHARE = 16, 0.375
SEQUENCES = [(21, 6), (14, 9)]         # tokens, of them prompt
ADAM_STEPS, ADAM_WARMUP, ADAM_PEAK, ADAM_DECAY, ADAM_LIMIT = 5, 2, 2.0 ** -7, 0.0625, 1.0
SYNTHETIC = 256

MAPS = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]


def mix(x):
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & MASK
    return x ^ x >> 31


def unit(index):
    """In [-1, 1), exact in binary32."""
    return ((mix(index + 1) >> 40) - (1 << 23)) / (1 << 23)


model = Llama(sys.argv[1], torch.float64)
D, VOCABULARY = model.width, model.tensors["token_embd.weight"].shape[0]
EMBEDDING = model.tensors["token_embd.weight"]
HEAD = model.tensors.get("output.weight", EMBEDDING)
ENTRY = model.layers - MSA


def parameter_list():
    """(name, shape, size of first values), in the order everything is stored in."""
    shapes = {m: tuple(model.tensors[f"blk.0.{m}.weight"].shape) for m in MAPS}

    def pair(stem, rank, out, columns, size):
        return [(stem + "a", (rank, columns), size), (stem + "b", (out, rank), size)]

    items = []
    for kind, first, suffix in (("main", 0, ".lora_"), ("stream", ENTRY, ".stream.lora_")):
        for layer in range(first, model.layers):
            for m in MAPS:
                items += pair(f"blk.{layer}.{m}.weight{suffix}", RANK[kind], *shapes[m], 2.0 ** -2)
    items.append(("specstream.stream_embd", (STREAMS, D), 2.0 ** -1))
    items.append(("specstream.root.gain", (STREAMS, D), 2.0 ** -1))
    for stem, size in (("stream_init", -3), ("root", -3), ("parent", -2), ("prune", -2)):
        rank = RANK["init" if stem == "stream_init" else stem]
        items += pair(f"specstream.{stem}.", rank, D, D, 2.0 ** size)
    return items


PARAMETERS = parameter_list()


def first_values():
    values, index = {}, 0
    for name, shape, size in PARAMETERS:
        count = int(np.prod(shape))
        numbers = [unit(index + i) * size for i in range(count)]
        values[name] = torch.tensor(numbers, dtype=torch.float64).reshape(shape)
        index += count
    return values


DRAFT = [t for t in range(VOCABULARY) if mix(t + 1000) % 4 != 0]
DRAFT_OF_TOKEN = {token: i for i, token in enumerate(DRAFT)}


def sequence_tokens(number, count):
    return [mix(100000 * (number + 1) + i) % (VOCABULARY - 3) + 3 for i in range(count)]


def teacher_of(number, anchor):
    """[(token, probability)]: of a made-up main stream."""
    base = 1000000 * (number + 1) + anchor * TEACHER
    first = mix(base) % VOCABULARY
    return [((first + 7 * i) % VOCABULARY, (mix(base + 500000 + i) >> 40) / 2 ** 24 / TEACHER)
            for i in range(TEACHER)]


class Adapter:
    """values: name -> tensor; what is absent is not there at all."""

    def __init__(self, values, rotation=False):
        self.values, self.rotation = values, rotation

    def linear(self, layer, name, x, kinds):
        stem = f"blk.{layer}.{name}.weight"
        y = x @ model.tensors[stem].T
        for suffix in kinds:
            if stem + suffix + "a" in self.values:
                a, b = self.values[stem + suffix + "a"], self.values[stem + suffix + "b"]
                y = y + LORA_SCALE * (x @ a.T) @ b.T
        return y

    def low_rank(self, stem, x):
        if f"specstream.{stem}.a" not in self.values:
            return torch.zeros_like(x)
        return (x @ self.values[f"specstream.{stem}.a"].T) @ self.values[f"specstream.{stem}.b"].T

    def layer(self, layer, x, positions, kinds, attend, turn_values=None):
        """attend(q, k, v): [row][head][dim] -> the mixed values."""
        rows = len(x)
        a = model.norm(x, f"blk.{layer}.attn_norm.weight")
        q = self.linear(layer, "attn_q", a, kinds).view(rows, model.heads, model.head)
        k = self.linear(layer, "attn_k", a, kinds).view(rows, model.heads_kv, model.head)
        v = self.linear(layer, "attn_v", a, kinds).view(rows, model.heads_kv, model.head)
        q, k = model.rotate(q, positions), model.rotate(k, positions)
        if turn_values is not None:
            v = turn(v, turn_values)
        u = attend(layer, q, k, v).reshape(rows, -1)
        x = x + self.linear(layer, "attn_output", u, kinds)
        f = model.norm(x, f"blk.{layer}.ffn_norm.weight")
        gate = torch.nn.functional.silu(self.linear(layer, "ffn_gate", f, kinds))
        return x + self.linear(layer, "ffn_down", gate * self.linear(layer, "ffn_up", f, kinds),
                               kinds)


def turn(v, angles):
    """v [row][head][dim] as complex numbers of adjacent channels, times e^(i angle[row])."""
    pairs = torch.view_as_complex(v.reshape(*v.shape[:-1], -1, 2).contiguous())
    unit_circle = torch.polar(torch.ones_like(angles), angles)[:, None, None]
    return torch.view_as_real(pairs * unit_circle).flatten(-2)


def attention(q, k, v, mask):
    repeat = model.heads // model.heads_kv
    k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    scores = torch.einsum("qhd,khd->hqk", q, k) / model.head ** 0.5
    scores = scores.masked_fill(~mask, float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)


def run_main(adapter, tokens):
    """Entry states, final states, and per layer (keys, values)."""
    rows = len(tokens)
    x = EMBEDDING[torch.tensor(tokens)]
    causal = torch.ones(rows, rows, dtype=torch.bool).tril()
    kept, entry = {}, None

    def attend(layer, q, k, v):
        kept[layer] = (k, v)
        return attention(q, k, v, causal)

    for layer in range(model.layers):
        if layer == ENTRY:
            entry = x
        x = adapter.layer(layer, x, torch.arange(rows), [".lora_"], attend)
    return entry, x, kept


def run_anchor(adapter, tokens, position, entry, kept, count):
    """States of the streams of one anchor, before the output norm."""
    root = EMBEDDING[tokens[position + 1]]
    e = root / torch.sqrt(root.pow(2).mean() + model.epsilon)
    shared = entry + adapter.low_rank("stream_init", entry) + adapter.low_rank("root", e)
    s = shared[None].expand(count, D)
    if "specstream.stream_embd" in adapter.values:
        s = s + adapter.values["specstream.stream_embd"][:count]
    if "specstream.root.gain" in adapter.values:
        s = s + adapter.values["specstream.root.gain"][:count] * e
    positions = position + 1 + torch.arange(count)
    angles = None
    if adapter.rotation:
        angles = ROTATION_STEP * torch.arange(1, count + 1, dtype=torch.float64)
    seen = position + 1
    mask = torch.cat((torch.ones(count, seen, dtype=torch.bool),
                      torch.ones(count, count, dtype=torch.bool).tril()), 1)

    def attend(layer, q, k, v):
        keys, values = kept[layer]
        return attention(q, torch.cat((keys[:seen], k)), torch.cat((values[:seen], v)), mask)

    for layer in range(ENTRY, model.layers):
        s = adapter.layer(layer, s, positions, [".lora_", ".stream.lora_"], attend, angles)
    return s


def stream_losses(adapter, number, tokens, prompt, entry, kept, teacher_share):
    """Cross-entropy of each stream, summed over the anchors."""
    losses = [torch.zeros((), dtype=torch.float64) for _ in range(STREAMS)]
    draft_head = HEAD[torch.tensor(DRAFT)]
    for position in range(prompt - 1, len(tokens) - 1):
        count = min(STREAMS, len(tokens) - 2 - position)
        if count <= 0:
            continue
        s = run_anchor(adapter, tokens, position, entry[position], kept, count)
        parents = EMBEDDING[torch.tensor(tokens[position + 1:position + 1 + count])]
        states = model.norm(s, "output_norm.weight") + adapter.low_rank("parent", parents)
        log_p = (states @ draft_head.T).log_softmax(-1)
        for j in range(count):
            target = DRAFT_OF_TOKEN.get(tokens[position + 2 + j])
            if target is None:
                continue
            loss = -log_p[j, target]
            anchor = position - (prompt - 1) + 1 + j
            if teacher_share > 0 and anchor < len(tokens) - prompt:
                inside = [(DRAFT_OF_TOKEN[t], p) for t, p in teacher_of(number, anchor)
                          if t in DRAFT_OF_TOKEN]
                mass = sum(p for _, p in inside)
                soft = -sum(p / mass * log_p[j, i] for i, p in inside)
                loss = (1 - teacher_share) * loss + teacher_share * soft
            losses[j] = losses[j] + loss
    return losses


def main_loss(tokens, prompt, states):
    log_p = (model.norm(states[prompt - 1:], "output_norm.weight") @ HEAD.T).log_softmax(-1)
    targets = torch.tensor(tokens[prompt:])
    return -log_p.gather(1, targets[:, None]).sum()


def prune_loss(adapter, tokens, prompt, entry):
    states = entry[prompt - 1:]
    shifted = states + adapter.low_rank("prune", states)
    log_p = (model.norm(shifted, "output_norm.weight") @ HEAD[torch.tensor(DRAFT)].T).log_softmax(-1)
    loss = torch.zeros((), dtype=torch.float64)
    for row, token in enumerate(tokens[prompt:]):
        if token in DRAFT_OF_TOKEN:
            loss = loss - log_p[row, DRAFT_OF_TOKEN[token]]
    return loss


def is_main(name):
    return name.endswith((".weight.lora_a", ".weight.lora_b"))


def is_prune(name):
    return name.startswith("specstream.prune.")


CASES = { # name: (trained tensors, value_rotation, teacher's share)
    "streams": (lambda n: not is_main(n) and not is_prune(n), False, TEACHER_SHARE),
    "rotation": (lambda n: not is_main(n) and not is_prune(n) and n != "specstream.stream_embd",
                 True, 0.0),
    "main": (is_main, False, 0.0),
    "joint": (lambda n: not is_prune(n), False, 0.0),
    "prune": (is_prune, False, 0.0),
}


def run_case(case, values):
    """What is minimised, and the sums to be reported."""
    _, rotation, share = CASES[case]
    adapter = Adapter(values, rotation)
    total, sums = torch.zeros((), dtype=torch.float64), torch.zeros(STREAMS + 1, dtype=torch.float64)
    for number, (count, prompt) in enumerate(SEQUENCES):
        tokens = sequence_tokens(number, count)
        entry, states, kept = run_main(adapter, tokens[:-1])
        if case in ("main", "joint"):
            loss = main_loss(tokens, prompt, states)
            total = total + loss
            sums[0] += loss.detach()
        if case == "prune":
            loss = prune_loss(adapter, tokens, prompt, entry)
            total = total + loss
            sums[0] += loss.detach()
        if case in ("streams", "rotation", "joint"):
            losses = stream_losses(adapter, number, tokens, prompt, entry, kept, share)
            weights = JOINT_WEIGHTS if case == "joint" else STREAM_WEIGHTS
            for j, loss in enumerate(losses):
                total = total + weights[j] * loss
                sums[1 + j] += loss.detach()
    return total * GRADIENT_SCALE, sums


def trained_in(case, values):
    return {name: values[name].clone().requires_grad_(True)
            for name, _, _ in PARAMETERS if CASES[case][0](name)}


def flat(tensors):
    return torch.cat([tensors[name].detach().flatten() for name, _, _ in PARAMETERS
                      if name in tensors])


class AdamW:
    """Decoupled decay, moments' bias corrected, gradients clipped by their common norm."""

    def __init__(self, values, decays):
        self.values, self.decays, self.step = values, decays, 0
        self.first = {n: torch.zeros_like(v) for n, v in values.items()}
        self.second = {n: torch.zeros_like(v) for n, v in values.items()}

    def update(self, gradients):
        self.step += 1
        norm = sum(g.pow(2).sum() for g in gradients.values()).sqrt()
        factor = min(1.0, ADAM_LIMIT / norm)
        rate = (ADAM_PEAK * min(self.step / ADAM_WARMUP, 1)
                * (1 - (self.step - 1) / ADAM_STEPS))
        with torch.no_grad():
            for name, value in self.values.items():
                g = gradients[name] * factor
                first = self.first[name].mul_(0.9).add_(0.1 * g) / (1 - 0.9 ** self.step)
                second = (self.second[name].mul_(0.999).add_(0.001 * g * g)
                          / (1 - 0.999 ** self.step))
                if self.decays(name):
                    value.mul_(1 - rate * ADAM_DECAY)
                value.sub_(rate * first / (second.sqrt() + 1e-8))


def train_streams(values):
    """Five steps of the case `streams`: values after the last one."""
    trained = trained_in("streams", values)
    optimiser = AdamW(trained, lambda name: ".lora_" in name)
    for _ in range(ADAM_STEPS):
        loss, _ = run_case("streams", trained)
        gradients = dict(zip(trained, torch.autograd.grad(loss * 256, trained.values())))
        optimiser.update(gradients)
    return flat(trained)


def train_synthetic():
    """AdamW alone: gradients are unit(1000 (step + 1) + i), first doubled, then ever smaller; the
    first half of the values decays."""
    half = SYNTHETIC // 2
    values = torch.tensor([unit(i) for i in range(SYNTHETIC)], dtype=torch.float64)
    parts = {"decays": values[:half].clone(), "stays": values[half:].clone()}
    optimiser = AdamW(parts, lambda name: name == "decays")
    for step in range(ADAM_STEPS):
        g = torch.tensor([unit(1000 * (step + 1) + i) for i in range(SYNTHETIC)],
                         dtype=torch.float64) * 2.0 ** (1 - 3 * step)
        optimiser.update({"decays": g[:half], "stays": g[half:]})
    return torch.cat((parts["decays"], parts["stays"]))


def main():
    writer = gguf.GGUFWriter(sys.argv[2], "llama")
    values = first_values()

    def put(name, tensor):
        writer.add_tensor(name, tensor.detach().numpy().astype(np.float32))

    for case in CASES:
        trained = trained_in(case, values)
        loss, sums = run_case(case, trained)
        gradients = torch.autograd.grad(loss, trained.values())
        put(f"{case}.sums", sums)
        put(f"{case}.gradient", flat(dict(zip(trained, gradients))))
        print(case, [round(float(s), 4) for s in sums], file=sys.stderr)
    put("adamw.synthetic", train_synthetic())
    put("adamw.streams", train_streams(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
