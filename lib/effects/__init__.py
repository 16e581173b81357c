r"""What ablating last-layer neurons does to loss and entropy, exactly, without running the model again.

Replacing a last-layer activation moves the final residual stream by \(\delta w\) at its own position only.
With w centred as the norm centres, \(a = x \cdot w\) for the centred residual x, \(q = w \cdot w\), s the clean
scale and z the clean logits less their bias,

.. math::
    s'^2 = s^2 + (2 \delta a + \delta^2 q) / d_\mathrm{model}, \qquad
    z' = \frac{s}{s'} z + \frac{\delta}{s'} w W_U + b_U

is the ablated run with the norm free; with s in place of s' the norm is frozen and only the neuron's direct
write remains (total and direct effect, Stolfo et al. 2024, section 3.2). Projecting z' back onto the clean
run's value along the token-frequency direction gives the frequency-frozen variant (section 4.2). For a set of
neurons \(\delta w\) is the sum over its members.

`measure` takes one neuron at a time, in one of three gears that give the same numbers (`measuring`); `measure_sets`
takes whole sets. Both keep means by sequence; `by_token` keeps every token, and `readings` what is read off the logits
themselves. What is about token frequency is measured only where a `log_unigram` is given, and adds a quarter to two
thirds to the time.

A change of activations goes through the modules in this order: beside the run without it (`clean`) it becomes rows and
factors of the logits (`edits`); a gear finds out what these do to each token (`exact`, or `cumulant` from `moments`);
from that come the ten quantities (`changes`), summed by sequence (`measuring`, `result`) or kept (`by_token`)."""

from lib.effects.by_token import (
    AsTemperature,
    FrequencyTokenEffects,
    Read,
    Readings,
    TokenEffects,
    as_temperature,
    by_token,
    read_entropy,
    read_loss,
    readings,
)
from lib.effects.clean import Clean, clean_run
from lib.effects.edits import Replacement
from lib.effects.measuring import direct_frequency, measure, measure_sets
from lib.effects.result import QUANTITIES, Effects, FrequencyEffects, Report, shares

__all__ = [
    "QUANTITIES",
    "AsTemperature",
    "Clean",
    "Effects",
    "FrequencyEffects",
    "FrequencyTokenEffects",
    "Read",
    "Readings",
    "Replacement",
    "Report",
    "TokenEffects",
    "as_temperature",
    "by_token",
    "clean_run",
    "direct_frequency",
    "measure",
    "measure_sets",
    "read_entropy",
    "read_loss",
    "readings",
    "shares",
]
