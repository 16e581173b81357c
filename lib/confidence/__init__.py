"""How sure a model is before and after post-training, and whether its entropy neurons have to do with the difference.

Du et al. (2025, section 6) compare confidence by weights alone: the same entropy neurons, hence no explanation in them.
Here the neurons are compared first (`overlap`: which are chosen, how alike they are), then confidence itself
(`reading`: entropy, loss and calibration, on running text and on answers to questions, `questions`), and then cause
(`swapping`, `account`): neurons change places between the two models, and so does a part of the difference, or none."""
