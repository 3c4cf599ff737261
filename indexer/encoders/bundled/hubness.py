"""Corrects for hubs: photos that lie near many queries whatever is asked, and so stand where the right ones should.

One more coordinate does it. A photo's is minus its popularity h(x), a query's is a constant, so that a dot product is

    q.x - strength * h(x),   h(x) = the mean of the 10 largest b.x over a bank of typical queries b

as cross-domain similarity local scaling has it for the photos' side (CSLS: Conneau et al., ICLR 2018), with a bank of
queries as in Bogolin et al., CVPR 2022. Written into the vectors, it costs a library nothing: every search, filter and
fusion of it is the search it always was.

A plain torch module. Knows vectors; knows neither photos nor texts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Popularity is told by the queries a photo suits best: an average over all of the bank finds no hubs (+0.0 Recall@10
# on the development set, where the mean of the 10 largest finds +3.5).
NEAREST = 10
# How far popularities are spread. They deviate by 0.07; doubled they are as long as a coordinate of consequence, and
# two photos' own likeness still hardly depends on them.
SPREAD = 2.0


class HubCoordinate(nn.Module):
    """Unit vectors (n, dim) -> unit vectors (n, dim + 1), photos and queries each in their way."""

    bank: Tensor
    centre: Tensor

    def __init__(self, queries: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("bank", torch.zeros(queries, dim))
        self.register_buffer("centre", torch.zeros(()))

    def fit(self, bank: Tensor, photos: Tensor) -> None:
        """Takes typical queries (queries, dim) and photos (n, dim) of average popularity, both unit."""
        self.bank.copy_(bank)
        self.centre.copy_(self._popularity(photos).mean())

    def of_photos(self, photos: Tensor) -> Tensor:
        # Centred, so that an average photo's vector stays what it was.
        away = SPREAD * (self.centre - self._popularity(photos))
        return F.normalize(torch.cat([photos, away[:, None]], 1), dim=1)

    def of_queries(self, queries: Tensor, strength: Tensor) -> Tensor:
        """`strength` (n, 1) is what a photo's popularity counts beside its likeness."""
        return F.normalize(torch.cat([queries, strength / SPREAD], 1), dim=1)

    def _popularity(self, photos: Tensor) -> Tensor:
        if len(self.bank) < NEAREST:
            # Heads in training have no bank yet.
            return photos.new_zeros(len(photos))
        return (photos @ self.bank.T).topk(NEAREST, dim=1).values.mean(1)
