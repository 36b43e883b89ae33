"""The embedded model in PyTorch: CLIP vision tower, projector, LLaMA decoder.

Parameter names and arithmetic are those of Hugging Face's
LlavaForConditionalGeneration, so `state_dict()` is the checkpoint: nothing is
renamed on export. What is ours is the batching. All questions of one image
share one image prefix, which runs through the decoder once:

    row = <bos>, vision tokens, question 1, question 2, ...

A question token sees the prefix and its own question, never another question,
and every question starts at the position after the image. Where vision tokens
are removed, questions part: from there on each has a row of its own. Both ways
give exactly the logits of as many separate prompts.

Dimensions: B images, Q questions per image, N vision tokens kept, P = 1 + N
prefix length, T text tokens per row, D width, H heads, E head width.

Read next: train.py (how it is trained), export_model.py (how it is saved).
Versions: Python 3.11, torch 2.15.0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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

    def one_each(self) -> tuple["Questions", Tensor]:
        """Every question in a row of its own, right-padded: (B * Q, T) with T
        the longest, and the column of each word in the packed row.
        """
        lengths = self.last.diff(prepend=self.last.new_full((len(self.last), 1), -1))
        column = torch.arange(int(lengths.max()), device=lengths.device)
        columns = (self.last - lengths + 1)[..., None] + column
        columns = columns.clamp(max=self.tokens.shape[1] - 1)  # (B, Q, T)
        words = self.tokens.gather(1, columns.flatten(1)).view(columns.shape)
        packed = Questions.pack(words.flatten(0, 1)[:, None], lengths.flatten()[:, None])
        return packed, columns.flatten(0, 1)


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
        kept: Tensor | None = None,
        schedule: dict[int, int] | None = None,
        scores: Tensor | None = None,
        blind: int = 0,
    ) -> Tensor:
        """Logits of the answers, (B, Q, vocabulary).

        kept (B, n): which vision tokens enter the decoder, ascending.
        schedule {layer: keep}: from that layer on (at least 1) a question has
        only `keep` of these, the best of those that it had before. They are
        ranked by the attention of its tokens in the layer before, mean over
        heads, or by `scores` (B, Q, n) where given. From the first such layer on
        each question has its own vision tokens, and these see no others: as if
        every question were a prompt of its own.
        blind: in so many of the first layers questions see no vision token.
        """
        decoder, schedule = self.language_model.model, schedule or {}
        B, N, D = features.shape
        bos = decoder.embed_tokens.weight[1].expand(B, 1, D)
        vision = self.multi_modal_projector(features)
        text = decoder.embed_tokens(questions.tokens)
        if kept is None:
            kept = torch.arange(N, device=features.device).expand(B, N)
        else:
            vision = take_rows(vision, kept)

        # Positions: <bos> 0, vision token p at 1 + p (also when others are
        # dropped, as a FastV-style implementation keeps them), text from 1 + N.
        positions = torch.cat(
            [kept.new_zeros(B, 1), 1 + kept, 1 + N + questions.offset], 1
        )
        rotation = rotation_at(positions, self.config)
        x = torch.cat([bos, vision, text], 1)
        prefix = 1 + kept.shape[1]
        mask = text_mask(questions.owner, prefix)
        blindfold = mask.clone()
        blindfold[..., 1:prefix] = float("-inf")

        weights = None
        for index, layer in enumerate(decoder.layers[: min(schedule, default=-1)]):
            seen = blindfold if index < blind else mask
            ranked = index + 1 in schedule and scores is None
            x, weights = layer(x, rotation, seen, prefix, ranked)
        if schedule:
            ranking = scores if weights is None else received(
                weights[:, :, 1:prefix], questions
            )
            return self.reduced(
                x, positions, questions, ranking, schedule, ranked=scores is None
            )
        return self.answers(x, prefix, questions, rotation, mask)

    def reduced(
        self,
        x: Tensor,  # (B, 1 + n + packed words, D)
        positions: Tensor,  # (B, 1 + n + packed words)
        questions: Questions,
        ranking: Tensor,  # (B, Q, n)
        schedule: dict[int, int],
        ranked: bool,  # anew, by each layer before one that reduces
    ) -> Tensor:
        """Logits (B, Q, vocabulary): the layers from the first that reduces on,
        with a row for each question.
        """
        decoder, (B, Q, n) = self.language_model.model, ranking.shape
        prefix, ranking = 1 + n, ranking.flatten(0, 1)
        own, columns = questions.one_each()
        for index in range(min(schedule), len(decoder.layers)):
            if index in schedule:
                slots = top_slots(ranking, min(schedule[index], ranking.shape[1]))
                ranking = ranking.gather(1, slots)
                rows = torch.cat([0 * slots[:, :1], 1 + slots, prefix + columns], 1)
                # The first time from the image's row, later from the question's.
                x = take_rows(x, rows.view(len(x), -1)).view(*rows.shape, -1)
                positions = positions.gather(1, rows.view(len(positions), -1))
                positions = positions.view(rows.shape)
                columns = torch.arange(columns.shape[1], device=x.device)
                columns = columns.expand(B * Q, -1)
                prefix = 1 + slots.shape[1]
                rotation = rotation_at(positions, self.config)
                mask = text_mask(own.owner, prefix)
            if index + 1 < len(decoder.layers):
                needed = ranked and index + 1 in schedule
                x, weights = decoder.layers[index](x, rotation, mask, prefix, needed)
                if needed:
                    ranking = received(weights[:, :, 1:prefix], own)[:, 0]
        return self.answers(x, prefix, own, rotation, mask).view(B, Q, -1)

    def answers(self, x, prefix: int, questions: Questions, rotation, mask) -> Tensor:
        """Logits (B, Q, vocabulary): the last layer at each question's last token
        only, from x (B, prefix + T, D) and mask (B, 1, T, prefix + T).
        """
        decoder, last = self.language_model.model, questions.last
        seen = mask.gather(2, last[:, None, :, None].expand(-1, -1, -1, mask.shape[3]))
        x = decoder.layers[-1].at_rows(x, prefix + last, rotation, seen)
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


def received(weights: Tensor, questions: Questions) -> Tensor:
    """Attention (B, T, n) of text tokens, summed over each question's (B, Q, n)."""
    Q = questions.last.shape[1]
    owner = F.one_hot(questions.owner, Q + 1)[:, :, :Q].to(weights.dtype)
    return owner.mT @ weights


def top_slots(priority: Tensor, keep: int) -> Tensor:
    """Slots of the `keep` highest priorities, in their original order."""
    return priority.topk(keep, 1).indices.sort(1).values
