"""The peers of our Bayesian optimiser on the same functions, with their defaults.

Writes results.json beside this file, which bench/optim.ts prints next to its
own figures. Every figure is measured on one core. Runs already in results.json
are not repeated.

    pip install -r bench/peers/optim/requirements.txt
    python3 bench/peers/optim/run.py --seeds 10
    python3 bench/peers/optim/run.py --peers botorch --functions branin
    python3 bench/peers/optim/run.py --timings
"""

import argparse
import json
import os
import time
import warnings
from importlib.metadata import version
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import optuna
import skopt
import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf
from gpytorch.mlls import ExactMarginalLogLikelihood
from optuna.distributions import FloatDistribution

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

RESULTS = Path(__file__).with_name("results.json")
STARTING_POINTS = 10
# (observations, dimensions) at which a suggestion is timed.
TIMED_SIZES = [(30, 2), (100, 6), (300, 6)]
TIMED_REPEATS = 3

# The functions, to be minimised, as everyone writes them.


def branin(x):
    a, b = x
    c = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return c**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10


HARTMANN_ALPHA = np.array([1, 1.2, 3, 3.2])
HARTMANN_A = np.array([
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
])
HARTMANN_P = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
])


def hartmann6(x):
    squares = (HARTMANN_A * (np.asarray(x) - HARTMANN_P) ** 2).sum(axis=1)
    return -(HARTMANN_ALPHA * np.exp(-squares)).sum()


def ackley5(x):
    x = np.asarray(x)
    bowl = -20 * np.exp(-0.2 * np.sqrt((x**2).mean()))
    return bowl - np.exp(np.cos(2 * np.pi * x).mean()) + 20 + np.e


def rosenbrock4(x):
    x = np.asarray(x)
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


# name: (function, bounds, least value, evaluations)
FUNCTIONS = {
    "branin": (branin, [(-5, 10), (0, 15)], 0.39788735772973816, 40),
    "hartmann6": (hartmann6, [(0, 1)] * 6, -3.322368011415515, 60),
    "ackley5": (ackley5, [(-32.768, 32.768)] * 5, 0, 60),
    "rosenbrock4": (rosenbrock4, [(-5, 10)] * 4, 0, 60),
}

# One step of each peer: told values at points of the box, it suggests a point.


def botorch_suggest(points, values, bounds):
    low, high = np.array(bounds, dtype=float).T
    x = torch.tensor((np.array(points) - low) / (high - low))
    y = -torch.tensor(values).unsqueeze(-1)
    model = SingleTaskGP(x, y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    cube = torch.stack([torch.zeros(len(bounds)), torch.ones(len(bounds))])
    best, _ = optimize_acqf(
        LogExpectedImprovement(model, best_f=y.max()),
        bounds=cube, q=1, num_restarts=10, raw_samples=512,
    )
    return low + best[0].numpy() * (high - low)


def run_botorch(f, bounds, evaluations, seed):
    torch.manual_seed(seed)
    low, high = np.array(bounds, dtype=float).T
    start = torch.quasirandom.SobolEngine(len(bounds), scramble=True, seed=seed)
    points = list(low + start.draw(STARTING_POINTS).numpy() * (high - low))
    values = [f(x) for x in points]
    while len(values) < evaluations:
        points.append(botorch_suggest(points, values, bounds))
        values.append(f(points[-1]))
    return values


def optuna_study(sampler, bounds):
    study = optuna.create_study(sampler=sampler)
    names = {f"x{i}": FloatDistribution(*b) for i, b in enumerate(bounds)}
    return study, names


def run_optuna(f, bounds, evaluations, sampler):
    study, names = optuna_study(sampler, bounds)
    values = []
    while len(values) < evaluations:
        trial = study.ask(names)
        values.append(f([trial.params[name] for name in names]))
        study.tell(trial, values[-1])
    return values


def run_optuna_gp(f, bounds, evaluations, seed):
    sampler = optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=STARTING_POINTS)
    return run_optuna(f, bounds, evaluations, sampler)


def run_optuna_tpe(f, bounds, evaluations, seed):
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=STARTING_POINTS)
    return run_optuna(f, bounds, evaluations, sampler)


def run_skopt(f, bounds, evaluations, seed):
    bounds = [tuple(map(float, b)) for b in bounds]
    optimizer = skopt.Optimizer(
        bounds, n_initial_points=STARTING_POINTS, random_state=seed)
    values = []
    while len(values) < evaluations:
        x = optimizer.ask()
        values.append(float(f(x)))
        optimizer.tell(x, values[-1])
    return values


PEERS = {
    "optuna-gp": run_optuna_gp,
    "optuna-tpe": run_optuna_tpe,
    "scikit-optimize": run_skopt,
    "botorch": run_botorch,
}

# One suggestion in the middle of a run, which is timed. What a peer keeps from
# one suggestion to the next it has from one before.


def time_botorch(f, points, values, bounds):
    begin = time.perf_counter()
    botorch_suggest(points, values, bounds)
    return time.perf_counter() - begin


def time_optuna_gp(f, points, values, bounds):
    sampler = optuna.samplers.GPSampler(seed=0)
    study, names = optuna_study(sampler, bounds)
    for x, value in zip(points[:-1], values[:-1]):
        study.add_trial(optuna.trial.create_trial(
            params=dict(zip(names, map(float, x))),
            distributions=names, value=float(value)))
    trial = study.ask(names)
    study.tell(trial, f([trial.params[name] for name in names]))
    begin = time.perf_counter()
    study.ask(names)
    return time.perf_counter() - begin


def time_skopt(f, points, values, bounds):
    optimizer = skopt.Optimizer(
        [tuple(map(float, b)) for b in bounds], random_state=0)
    points = [list(map(float, x)) for x in points]
    optimizer.tell(points[:-1], values[:-1], fit=False)
    begin = time.perf_counter()
    optimizer.tell(points[-1], values[-1])
    optimizer.ask()
    return time.perf_counter() - begin


TIMERS = {
    "optuna-gp": time_optuna_gp,
    "scikit-optimize": time_skopt,
    "botorch": time_botorch,
}


def measure_seconds(peer, observations, dimensions):
    """Median seconds for a suggestion after random points of a test function."""
    f, bounds, _, _ = FUNCTIONS["branin" if dimensions == 2 else "hartmann6"]
    low, high = np.array(bounds, dtype=float).T
    seconds = []
    for repeat in range(TIMED_REPEATS + 1):
        rng = np.random.default_rng(repeat)
        points = low + rng.random((observations, dimensions)) * (high - low)
        values = [float(f(x)) for x in points]
        seconds.append(TIMERS[peer](f, points, values, bounds))
    return float(np.median(seconds[1:]))  # the first one warms up


def load():
    if RESULTS.exists():
        return json.loads(RESULTS.read_text())
    return {"versions": {}, "regrets": {}, "seconds": {}}


def save(results):
    packages = ["botorch", "gpytorch", "optuna", "scikit-optimize", "torch"]
    results["versions"] = {name: version(name) for name in packages}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    parser.add_argument("--timings", action="store_true")
    args = parser.parse_args()
    peers = args.peers.split(",")
    if args.timings:
        for peer in (name for name in peers if name in TIMERS):
            for n, d in TIMED_SIZES:
                seconds = measure_seconds(peer, n, d)
                print(f"{peer} n={n} d={d}: {seconds:.3f} s", flush=True)
                results = load()
                results["seconds"].setdefault(peer, {})[f"{n}x{d}"] = seconds
                save(results)
        return
    for peer in peers:
        for name in args.functions.split(","):
            f, bounds, least, evaluations = FUNCTIONS[name]
            for seed in range(args.seeds):
                if seed < len(load()["regrets"].get(peer, {}).get(name, [])):
                    continue
                begin = time.perf_counter()
                values = PEERS[peer](f, bounds, evaluations, seed)
                regret = float(min(values)) - least
                print(f"{peer} {name} seed {seed}: {regret:.4g},"
                      f" {time.perf_counter() - begin:.1f} s", flush=True)
                results = load()
                of_peer = results["regrets"].setdefault(peer, {})
                of_peer.setdefault(name, []).append(float(f"{regret:.6g}"))
                save(results)


if __name__ == "__main__":
    main()
