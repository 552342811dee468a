"""The trainer beside others on the same machine: stable-baselines3, and PPO as one JAX program.

Outside of CI, because torch and JAX are gigabytes. With them in a virtual environment
(pip install stable-baselines3 gymnasium jax), from the root of the repository:

    python benches/trainer_peers.py

Everybody learns CartPole-v1 in the settings that published figures are made with: 8 environments x 128
steps, 4 epochs, minibatches of 256, two networks of 2 x 64 tanh, Adam with a falling rate of 2.5e-4. A row
is the median of the runs; runs of different rows alternate, and both wall and processor time are counted.
All of them use one thread; on two cores ours are two trainers, and stable-baselines3 has two threads. JAX is compiled before it is timed; the rest of it is written after PureJaxRL:
environments, policy and update are one program.
"""

import argparse
import os
import re
import statistics
import subprocess
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

ENVS, STEPS, EPOCHS, BATCH, HIDDEN, RATE = 8, 128, 4, 256, 64, 2.5e-4


def timed(work):
    """Steps per second of wall and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    steps = work()
    return steps / (time.perf_counter() - wall), steps / (time.process_time() - processor)


def stable_baselines(total, threads=1):
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    def run():
        torch.set_num_threads(threads)
        env = make_vec_env("CartPole-v1", n_envs=ENVS, seed=1)
        model = PPO(
            "MlpPolicy", env, n_steps=STEPS, batch_size=BATCH, n_epochs=EPOCHS, gamma=0.99,
            gae_lambda=0.95, clip_range=0.2, ent_coef=0.01, vf_coef=0.5, max_grad_norm=0.5,
            learning_rate=lambda left: RATE * left, seed=1, device="cpu",
            policy_kwargs={"net_arch": {"pi": [HIDDEN, HIDDEN], "vf": [HIDDEN, HIDDEN]}},
        )
        return timed(lambda: model.learn(total_timesteps=total).num_timesteps)

    return run


def jax_program(total):
    import jax
    import jax.numpy as jnp

    updates = total // (ENVS * STEPS)

    def dense(key, inputs, outputs, gain):
        return jax.nn.initializers.orthogonal(gain)(key, (inputs, outputs)), jnp.zeros(outputs)

    def network(key, outputs, gain):
        keys = jax.random.split(key, 3)
        return [dense(keys[0], 4, HIDDEN, 2**0.5), dense(keys[1], HIDDEN, HIDDEN, 2**0.5),
                dense(keys[2], HIDDEN, outputs, gain)]

    def through(layers, x):
        for weights, bias in layers[:-1]:
            x = jnp.tanh(x @ weights + bias)
        return x @ layers[-1][0] + layers[-1][1]

    def fresh(key):
        return jax.random.uniform(key, (ENVS, 4), minval=-0.05, maxval=0.05)

    def step(state, taken, action, key):
        x, speed, angle, turn = state.T
        force = jnp.where(action == 1, 10.0, -10.0)
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        push = (force + 0.05 * turn**2 * sine) / 1.1
        turning = (9.8 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
        speeding = push - 0.05 * turning * cosine / 1.1
        moved = jnp.stack([x + 0.02 * speed, speed + 0.02 * speeding,
                           angle + 0.02 * turn, turn + 0.02 * turning], 1)
        taken = taken + 1
        fell = (jnp.abs(moved[:, 0]) > 2.4) | (jnp.abs(moved[:, 2]) > 12 * 2 * jnp.pi / 360)
        over = fell | (taken >= 500)
        return jnp.where(over[:, None], fresh(key), moved), jnp.where(over, 0, taken), over

    def loss(nets, batch):
        seen, action, old, value, gain, aim = batch
        logs = jax.nn.log_softmax(through(nets[0], seen))
        log = jnp.take_along_axis(logs, action[:, None], 1)[:, 0]
        ratio = jnp.exp(log - old)
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        policy = -jnp.minimum(ratio * gain, jnp.clip(ratio, 0.8, 1.2) * gain).mean()
        entropy = -(jnp.exp(logs) * logs).sum(1).mean()
        error = jnp.square(through(nets[1], seen)[:, 0] - aim).mean()
        return policy - 0.01 * entropy + 0.5 * 0.5 * error

    def adam(nets, moments, gradient, rate, count):
        norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
        gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, 0.5 / (norm + 1e-6)), gradient)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradient)
        first, second = 1 - 0.9**count, 1 - 0.999**count
        nets = jax.tree.map(
            lambda p, m, v: p - rate * (m / first) / (jnp.sqrt(v / second) + 1e-5), nets, m, v)
        return nets, (m, v)

    def iteration(carry, nth):
        nets, moments, count, state, taken, key = carry

        def act(carry, _):
            state, taken, key = carry
            key, one, other = jax.random.split(key, 3)
            logits, value = through(nets[0], state), through(nets[1], state)[:, 0]
            action = jax.random.categorical(one, logits)
            log = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
            after, taken, over = step(state, taken, action, other)
            return (after, taken, key), (state, action, log, value, over)

        (state, taken, key), (seen, action, log, value, over) = jax.lax.scan(
            act, (state, taken, key), None, STEPS)

        def back(carry, row):
            gain, later = carry
            value, over = row
            gain = 1.0 + 0.99 * later * (1 - over) - value + 0.99 * 0.95 * (1 - over) * gain
            return (gain, value), gain

        last = through(nets[1], state)[:, 0]
        _, gain = jax.lax.scan(back, (jnp.zeros(ENVS), last), (value, over.astype(float)),
                               reverse=True)
        flat = [part.reshape((ENVS * STEPS,) + part.shape[2:])
                for part in (seen, action, log, value, gain, gain + value)]
        rate = RATE * (1 - nth / updates)

        def epoch(carry, _):
            nets, moments, count, key = carry
            key, one = jax.random.split(key)
            order = jax.random.permutation(one, ENVS * STEPS)
            parts = [part[order].reshape((-1, BATCH) + part.shape[1:]) for part in flat]

            def minibatch(carry, batch):
                nets, moments, count = carry
                nets, moments = adam(nets, moments, jax.grad(loss)(nets, batch), rate, count + 1)
                return (nets, moments, count + 1), None

            (nets, moments, count), _ = jax.lax.scan(minibatch, (nets, moments, count), parts)
            return (nets, moments, count, key), None

        (nets, moments, count, key), _ = jax.lax.scan(
            epoch, (nets, moments, count, key), None, EPOCHS)
        return (nets, moments, count, state, taken, key), taken.mean()

    def learn(key):
        keys = jax.random.split(key, 4)
        nets = (network(keys[0], 2, 0.01), network(keys[1], 1, 1.0))
        zeros = jax.tree.map(jnp.zeros_like, nets)
        carry = (nets, (zeros, zeros), 0, fresh(keys[2]), jnp.zeros(ENVS), keys[3])
        return jax.lax.scan(iteration, carry, jnp.arange(updates))

    program = jax.jit(learn).lower(jax.random.key(1)).compile()

    def work():
        jax.block_until_ready(program(jax.random.key(1)))
        return updates * ENVS * STEPS

    return lambda: timed(work)


def ours(command):
    """Wall and processor rate of one trainer and of two, as the bench prints them."""
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [r"one trainer +(\d+) /s +(\d+) /s", r"two threads +(\d+) /s +(\d+) /s"]
    return [tuple(map(float, re.search(line, text).groups())) for line in lines]


def tell(results, ours):
    base = [statistics.median(column) for column in zip(*results[ours])]
    print(f"{'':<32}{'wall /s':>12}{'processor /s':>14}{'ours: wall':>12}{'processor':>11}")
    for name, pairs in results.items():
        wall, processor = (statistics.median(column) for column in zip(*pairs))
        ratios = f"{base[0] / wall:>11.1f}x{base[1] / processor:>10.1f}x"
        print(f"{name:<32}{wall:>12.0f}{processor:>14.0f}{ratios}")


def main():
    arguments = argparse.ArgumentParser(description="trainers on one machine")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--bench", nargs="+", default="cargo bench -q --bench trainer".split(),
                           help="the bench, where it is built already")
    given = arguments.parse_args()
    one, two = {"ours": []}, {"ours, two trainers": []}
    peers = [
        (one, "stable-baselines3", lambda: stable_baselines(40_960)),
        (one, "JAX, one program", lambda: jax_program(512_000)),
        (two, "stable-baselines3, two threads", lambda: stable_baselines(40_960, 2)),
    ]
    rows = []
    for results, name, make in peers:
        try:
            rows.append((results.setdefault(name, []), make()))
        except ImportError as missing:
            del results[name]
            print(f"{name}: skipped, {missing}")
    print(f"load {os.getloadavg()[0]:.1f} at the start, {os.cpu_count()} processors")
    for _ in range(given.runs):
        for results, pair in zip((one["ours"], two["ours, two trainers"]), ours(given.bench)):
            results.append(pair)
        for results, run in rows:
            results.append(run())
    print("one core")
    tell(one, "ours")
    print("two cores")
    tell(two, "ours, two trainers")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
