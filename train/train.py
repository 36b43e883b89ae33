"""Trains the embedded model: one run, a fixed number of steps, no intervention.

Stage 0, the encoder alone: every patch predicts what is painted on it (colour,
shape, size, digit, object centre) and its own row and column. So the
decoder starts on features that are already worth asking about.

Stage 1, everything: 16 images with 17 questions each per step, cross-entropy of
the answer plus the patch losses. The first steps use scenes of at most three
shapes. Vision tokens are dropped, see reductions.py: that is what makes the
model fit to be reduced later.

Stage 2, the same with other numbers, FINISH: most batches lose vision tokens in
the decoder, and counting, which is all that is still learnt, weighs more.

A killed run resumes: run the same line again. Batches depend on (seed, stage,
step) only, so it sees the same data as an uninterrupted one.

Run:      python train/train.py [--device cuda]
Seed:     0 (--seed); the published weights are of seed 1
Length:   1 (--length, for a rougher model in less time)
Others:   --set NAME=VALUE changes the recipe (in all stages) or the shape, for
          experiments
Versions: Python 3.11, torch 2.15.0, numpy 2.4.6
"""

import argparse
import ctypes
import json
import math
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

# Idle threads sleep instead of spinning; must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from batches import Split, batch_of
from config import Config
from evaluate import report
from model import Model
from muon import Muon
from patch_heads import PatchHeads
from reductions import draw_blind, draw_input, draw_schedule

# Kinds that are learned last weigh more; kinds not named here weigh 1.
KIND_WEIGHTS = dict(above=2.5, below=2.5, read=2.0, where=1.5)
KIND_WEIGHTS |= dict(exist=0.7, color=0.7, shape=0.7)
FINISH_WEIGHTS = dict(count_color=2.0, count_shape=2.0, count_all=2.0)


@dataclass(frozen=True)
class Recipe:
    seed: int = 0
    learning_rate: float = 3e-3
    final_rate: float = 0.03  # of the learning rate, at the end of the cosine
    warmup: int = 150  # steps
    weight_decay: float = 0.05
    clip: float = 1.0  # norm of the gradient of all parameters
    encoder_steps: int = 1200
    encoder_batch: int = 32  # images
    steps: int = 3800
    easy_steps: int = 240  # the first of `steps`
    batch: int = 16  # images
    encoder_scale: float = 0.4  # on the encoder's learning rate in stage 1
    patch_weight: float = 0.3  # of the patch losses in stage 1
    position_weight: float = 0.1  # of the row and column losses, both stages
    input_reduction: float = 0.6  # share of batches reduced before layer 0
    blind: float = 0.4  # share whose questions are blind in the first layers
    schedules: float = 0.5  # share reduced in the decoder, later on
    schedules_start: float = 0.3  # of the steps
    latest_cut: int = 6  # the last layer at which their schedules may begin
    evaluate_every: int = 250  # steps
    save_every: int = 125  # steps


# What stage 2 does otherwise than stage 1.
FINISH = dict(learning_rate=1e-3, warmup=60, steps=900, easy_steps=0)
FINISH |= dict(input_reduction=0.3, blind=0.2)
FINISH |= dict(schedules=0.75, schedules_start=0.0, latest_cut=4)


def overridden(base, settings: dict[str, str]):
    """A recipe or a shape with some of its numbers replaced."""
    known = {name: type(value) for name, value in asdict(base).items()}
    mine = {name: known[name](v) for name, v in settings.items() if name in known}
    return replace(base, **mine)


def shortened(recipe: Recipe, length: float) -> Recipe:
    """The recipe with so much of each of its step counts."""
    names = ("warmup", "encoder_steps", "steps", "easy_steps")
    steps = {name: round(length * getattr(recipe, name)) for name in names}
    return replace(recipe, **steps)


def make_optimisers(model: Model, heads: PatchHeads, recipe: Recipe, scale: float):
    """Muon for hidden matrices, AdamW for the rest; `scale` is the encoder's."""
    groups: dict[tuple[str, bool], list] = {}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        hidden = p.dim() == 2 and (".layers." in name or "projector" in name)
        kind = "muon" if hidden else "decayed" if p.dim() > 1 else "free"
        groups.setdefault((kind, name.startswith("vision_tower")), []).append(p)

    def group(kind: str, encoder: bool) -> dict:
        decay = 0.0 if kind == "free" else recipe.weight_decay
        factor = scale if encoder else 1.0
        params = groups.get((kind, encoder), [])
        return dict(params=params, scale=factor, weight_decay=decay)

    rate = recipe.learning_rate
    muon = Muon(
        [group("muon", False), group("muon", True)],
        lr=rate,
        momentum=0.95,
        weight_decay=recipe.weight_decay,
    )
    rest = [group(k, e) for k in ("decayed", "free") for e in (False, True)]
    rest.append(dict(params=list(heads.parameters()), scale=1.0, weight_decay=0.0))
    adamw = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), fused=True)
    return [muon, adamw]


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to `final_rate`."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    decay = recipe.final_rate + (1 - recipe.final_rate) * cosine
    return recipe.learning_rate * min(1, (step + 1) / max(1, recipe.warmup)) * decay


class Trainer:
    def __init__(self, recipe: Recipe, options: argparse.Namespace):
        data, device = options.data, torch.device(options.device)
        own = {name: v for name, v in FINISH.items() if name not in options.set}
        finish = shortened(replace(recipe, **own), options.length)
        recipe = shortened(recipe, options.length)
        self.recipes = (recipe, recipe, finish)  # one for each stage
        self.device, self.data = device, data
        self.checkpoint = options.checkpoint or data / "checkpoint.pt"
        meta = json.loads((data / "meta.json").read_text())
        self.kinds, self.vocabulary = meta["kinds"], meta["vocabulary"]
        self.kind_weights = {
            stage: torch.tensor([of.get(k, 1.0) for k in self.kinds], device=device)
            for stage, of in {1: KIND_WEIGHTS, 2: FINISH_WEIGHTS}.items()
        }
        self.train, self.easy, self.validation = (
            Split(data / name, device) for name in ("train", "easy", "validation")
        )
        torch.manual_seed(recipe.seed)
        config = Config(vocabulary=len(self.vocabulary))
        self.config = overridden(config, options.set)
        self.model = Model(self.config).to(device)
        self.heads = PatchHeads(self.config).to(device)
        self.seconds = 0.0  # of training so far, over all resumed pieces

    def encoder_loss(self, step: int) -> Tensor:
        r = self.recipes[0]
        rows, _ = batch_of(step, r.encoder_batch, len(self.train), r.seed)
        features = self.model.features(self.train.get("images", rows))
        labels = self.train.get("patches", rows).long()
        content, position = self.heads.losses(features, labels)
        if (step + 1) % 100 == 0:
            found = self.heads.accuracies(features.detach(), labels)
            found = " ".join(f"{name} {a:.3f}" for name, a in found.items())
            self.log(0, step, f"loss {content.item():.3f} {position.item():.3f} {found}")
        return content + r.position_weight * position

    def joint_loss(self, stage: int, step: int) -> Tensor:
        r = self.recipes[stage]
        easy = step < r.easy_steps
        split = self.easy if easy else self.train
        rows, epoch = batch_of(step, r.batch, len(split), r.seed + stage)
        rng = np.random.default_rng([r.seed, 1 + stage, step])

        labels = split.get("patches", rows).long()
        questions, answers, kinds = split.questions(rows, half=epoch % 2)
        features = self.model.features(split.get("images", rows))
        kept, schedule, blind = None, None, draw_blind(r.blind, rng)
        entering = features.shape[1]
        if rng.random() < r.input_reduction:
            kept = draw_input(labels, rng)
            entering = kept.shape[1]
        if step >= r.schedules_start * r.steps and rng.random() < r.schedules:
            layers = self.config.layers
            schedule = draw_schedule(entering, layers, blind, r.latest_cut, rng)
        logits = self.model(features, questions, kept, schedule, blind=blind)

        weights = self.kind_weights[stage][kinds].flatten()
        each = F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none")
        answer = (each * weights).sum() / weights.sum()
        content, position = self.heads.losses(features, labels)
        if (step + 1) % 50 == 0:
            right = (logits.argmax(-1) == answers).float().mean().item()
            self.log(
                stage,
                step,
                f"loss {answer.item():.3f} {content.item():.3f} {position.item():.3f} "
                f"batch {100 * right:.1f} of {entering} from {blind} {schedule or ''}",
            )
        return answer + r.patch_weight * content + r.position_weight * position

    def log(self, stage: int, step: int, text: str) -> None:
        minutes = (self.seconds + time.time() - self.started) / 60
        print(f"stage {stage} step {step + 1} {minutes:.1f} min {text}", flush=True)

    def run_stage(self, stage: int, first: int, state) -> None:
        r = self.recipes[stage]
        steps = r.steps if stage else r.encoder_steps
        scale = 1.0 if stage == 0 else r.encoder_scale
        optimisers = make_optimisers(self.model, self.heads, r, scale)
        for optimiser, saved in zip(optimisers, state or []):
            optimiser.load_state_dict(saved)
        parameters = [*self.model.parameters(), *self.heads.parameters()]
        for step in range(first, steps):
            rate = learning_rate(step, steps, r)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = rate * group["scale"]
            loss = self.joint_loss(stage, step) if stage else self.encoder_loss(step)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, r.clip)
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            done = step + 1 == steps
            if stage and ((step + 1) % r.evaluate_every == 0 or done):
                images = len(self.validation) if done else 200
                self.log(stage, step, "VALIDATION " + self.validate(images))
            if (step + 1) % r.save_every == 0 or done:
                self.save(stage, step + 1, optimisers)

    def validate(self, images: int) -> str:
        return report(self.model, self.validation, self.kinds, images)

    def save(self, stage: int, step: int, optimisers) -> None:
        now = time.time()
        self.seconds, self.started = self.seconds + now - self.started, now
        state = dict(
            stage=stage,
            step=step,
            seconds=self.seconds,
            recipes=[asdict(recipe) for recipe in self.recipes],
            config=asdict(self.config),
            vocabulary=self.vocabulary,
            model=self.model.state_dict(),
            heads=self.heads.state_dict(),
            optimisers=[o.state_dict() for o in optimisers],
        )
        # Written aside and renamed: a kill never leaves half a checkpoint.
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(state, unfinished)
        unfinished.replace(self.checkpoint)

    def run(self) -> None:
        path, stage, step, state = self.checkpoint, 0, 0, None
        recipes = [asdict(recipe) for recipe in self.recipes]
        if path.exists():
            saved = torch.load(path, map_location=self.device)
            if saved["recipes"] != recipes or saved["config"] != asdict(self.config):
                raise SystemExit(f"{path} belongs to another recipe: move it away")
            stage, step, state = saved["stage"], saved["step"], saved["optimisers"]
            self.seconds = saved["seconds"]
            self.model.load_state_dict(saved["model"])
            self.heads.load_state_dict(saved["heads"])
            print(f"resumed at stage {stage} step {step}", flush=True)
        self.started = time.time()
        for stage in range(stage, len(self.recipes)):
            self.run_stage(stage, step, state)
            step, state = 0, None


def keep_freed_memory() -> None:
    """Tell glibc to reuse large buffers instead of returning them to the kernel
    after every operation (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD), which saves page
    faults. Elsewhere than on glibc, do nothing.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(-3, 1 << 30)
    libc.mallopt(-1, (1 << 31) - 1)


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train the embedded model.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--data", type=Path, default=here / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--length", type=float, default=1.0, help="of the steps: a rougher model, sooner"
    )
    parser.add_argument("--checkpoint", type=Path, help="default: in --data")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    options.set = dict(setting.split("=") for setting in options.set)
    known = asdict(Recipe()) | asdict(Config(vocabulary=1))
    if unknown := options.set.keys() - known.keys():
        parser.error(f"--set: no such number: {', '.join(sorted(unknown))}")
    keep_freed_memory()
    recipe = overridden(replace(Recipe(), seed=options.seed), options.set)
    Trainer(recipe, options).run()


if __name__ == "__main__":
    main()
