"""Checks whether a training has diverged: losses that are not finite, or a discriminator that has won."""

import numpy as np

from stages import InputError

WON = 1e-4     # mean loss of a discriminator that is never fooled; while it is undecided, its loss is 0.25 to 0.7
PATIENCE = 40  # consecutive steps


class Diverged(InputError):
    """The training cannot go on; its last good state is kept."""


class DivergenceCheck:
    """Checks the losses of consecutive steps."""

    def __init__(self, names: tuple[str, ...], discriminator_names: tuple[str, ...]):
        """names: the columns of the losses; discriminator_names: those that are losses of discriminators in use."""
        self.names, self.discriminator_names = names, discriminator_names
        self._steps_won = dict.fromkeys(discriminator_names, 0)  # consecutive

    def check(self, first: int, rows: np.ndarray) -> None:
        """Checks the losses (n, names) of the steps from `first` on. Raises Diverged, naming the loss and the step."""
        for step, row in enumerate(rows, first):
            if not np.isfinite(row).all():
                name = self.names[np.flatnonzero(~np.isfinite(row))[0]]
                raise Diverged(f"the loss `{name}` is not a finite number in step {step}; lower learning_rate or "
                               f"weight_{name.removeprefix('d_')}")
            for name in self.discriminator_names:
                self._steps_won[name] = self._steps_won[name] + 1 if row[self.names.index(name)] < WON else 0
                if self._steps_won[name] >= PATIENCE:
                    raise Diverged(
                        f"the discriminator's loss `{name}` has been zero for {PATIENCE} steps, up to step {step}: it "
                        f"has won, and the generator learns nothing from it; lower discriminator_learning_rate")
