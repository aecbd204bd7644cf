"""Checks of the losses: whether a training has diverged (a loss is not finite, or the loss of a discriminator stays at
zero), and whether a discriminator has learned to tell real from generated frames."""

from collections.abc import Iterable

import numpy as np

from stages import InputError

MIN_DISCRIMINATOR_LOSS = 1e-4  # a smaller loss means that the discriminator makes no errors
PATIENCE = 40         # consecutive steps with a smaller loss than that
AT_CHANCE = 0.98      # share of the loss of guessing, from which a discriminator counts as guessing
LAST_STEPS = 0.25     # share of the steps over which its loss is averaged


class Diverged(InputError):
    """The training has diverged and cannot continue. Its last checkpoint is kept."""


class DivergenceCheck:
    """Checks the losses of consecutive steps."""

    def __init__(self, names: tuple[str, ...], discriminator_names: tuple[str, ...]):
        """names: the names of all losses, in the order of the columns. discriminator_names: those that are losses of
        discriminators in use."""
        self.names, self.discriminator_names = names, discriminator_names
        self._steps_at_zero = dict.fromkeys(discriminator_names, 0)  # consecutive

    def check(self, first: int, rows: np.ndarray) -> None:
        """Checks the losses (n, len(names)) of n steps, of which the first has the number `first`. Raises Diverged with
        the name of the loss and the step."""
        for step, row in enumerate(rows, first):
            if not np.isfinite(row).all():
                name = self.names[np.flatnonzero(~np.isfinite(row))[0]]
                raise Diverged(f"the loss `{name}` is not a finite number in step {step}; lower learning_rate or "
                               f"weight_{name.removeprefix('d_')}")
            for name in self.discriminator_names:
                is_zero = row[self.names.index(name)] < MIN_DISCRIMINATOR_LOSS
                self._steps_at_zero[name] = self._steps_at_zero[name] + 1 if is_zero else 0
                if self._steps_at_zero[name] >= PATIENCE:
                    raise Diverged(
                        f"the discriminator's loss `{name}` has been zero for {PATIENCE} steps, up to step {step}: it "
                        f"makes no errors, so the generator gets no gradient; lower discriminator_learning_rate")


def guessing(losses: dict[str, np.ndarray], discriminators: Iterable[str], chance: float) -> list[str]:
    """Those discriminators ("spatial", "temporal") that at the end of the training cannot tell real from generated frames,
    so that their term of the loss has no effect. losses: of each step, by name. chance: the loss of guessing."""
    return [name for name in discriminators
            if losses[f"d_{name}"][-max(1, round(LAST_STEPS * len(losses[f"d_{name}"]))):].mean() > AT_CHANCE * chance]
