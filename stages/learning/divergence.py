"""Watches over a training: losses that are no numbers any more, and a discriminator that has won."""

import numpy as np

from stages import InputError

WON = 1e-4     # mean loss of a discriminator that nothing can deceive; undecided ones are at 0.25 to 0.7
PATIENCE = 40  # steps in a row


class Diverged(InputError):
    """The training cannot go on; its last good state is kept."""


class DivergenceCheck:
    """Looks at the losses as they come."""

    def __init__(self, names: tuple[str, ...], judges: tuple[str, ...]):
        """names: of the columns; judges: those of them that are the losses of discriminators in use."""
        self.names, self.judges = names, judges
        self._lost = dict.fromkeys(judges, 0)  # steps in a row

    def look(self, first: int, rows: np.ndarray) -> None:
        """rows: the losses (n, names) of step `first` and on. Raises Diverged, which says which and when."""
        for step, row in enumerate(rows, first):
            if not np.isfinite(row).all():
                name = self.names[np.flatnonzero(~np.isfinite(row))[0]]
                raise Diverged(f"the loss `{name}` is no finite number any more in step {step}; lower learning_rate or "
                               f"weight_{name.removeprefix('d_')}")
            for name in self.judges:
                self._lost[name] = self._lost[name] + 1 if row[self.names.index(name)] < WON else 0
                if self._lost[name] >= PATIENCE:
                    raise Diverged(
                        f"the discriminator's loss `{name}` has been at zero for {PATIENCE} steps, up to step {step}: "
                        f"it has won, and the generator learns nothing from it; lower discriminator_learning_rate")
