"""What a next-token distribution says: how spread out it is, what it costs, how sure it is.

Everything is in nats and is computed from logits; entries of minus infinity count as impossible tokens."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def rounding(dtype: torch.dtype) -> float:
    """How far two roads to one logit may part in a dtype, as a share of the largest logit: a thousandth, or four units
    in the last place where those are coarser, as in bfloat16."""
    return max(1e-3, 4 * torch.finfo(dtype).eps)


def entropy(logits: Float[Tensor, "*token d_vocab"]) -> Float[Tensor, "*token"]:
    r"""Entropy of the next-token distribution, in nats: \(H = -\sum_v p_v \log p_v\), in [0, log d_vocab]."""
    return torch.special.entr(logits.softmax(-1)).sum(-1)


def loss(logits: Float[Tensor, "*token d_vocab"], target: Int[Tensor, "*token"]) -> Float[Tensor, "*token"]:
    r"""Cross-entropy of each next token, in nats: \(-\log p_{\mathrm{target}}\)."""
    return logits.logsumexp(-1) - logits.gather(-1, target[..., None])[..., 0]


def kl_divergence(
    logits: Float[Tensor, "*token d_vocab"], other: Float[Tensor, "*token d_vocab"]
) -> Float[Tensor, "*token"]:
    r"""\(\mathrm{KL}(p\,\|\,q) = \sum_v p_v \log (p_v / q_v)\) in nats; p from `logits`, q from `other`."""
    log_p, log_q = logits.log_softmax(-1), other.log_softmax(-1)
    return torch.where(log_p > -torch.inf, log_p.exp() * (log_p - log_q), 0.0).sum(-1)


def confidence(logits: Float[Tensor, "*token d_vocab"]) -> Float[Tensor, "*token"]:
    """Top-1 confidence: the probability of the most likely token, in (0, 1]."""
    return logits.softmax(-1).amax(-1)


def rank_correlation(x: Float[Tensor, " token"], y: Float[Tensor, " token"]) -> Float[Tensor, ""]:
    """Spearman's rank correlation, in [-1, 1]: Pearson's of the ranks, ties sharing their mean rank.

    NaN when one of the two is constant."""
    return torch.corrcoef(torch.stack([rank(x), rank(y)]))[0, 1]


def slope(x: Float[Tensor, " token"], y: Float[Tensor, " token"]) -> Float[Tensor, ""]:
    """Slope of the least-squares line of y on x, in units of y over units of x; NaN when x is constant."""
    centred = x - x.mean()
    return (centred * y).mean() / centred.square().mean()


def auroc(score: Float[Tensor, " text"], positive: Bool[Tensor, " text"]) -> float:
    """Area under the ROC curve, in [0, 1]: how often a positive text scores above one that is not, ties counting half;
    0.5 is chance, 0 a perfect score of the wrong sign (Mann and Whitney 1947).

    Raises ValueError when one of the two kinds is missing."""
    n_above, n_below = int(positive.sum()), int((~positive).sum())
    if not (n_above and n_below):
        raise ValueError(f"two kinds of text are needed, got {n_above} positive ones of {len(positive)}")
    above = rank(score)[positive].sum().item() - n_above * (n_above + 1) / 2
    return above / (n_above * n_below)


def rank(x: Float[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Ranks from 1, ascending, in float64 on the CPU; values that tie share the mean of theirs; all are NaN
    where one value is."""
    from scipy.stats import rankdata

    return torch.from_numpy(rankdata(x.cpu().numpy()))
