"""What several signals usually do together: learned from rows, then each new row's distance from it.

T2 is the squared distance in the learned covariance, SPE the part of it that the principal components do not explain.
Two ways to stay normal: `fixed` keeps what was learned (each row joined with the one before, the statistic smoothed);
`drifting` follows slow change, no faster than the signals drifted while learning (the rows smoothed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rules.learning.rows import Array, Scaling, quadratic_forms, smoothed, strange, tail

SETTLING: Final = 60
BLOCK: Final = 50
CHANCE: Final = 0.2
"""So far apart, in standard deviations, lie the medians of two blocks of independent values on average."""
BASELINE_RATE: Final = 1 / 300
COVARIANCE_RATE: Final = 1 / 500
RENEW: Final = 50
"""Quiet rows after which the distances are computed from the present covariance."""
RAISE_AFTER: Final = 3
CLEAR_AFTER: Final = 5
CLEAR_BELOW: Final = 0.9
GIVE_IN: Final = 900
"""Rows of alarm after which a drifting normal takes the new state as usual."""


@dataclass(frozen=True)
class Manner:
    """How a normal stays normal. `margin` multiplies the learned 99 % quantile, on the scale of standard deviations."""

    joined: int
    row_rate: float
    statistic_rate: float
    held_back: float
    off_diagonal: float
    margin: float
    follows: bool


MANNERS: Final = {
    "fixed": Manner(2, 1.0, 0.2, 0.3, 0.99, 1.1, follows=False),
    "drifting": Manner(1, 0.15, 1.0, 0.0, 0.99, 3.4, follows=True),
}


ARRAYS: Final = (
    "_drift", "_baseline", "_offset", "_covariance", "_limits", "_even", "_before", "_level", "_shares",
)  # fmt: skip


class Joint:
    """A learned normal. `read` takes a row; `on`, `ratio` and `shares` say what was found.

    `ratio` is the statistic over its limit, on the scale of standard deviations, the larger where there are two.
    """

    def __init__(self, manner: str, statistic: str, margin: float | None) -> None:
        self._statistic = statistic
        self.manner = MANNERS[manner]
        self._margin = self.manner.margin if margin is None else margin
        self.on = False
        self.ratio = 0.0
        self.set_aside = 0
        self._above = self._below = self._lasted = self._quiet = 0

    # -- learning ---------------------------------------------------------------------------------------------------

    def learn(self, rows: Array) -> None:
        """Take the normal from rows of observations by signals, in order of time.

        Raises:
            UnlearnableError: no signal ever changed.
        """
        manner = self.manner
        aside = strange(rows)
        self.set_aside = int(aside.sum())
        self.scaling = Scaling.learn(rows[~aside])
        scaled = self.scaling(rows[~aside])
        self._drift = self._drift_of(scaled)
        vectors = self._vectors(scaled)
        fitted = vectors[: len(vectors) - int(manner.held_back * len(vectors))]
        settled = fitted[min(SETTLING, len(fitted) // 4) :] if manner.follows else fitted
        self._offset = settled.mean(axis=0)
        self._covariance = np.atleast_2d(np.cov(settled, rowvar=False, bias=True))
        self._renew()
        self._set_limits(vectors[len(fitted) :] if manner.held_back else settled)
        self._start(scaled)

    def _drift_of(self, scaled: Array) -> Array:
        """The mean change between medians of successive blocks, less what chance makes of it, per row."""
        blocks = [scaled[i : i + BLOCK] for i in range(0, len(scaled) - BLOCK + 1, BLOCK)]
        if not self.manner.follows or len(blocks) < 2:
            return np.zeros(scaled.shape[1])
        medians, spreads = np.median(blocks, axis=1), np.std(blocks, axis=1)
        change = np.abs(np.diff(medians, axis=0)).mean(axis=0)
        drift: Array = np.maximum(change - CHANCE * np.median(spreads, axis=0), 0.0) / BLOCK
        return drift

    def _vectors(self, scaled: Array) -> Array:
        """What the covariance is of: smoothed rows less their baseline, or rows joined with those before them."""
        manner = self.manner
        if manner.joined > 1:
            return np.hstack([scaled[manner.joined - 1 - lag : len(scaled) - lag] for lag in range(manner.joined)])
        even = smoothed(scaled, manner.row_rate)
        baseline = np.zeros(scaled.shape[1])
        out = np.empty_like(even)
        for i, row in enumerate(even):
            out[i] = row - baseline
            baseline = baseline + self._step(out[i])
        self._baseline = baseline
        return out

    def _step(self, distance: Array) -> Array:
        step: Array = np.clip(BASELINE_RATE * distance, -self._drift, self._drift)
        return step

    def _set_limits(self, vectors: Array) -> None:
        centred = vectors - self._offset
        self._limits = np.empty(len(self._forms))
        for i, form in enumerate(self._forms):
            squares = np.einsum("ij,jk,ik->i", centred, form, centred)
            even = smoothed(squares[:, None], self.manner.statistic_rate)[:, 0]
            self._limits[i] = max(tail(even), 1e-12)

    def _start(self, scaled: Array) -> None:
        self._even = smoothed(scaled, self.manner.row_rate)[-1]
        if not self.manner.follows:
            self._baseline = np.zeros(scaled.shape[1])
        self._before = scaled[-(self.manner.joined - 1) :][::-1] if self.manner.joined > 1 else scaled[:0]
        self._level = np.zeros(len(self._forms))
        self._shares = np.zeros(scaled.shape[1])

    # -- watching ---------------------------------------------------------------------------------------------------

    def read(self, row: Array) -> bool:
        """One row of all signals; returns whether it is, or still is, unusual."""
        manner = self.manner
        scaled = np.clip(self.scaling(row), -1e6, 1e6)
        self._even = self._even + manner.row_rate * (scaled - self._even)
        residual = self._residual_of(self._even)
        products = [form @ residual for form in self._forms]
        squares = np.array([max(0.0, float(residual @ product)) for product in products])
        self._level = self._level + manner.statistic_rate * (squares - self._level)
        ratios = self._level / (self._limits * self._margin**2)
        foremost = int(np.argmax(ratios))
        self._share(residual * products[foremost])
        self.ratio = float(np.sqrt(ratios[foremost]))
        self._judge()
        if manner.follows:
            self._follow(residual)
        return self.on

    def _residual_of(self, row: Array) -> Array:
        if self.manner.joined == 1:
            return np.asarray(row - self._baseline - self._offset)
        residual: Array = np.concatenate([row, *self._before]) - self._offset
        self._before = np.vstack([row, self._before[:-1]])
        return residual

    def _share(self, products: Array) -> None:
        """Each signal's part of the statistic, smoothed like it."""
        parts = products.reshape(self.manner.joined, -1).sum(axis=0)
        self._shares = self._shares + self.manner.statistic_rate * (parts - self._shares)

    def _judge(self) -> None:
        self._above = self._above + 1 if self.ratio > 1 else 0
        self._below = self._below + 1 if self.ratio < CLEAR_BELOW else 0
        if not self.on:
            self.on = self._above >= RAISE_AFTER
            self._lasted = 0
            return
        self._lasted += 1
        if self._below >= CLEAR_AFTER:
            self.on = False
        elif self.manner.follows and self._lasted >= GIVE_IN:
            self._baseline = self._even - self._offset
            self.on, self._above = False, 0

    def _follow(self, residual: Array) -> None:
        self._baseline = self._baseline + self._step(self._even - self._baseline)
        if self.on or self.ratio > 1:
            return
        self._covariance = self._covariance + COVARIANCE_RATE * (np.outer(residual, residual) - self._covariance)
        self._quiet += 1
        if self._quiet >= RENEW:
            self._quiet = 0
            self._renew()

    def _renew(self) -> None:
        self._forms = quadratic_forms(self._covariance, self._statistic, self.manner.off_diagonal)

    @property
    def shares(self) -> list[tuple[int, float]]:
        """Signals by number, with their share of the statistic, the largest first."""
        parts = np.maximum(self._shares, 0.0)
        whole = max(float(parts.sum()), 1e-300)
        shares = ((i, float(part) / whole) for i, part in zip(self.scaling.kept, parts, strict=True))
        return sorted(shares, key=lambda share: -share[1])

    # -- state ------------------------------------------------------------------------------------------------------

    def settle(self, on: bool) -> None:
        """Watching begins anew, with the alarm as it stands."""
        self.on = on
        self._above = self._below = self._lasted = 0

    def snapshot(self) -> dict[str, Any]:
        """All state of a learned normal as JSON."""
        scaling = self.scaling
        return {
            "kept": list(scaling.kept),
            "arrays": {name: getattr(self, name).tolist() for name in ARRAYS},
            "scaling": [scaling.centre.tolist(), scaling.scale.tolist()],
            "forms": [form.tolist() for form in self._forms],
            "counts": [self._above, self._below, self._lasted, self._quiet, self.set_aside],
            "found": [self.on, self.ratio],
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`; nothing is computed again."""
        self.scaling = Scaling(list(data["kept"]), *(np.array(part, dtype=float) for part in data["scaling"]))
        for name in ARRAYS:
            setattr(self, name, np.array(data["arrays"][name], dtype=float))
        self._before = self._before.reshape(-1, len(data["kept"]))
        self._forms = [np.array(form, dtype=float) for form in data["forms"]]
        self._above, self._below, self._lasted, self._quiet, self.set_aside = data["counts"]
        self.on, self.ratio = data["found"]
