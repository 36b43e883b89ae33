"""The embedded model in PyTorch: CLIP vision tower, projector, LLaMA decoder.

Parameter names and arithmetic are those of Hugging Face's
LlavaForConditionalGeneration, so `state_dict()` is the checkpoint: nothing is
renamed on export. What is ours is the batching. All questions of one image
share one image prefix, which runs through the decoder once:

    row = <bos>, vision tokens, question 1, question 2, ...

A question token sees the prefix and its own question, never another question,
and every question starts at the position after the image. A row therefore gives
exactly the logits of as many separate prompts.

Dimensions: B images, Q questions per image, N vision tokens kept, P = 1 + N
prefix length, T text tokens per row, D width, H heads, E head width.

Read next: train.py (how it is trained), export_model.py (how it is saved).
Versions: Python 3.11, torch 2.15.0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from config import Config
from decoder import LanguageModel, rotation_at, take_rows
from vision import Projector, VisionTower, normalise, sine_cosine


@dataclass
class Questions:
    """The questions of each image, packed without gaps into one row of text."""

    tokens: Tensor  # (B, T) word ids, 0 = padding at the end of the row
    owner: Tensor  # (B, T) which question a token belongs to, Q = padding
    offset: Tensor  # (B, T) position inside its question, from 0
    last: Tensor  # (B, Q) column of each question's last token

    @staticmethod
    def pack(tokens: Tensor, lengths: Tensor) -> "Questions":
        """tokens (B, Q, L) right-padded, lengths (B, Q)."""
        B, Q, L = tokens.shape
        column = torch.arange(L, device=tokens.device)
        used = (column < lengths[..., None]).flatten(1)  # (B, Q * L)
        T = int(used.sum(1).max())
        order = used.logical_not().byte().argsort(dim=1, stable=True)[:, :T]
        owner = torch.arange(Q, device=tokens.device).repeat_interleave(L)
        padding = used.gather(1, order).logical_not()
        return Questions(
            tokens=tokens.flatten(1).gather(1, order).masked_fill(padding, 0),
            owner=owner[order].masked_fill(padding, Q),
            offset=column.repeat(Q)[order],
            last=lengths.cumsum(1) - 1,
        )


@dataclass(frozen=True)
class Reduction:
    """From decoder layer `layer` on (0-based), only `keep` vision tokens stay."""

    layer: int
    keep: int


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.vision_tower = VisionTower(config)
        self.multi_modal_projector = Projector(config)
        self.language_model = LanguageModel(config)
        self.apply_initialisation()

    def features(self, images: Tensor) -> Tensor:
        """uint8 (B, 96, 96, 3) to the encoder's output (B, N, D)."""
        return self.vision_tower.vision_model(normalise(images, self.config))

    def forward(
        self,
        features: Tensor,  # (B, N, D)
        questions: Questions,
        reductions: list[Reduction] = [],
        priority: Tensor | None = None,  # (B, N): the highest stay
    ) -> Tensor:
        """Logits of the answers, (B, Q, vocabulary)."""
        decoder = self.language_model.model
        B, N, D = features.shape
        bos = decoder.embed_tokens.weight[1].expand(B, 1, D)
        vision = self.multi_modal_projector(features)
        text = decoder.embed_tokens(questions.tokens)

        # Positions: <bos> 0, vision token p at 1 + p (also when others are
        # dropped, as a FastV-style implementation keeps them), text from 1 + N.
        kept = torch.arange(N, device=features.device).expand(B, N)
        text_positions = 1 + N + questions.offset
        x = torch.cat([bos, vision, text], 1)
        keep_from = {r.layer: r.keep for r in reductions}

        for index, layer in enumerate(decoder.layers):
            if index in keep_from:
                slots = top_slots(priority.gather(1, kept), keep_from[index])
                prefix = 1 + kept.shape[1]
                vision = take_rows(x[:, 1:prefix], slots)
                x = torch.cat([x[:, :1], vision, x[:, prefix:]], 1)
                kept = kept.gather(1, slots)
            if index == 0 or index in keep_from:
                prefix = 1 + kept.shape[1]
                bos_position = kept.new_zeros(B, 1)
                positions = torch.cat([bos_position, 1 + kept, text_positions], 1)
                rotation = rotation_at(positions, self.config)
                mask = text_mask(questions.owner, prefix)
            if index < len(decoder.layers) - 1:
                x = layer(x, rotation, mask, prefix)
            else:
                last = questions.last
                answer_mask = mask.gather(
                    2, last[:, None, :, None].expand(-1, -1, -1, mask.shape[3])
                )
                x = layer.at_rows(x, prefix + last, rotation, answer_mask)
        return self.language_model.lm_head(decoder.norm(x))

    @torch.no_grad()
    def apply_initialisation(self) -> None:
        """Matrices 1/sqrt(fan-in); the last matrix of a residual branch is
        smaller, by 1/sqrt(2 * layers), so that depth does not add up at first.
        """
        c = self.config
        residual = {"out_proj": c.vision_layers, "fc2": c.vision_layers}
        residual |= {"o_proj": c.layers, "down_proj": c.layers}
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                depth = residual.get(name.split(".")[-1])
                scale = (2 * depth) ** -0.5 if depth else 1.0
                nn.init.normal_(module.weight, 0, scale * module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.language_model.lm_head.weight.mul_(0.5)
        nn.init.normal_(self.language_model.model.embed_tokens.weight, 0, 0.05)
        embeddings = self.vision_tower.vision_model.embeddings
        nn.init.normal_(
            embeddings.patch_embedding.weight, 0, (3 * c.patch_size**2) ** -0.5
        )
        nn.init.normal_(embeddings.class_embedding, 0, 0.5)
        embeddings.position_embedding.weight[1:] = 0.7 * sine_cosine(c.grid, c.width)
        embeddings.position_embedding.weight[0] = 0


def text_mask(owner: Tensor, prefix: int) -> Tensor:
    """What each text token may see, (B, 1, T, prefix + T): 0 yes, -inf no."""
    B, T = owner.shape
    visible = (owner[:, :, None] == owner[:, None, :]).tril()
    mask = torch.zeros(B, 1, T, prefix + T, device=owner.device)
    mask[:, 0, :, prefix:].masked_fill_(~visible, float("-inf"))
    return mask


def top_slots(priority: Tensor, keep: int) -> Tensor:
    """Slots of the `keep` highest priorities, in their original order."""
    return priority.topk(keep, 1).indices.sort(1).values
