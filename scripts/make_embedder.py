#!/usr/bin/env python3
"""Converts all-MiniLM-L6-v2 (safetensors, as its package brings it) to a GGUF for llama.cpp.

usage: scripts/make_embedder.py MODEL-DIRECTORY OUT.gguf     (PYTHONPATH: PyPI's gguf; NumPy)
"""
import json
import pathlib
import struct
import sys

import numpy
import gguf

LAYER = (("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"),
         ("attention.self.value", "attn_v"), ("attention.output.dense", "attn_output"),
         ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"),
         ("output.dense", "ffn_down"), ("output.LayerNorm", "layer_output_norm"))


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if entry.get("dtype") == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def tensor_names(layers):
    """Their name -> llama.cpp's."""
    names = {"embeddings.word_embeddings.weight": "token_embd.weight",
             "embeddings.position_embeddings.weight": "position_embd.weight",
             "embeddings.token_type_embeddings.weight": "token_types.weight"}
    for part in ("weight", "bias"):
        names[f"embeddings.LayerNorm.{part}"] = f"token_embd_norm.{part}"
        for layer in range(layers):
            for theirs, ours in LAYER:
                names[f"encoder.layer.{layer}.{theirs}.{part}"] = f"blk.{layer}.{ours}.{part}"
    return names


def add_tokenizer(writer, directory):
    words = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = words[:-1] if words[-1] == "" else words
    special = {name: words.index(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    tokens, kinds = [], []
    for word in words:
        if word in special:
            tokens.append(word)
        else:  # llama.cpp marks beginnings of words, WordPiece marks what continues one
            tokens.append(word[2:] if word.startswith("##") else "\u2581" + word)
        kinds.append(gguf.TokenType.CONTROL if word in special else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    writer.add_pad_token_id(special["[PAD]"])
    writer.add_unk_token_id(special["[UNK]"])
    writer.add_bos_token_id(special["[CLS]"])
    writer.add_eos_token_id(special["[SEP]"])
    writer.add_sep_token_id(special["[SEP]"])
    writer.add_mask_token_id(special["[MASK]"])


def main():
    directory, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    config = json.loads((directory / "config.json").read_text())
    tensors = read_safetensors(directory / "model.safetensors")
    writer = gguf.GGUFWriter(out, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    add_tokenizer(writer, directory)
    for theirs, ours in tensor_names(config["num_hidden_layers"]).items():
        tensor = tensors[theirs]
        matrix = ours.startswith("blk.") and tensor.ndim == 2 or ours == "token_embd.weight"
        writer.add_tensor(ours, tensor.astype("float16" if matrix else "float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
