"""Reads a checkpoint with safetensors' own library and computes its networks in double precision.

usage: weights.py CHECKPOINT ROWS, where ROWS is a JSON list of numbers, row after row
"""

import json
import sys

import numpy
from safetensors import safe_open

with safe_open(sys.argv[1], framework="numpy") as file:
    words = json.loads(file.metadata()["conclave"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}

rows = numpy.array(json.loads(sys.argv[2])).reshape(-1, words["shape"]["observation"])


def through(network):
    layers = len(words["shape"]["hidden"]) + 1
    x = rows
    for nth in range(1, layers + 1):
        weights, bias = tensors[f"{network}.w{nth}"], tensors[f"{network}.b{nth}"]
        x = x @ weights.astype(float) + bias.astype(float)
        x = numpy.tanh(x) if nth < layers else x
    return x.ravel().tolist()


print(json.dumps({"words": words, "logits": through("actor"), "values": through("critic")}))
