"""Serves a model file with llama.cpp on loopback, with a key; prints its address.

usage: llama.py FILE KEY
"""
import sys
import threading

import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path = sys.argv[1]
settings.model_alias = ["noise"]
settings.api_keys = [sys.argv[2]]
settings.hostnames = ["127.0.0.1"]
settings.port = 0
settings.n_ctx = 65_536
# Threads of so small a model would mostly wait for each other, the more so on a busy machine.
settings.cpuparams.n_threads = 1
settings.cpuparams_batch.n_threads = 1
settings.n_parallel = 4
settings.n_predict = 2_000
settings.use_jinja = True
settings.warmup = False
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
threading.Event().wait()
