"""Writes a GGUF model of random weights in the shape of Llama-3.1-8B: for speed, not for sense.

    python3 bench/gpu_model.py VOCABULARY.gguf OUT.gguf [--layers 32] [--small]

The tokenizer is that of another GGUF model (the default model will do), filled up with unused tokens
to 128,256. Weights repeat one block of normally distributed F16 values.
"""
import argparse
import random
import struct

ALIGNMENT = 32
U32, F32, STRING, ARRAY = 4, 6, 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
TYPE_F32, TYPE_F16 = 0, 1
UNUSED = 5  # a token's type


class Reader:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read(64 << 20)  # the fields stand in front
        self.at = 0

    def number(self, form):
        size = struct.calcsize("<" + form)
        value = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += size
        return value

    def text(self):
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size:self.at]

    def skip(self, kind):
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in SIZES:
                self.at += SIZES[inner] * count
            else:
                for _ in range(count):
                    self.skip(inner)
        else:
            self.at += SIZES[kind]


def tokenizer_fields(path):
    """(key, type, raw value) of the tokenizer.* fields."""
    reader = Reader(path)
    if reader.data[:4] != b"GGUF":
        raise SystemExit(f"{path} is not a GGUF file")
    reader.at = 8
    reader.number("Q")
    fields = []
    for _ in range(reader.number("Q")):
        key, kind = reader.text().decode(), reader.number("I")
        begin = reader.at
        reader.skip(kind)
        if key.startswith("tokenizer."):
            fields.append((key, kind, reader.data[begin:reader.at]))
    return fields


def string(text):
    return struct.pack("<Q", len(text)) + text


def filled_up(fields, tokens):
    """The fields with `tokens` tokens."""
    result = []
    for key, kind, raw in fields:
        if key in ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
            inner, count = struct.unpack_from("<IQ", raw)
            more = b"".join(string(b"<unused%d>" % i) if inner == STRING
                            else struct.pack("<f", 0) if inner == F32 else struct.pack("<i", UNUSED)
                            for i in range(count, tokens))
            raw = struct.pack("<IQ", inner, max(tokens, count)) + raw[12:] + more
        result.append((key, kind, raw))
    return result


def shape(small, layers):
    if small:
        return dict(embd=256, layers=layers, ff=512, heads=8, kv=2, head=32, tokens=0)
    return dict(embd=4096, layers=layers, ff=14336, heads=32, kv=8, head=128, tokens=128256)


def tensors(s, tokens):
    """(name, dimensions with the row length first, type)."""
    embd, kv = s["embd"], s["kv"] * s["head"]
    yield "token_embd.weight", (embd, tokens), TYPE_F16
    for i in range(s["layers"]):
        for name, dims in (("attn_norm", (embd,)), ("attn_q", (embd, s["heads"] * s["head"])),
                           ("attn_k", (embd, kv)), ("attn_v", (embd, kv)),
                           ("attn_output", (s["heads"] * s["head"], embd)), ("ffn_norm", (embd,)),
                           ("ffn_gate", (embd, s["ff"])), ("ffn_up", (embd, s["ff"])),
                           ("ffn_down", (s["ff"], embd))):
            yield f"blk.{i}.{name}.weight", dims, TYPE_F32 if len(dims) == 1 else TYPE_F16
    yield "output_norm.weight", (embd,), TYPE_F32
    yield "output.weight", (embd, tokens), TYPE_F16


def model_fields(s):
    numbers = {"context_length": 131072, "embedding_length": s["embd"], "block_count": s["layers"],
               "feed_forward_length": s["ff"], "attention.head_count": s["heads"],
               "attention.head_count_kv": s["kv"], "rope.dimension_count": s["head"],
               "vocab_size": s["tokens"]}
    yield "general.architecture", STRING, string(b"llama")
    yield "general.name", STRING, string(b"random weights, Llama-3.1-8B shape")
    for key, value in numbers.items():
        yield "llama." + key, U32, struct.pack("<I", value)
    yield "llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)
    yield "llama.rope.freq_base", F32, struct.pack("<f", 500000)
    yield "general.alignment", U32, struct.pack("<I", ALIGNMENT)


def size_of(dims, kind):
    count = 1
    for n in dims:
        count *= n
    return count * (4 if kind == TYPE_F32 else 2)


def random_block():
    rng = random.Random(1)
    values = [rng.gauss(0, 0.02) for _ in range((1 << 20) + 7)]  # odd: rows differ
    return struct.pack(f"<{len(values)}e", *values) * 32


def write(path, fields, infos):
    fields = list(fields)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(fields))
    for key, kind, raw in fields:
        head += string(key.encode()) + struct.pack("<I", kind) + raw
    offset = 0
    for name, dims, kind in infos:
        head += string(name.encode()) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        head += struct.pack("<IQ", kind, offset)
        offset += -(-size_of(dims, kind) // ALIGNMENT) * ALIGNMENT
    block = memoryview(random_block())
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % ALIGNMENT))
        for _, dims, kind in infos:
            size = size_of(dims, kind)
            if kind == TYPE_F32:
                file.write(struct.pack("<f", 1) * (size // 4))
            for begin in range(0, size if kind == TYPE_F16 else 0, len(block)):
                file.write(block[:min(len(block), size - begin)])
            file.write(b"\0" * (-size % ALIGNMENT))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary")
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--small", action="store_true", help="a tiny model, to try this out")
    options = parser.parse_args()
    s = shape(options.small, options.layers)
    fields = tokenizer_fields(options.vocabulary)
    counts = [struct.unpack_from("<IQ", raw)[1] for key, _, raw in fields
              if key == "tokenizer.ggml.tokens"]
    s["tokens"] = max(s["tokens"], counts[0])
    infos = list(tensors(s, s["tokens"]))
    write(options.out, list(model_fields(s)) + filled_up(fields, s["tokens"]), infos)


if __name__ == "__main__":
    main()
