"""Muon: momentum whose update is orthogonalised, for hidden weight matrices.

Source: Keller Jordan et al., "Muon: An optimizer for hidden layers in neural
networks" (2024): the same Newton-Schulz coefficients and Nesterov momentum. The
update is scaled by 0.2 * sqrt(larger side), so that its RMS matches AdamW's and
both optimisers share one learning rate (Liu et al., "Muon is scalable for LLM
training", 2025). Embeddings, norms, biases and the head belong to AdamW.

Matrices of one shape are orthogonalised together, as one batch: few large
products instead of hundreds of small ones. On two CPU cores the optimisers take
about a tenth of a step.
"""

import torch
from torch import Tensor


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices, roughly: singular values in [0.7, 1.2].

    matrices (M, rows, columns) with rows <= columns.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr: float, momentum: float, weight_decay: float):
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self) -> None:
        by_shape: dict[tuple[int, int], list] = {}
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                shape = (min(p.shape), max(p.shape))
                by_shape.setdefault(shape, []).append((p, group))
        for (_, larger), members in by_shape.items():
            updates = [self._momentum(p, group) for p, group in members]
            wide = [u if u.shape[0] <= u.shape[1] else u.T for u in updates]
            for (p, group), u in zip(members, orthogonalise(torch.stack(wide))):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                u = u if p.shape[0] <= p.shape[1] else u.T
                p.add_(u, alpha=-group["lr"] * 0.2 * larger**0.5)

    def _momentum(self, p: Tensor, group: dict) -> Tensor:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        average = state["momentum"]
        average.lerp_(p.grad, 1 - group["momentum"])
        return p.grad.lerp(average, group["momentum"])  # Nesterov
