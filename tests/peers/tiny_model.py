"""Writes a language model of a megabyte with random weights, for llama.cpp to infer with.

It knows bytes and the words that it finds in a text, and nothing else: what it says is noise that a
grammar holds to a schema. Learning the words of our own prompts makes these a quarter as long for it. One
channel of its state is the same for every token; through it the last layer is told that only printable
characters and the end of a text are ever likely, so that its noise stays short text.

usage: tiny_model.py FILE < TEXT
"""
import collections
import re
import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 32_768
PAIRS = 1_200
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


def frequent_pairs(text, most):
    """The pairs that the words of a text are made of, most frequent first, each of two earlier ones."""
    # The way in which GPT-2's tokenizer cuts a text, for plain ASCII.
    cut = re.findall(r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", text)
    byte = visible_bytes()
    counts = collections.Counter(tuple(byte[ord(char)] for char in word) for word in cut)
    pairs = []
    for _ in range(most):
        found = collections.Counter()
        for word, count in counts.items():
            for pair in zip(word, word[1:]):
                found[pair] += count
        if not found:
            break
        # Ties go by the text, so that the same words make the same model.
        best = min(found, key=lambda pair: (-found[pair], pair))
        pairs.append(best)
        joined = collections.Counter()
        for word, count in counts.items():
            joined[with_pair(word, best)] += count
        counts = joined
    return pairs


def with_pair(word, pair):
    if pair[0] not in word:
        return word
    parts, index = [], 0
    while index < len(word):
        if word[index : index + 2] == pair:
            parts.append(pair[0] + pair[1])
            index += 2
        else:
            parts.append(word[index])
            index += 1
    return tuple(parts)


pairs = frequent_pairs("".join(filter(str.isascii, sys.stdin.read())), PAIRS)
words = visible_bytes() + ["<|begin|>", "<|end|>", "<|turn|>", "<|over|>"]
begin, end = 256, 257
# Two ways to the same word are one word.
words += dict.fromkeys(left + right for left, right in pairs)

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
writer.add_token_types([normal] * 256 + [control] * 4 + [normal] * (len(words) - 260))
writer.add_token_merges([f"{left} {right}" for left, right in pairs])
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
blank = visible_bytes()[0x20]
for token, word in enumerate(words):
    is_learnt = token >= 260 and all(char == blank or 0x20 < ord(char) < 0x7F for char in word)
    is_text = 0x20 < token < 0x7F or token == end or (is_learnt and word.strip(blank))
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
