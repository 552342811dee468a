"""Writes cart_pole.txt: episodes of CartPole-v1 as gymnasium plays them.

Run once with gymnasium 1.4.0 and numpy 2.4.6: python cart_pole.py > cart_pole.txt
"""

import struct

import gymnasium
import numpy

# Gains on position, velocity, angle and angular velocity; the action is 1 where the sum is positive.
POLICIES = {
    "random": None,
    "falls": (0.0, 0.0, 1.0, 0.0),
    "stands": (0.1, 0.4, 3.0, 1.0),
    "drifts": (-0.1, -0.1, 3.0, 0.1),
}


def bits(observation):
    return " ".join(struct.pack(">f", value).hex() for value in observation)


def play(name, seed):
    env = gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=seed)
    start = " ".join(struct.pack(">d", float(value)).hex() for value in env.unwrapped.state)
    draw = numpy.random.default_rng(seed)
    lines, over = [], False
    while not over:
        gains = POLICIES[name]
        action = int(draw.integers(2)) if gains is None else int(numpy.dot(gains, observation) > 0)
        observation, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        end = "terminated" if terminated else "truncated" if truncated else "goes-on"
        lines.append(f"{action} {bits(observation)} {reward:.1f} {end}")
    print(f"episode {name} {seed} {len(lines)} {start}")
    print("\n".join(lines))


for nth, name in enumerate(["random", "random", "random", "falls", "stands", "random", "drifts"]):
    play(name, nth + 1)
