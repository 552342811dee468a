"""Writes a language model of half a megabyte with random weights, for llama.cpp to infer with.

It knows bytes and a handful of pairs, and nothing else: what it says is noise that a grammar holds to a
schema. One channel of its state is the same for every token; through it the last layer is told that only
printable characters and the end of a text are ever likely, so that its noise stays short text.

usage: tiny_model.py FILE
"""
import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 32_768
PAIRS = ["t h", "i n", "e r", "a n", "r e", "o n"]
dice = numpy.random.default_rng(20_261_120)


def visible_bytes():
    """GPT-2's way of writing every byte as one visible character."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(spare)) for byte in range(256)]


def noise(rows, columns, size):
    return (dice.standard_normal((rows, columns)) * size).astype(numpy.float32)


def silent_on_first(matrix):
    """What a block adds to the state leaves the constant channel alone."""
    matrix[0, :] = 0.0
    return matrix


words = visible_bytes() + ["<|begin|>", "<|end|>", "<|turn|>", "<|over|>"]
begin, end = 256, 257
words += [pair.replace(" ", "") for pair in PAIRS]

writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_name("noise")
writer.add_context_length(CONTEXT)
writer.add_embedding_length(WIDTH)
writer.add_block_count(LAYERS)
writer.add_feed_forward_length(INNER)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_rope_dimension_count(WIDTH // HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(len(words))
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("gpt-2")
writer.add_token_list(words)
normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
writer.add_token_types([normal] * 256 + [control] * 4 + [normal] * len(PAIRS))
writer.add_token_merges(PAIRS)
writer.add_bos_token_id(begin)
writer.add_eos_token_id(end)
writer.add_add_bos_token(False)
writer.add_chat_template(
    "{%- for message in messages -%}<|turn|>{{ message['role'] }}: {{ message['content'] }}<|over|>"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|turn|>assistant: {%- endif -%}"
)

states = noise(len(words), WIDTH, 1.0)
states[:, 0] = 4.0
likely = noise(len(words), WIDTH, 0.12)
for token in range(len(words)):
    is_text = 0x20 < token < 0x7F or token == end or token >= 260
    likely[token, 0] = 0.0 if is_text else (-1.0 if token == 0x20 else -30.0)
tensors = {
    "token_embd": states,
    "output_norm": numpy.ones(WIDTH, numpy.float32),
    "output": likely,
}
for layer in range(LAYERS):
    block = f"blk.{layer}."
    for norm in ("attn_norm", "ffn_norm"):
        tensors[block + norm] = numpy.ones(WIDTH, numpy.float32)
    for part in ("attn_q", "attn_k", "attn_v"):
        tensors[block + part] = noise(WIDTH, WIDTH, 0.08)
    tensors[block + "attn_output"] = silent_on_first(noise(WIDTH, WIDTH, 0.08))
    for part in ("ffn_gate", "ffn_up"):
        tensors[block + part] = noise(INNER, WIDTH, 0.08)
    tensors[block + "ffn_down"] = silent_on_first(noise(WIDTH, INNER, 0.08))
for name, values in tensors.items():
    writer.add_tensor(name + ".weight", values)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
