"""The limits a chart rests on: given or learned, proposed, frozen by a person; a page for each product with `per`.

What is given is checked by its first points, and stands whatever they show. What is learned is a proposal. It serves
provisionally where there is nothing better; limits that a person has frozen stay until a person freezes others,
whatever is learned beside them.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Final

from rules.charting.keys import ChartKeys
from rules.charting.phase_one import Basis, PhaseOne
from rules.charting.recipe import Recipe
from rules.statistics.limits import Parameters

MOST_PAGES: Final = 200
"""So many products are remembered; of more, the one not made for longest goes, frozen ones last, the open one never."""


@dataclass(slots=True)
class Page:
    """`basis` is in force, `learning` is under way, `proposal` waits for a person beside a frozen basis.

    `checking` collects the points by which limits are judged that the rule gives.
    """

    basis: Basis | None = None
    learning: PhaseOne | None = None
    proposal: Basis | None = None
    checking: PhaseOne | None = None

    def snapshot(self) -> list[Any]:
        """Basis, learning, proposal, checking."""
        parts = (self.basis, self.learning, self.proposal, self.checking)
        return [None if part is None else part.snapshot() for part in parts]


class Book:
    """`page` is that of the product that is being made."""

    def __init__(self, recipe: Recipe, keys: ChartKeys) -> None:
        self._recipe = recipe
        self._keys = keys
        self._pages: dict[str, Page] = {}
        self.page = self.turn("")

    def turn(self, product: str) -> Page:
        """Open the product's page; a product never made before begins with what the rule gives, or learning."""
        page = self._pages.pop(product, None)
        self._pages[product] = self.page = self._blank() if page is None else page
        while len(self._pages) > MOST_PAGES:
            *others, _ = self._pages
            del self._pages[next((p for p in others if not _frozen(self._pages[p])), others[0])]
        return self.page

    def _blank(self) -> Page:
        given = self._keys.given
        if given is not None:
            return Page(Basis(given, model=self._keys.model), checking=self._check_of(given))
        return Page(learning=self._phase_one())

    def _check_of(self, given: Parameters) -> PhaseOne:
        return PhaseOne(self._recipe, FEWEST, given=given)

    def _phase_one(self) -> PhaseOne:
        learn = self._keys.learn
        return PhaseOne(self._recipe, FEWEST if learn is None else learn.subgroups, residuals=self._keys.residuals)

    def add(self, sample: Any, *, follows: bool) -> Basis | None:
        """A sample to learn from; returns what is proposed as soon as there is enough.

        `follows` says whether it is the neighbour of the one before.
        """
        page = self.page
        if page.learning is None or (proposed := page.learning.add(sample, follows=follows)) is None:
            return None
        page.learning = None
        if page.basis is not None and not page.basis.provisional:
            page.proposal = proposed
        else:
            page.basis = proposed
        return proposed

    def check(self, point: Any, *, follows: bool) -> Basis | None:
        """A point by which given limits are judged; returns those with what was found as soon as there is enough."""
        page = self.page
        if page.checking is None or page.basis is None or (found := page.checking.add(point, follows=follows)) is None:
            return None
        page.checking = None
        page.basis.checks, page.basis.notes = found.checks, found.notes
        return page.basis

    def objection(self, action: str) -> str | None:
        """Why limits cannot be frozen or learned anew now; None if they can."""
        page = self.page
        if action == "freeze" and page.proposal is None and (page.basis is None or not page.basis.provisional):
            return "no limits are proposed: what is in force is given or frozen, or still being learned"
        if action == "relearn" and page.learning is not None:
            return "limits are being learned already"
        return None

    def freeze(self, by: str, comment: str) -> Basis:
        """Put what is proposed in force for good, as the next revision."""
        page = self.page
        chosen = page.proposal or page.basis
        assert chosen is not None
        revision = 1 + (page.basis.revision if page.basis is not None else 0)
        page.basis, page.proposal, page.checking = chosen.frozen(revision, by, comment), None, None
        return page.basis

    def relearn(self) -> None:
        """Begin another Phase I; what is in force stays meanwhile."""
        self.page.learning, self.page.proposal = self._phase_one(), None

    def snapshot(self) -> list[list[Any]]:
        """Product and page, the one not made for longest first."""
        return [[product, page.snapshot()] for product, page in self._pages.items()]

    def restore(self, data: list[list[Any]]) -> None:
        """The reverse of `snapshot`."""
        self._pages = {product: self._restored(*saved) for product, saved in data}
        self.page = next(reversed(self._pages.values()))

    def inherit(self, data: list[list[Any]], changed: Set[str]) -> dict[str, Basis]:
        """Take over what the book of another version of the rule holds; `changed` are the grounds that differ.

        What nobody has frozen stands if nothing has changed; what a person has frozen stands unless more has than how
        much is learned from. Returns the frozen limits that are lost, by product.
        """
        pages = {product: self._restored(*saved) for product, saved in data}
        frozen = {product: page for product, page in pages.items() if page.basis is not None and page.basis.frozen_by}
        if not changed <= {"learn"}:
            return {product: page.basis for product, page in frozen.items() if page.basis is not None}
        if kept := frozen if changed else pages:
            self._pages, self.page = kept, next(reversed(kept.values()))
        return {}

    def _restored(self, basis: Any, learning: Any, proposal: Any, checking: Any) -> Page:
        page = Page(_basis(basis), proposal=_basis(proposal))
        if learning is not None:
            page.learning = self._phase_one()
            page.learning.restore(learning)
        if checking is not None and page.basis is not None:
            page.checking = self._check_of(page.basis.parameters)
            page.checking.restore(checking)
        return page


def _basis(data: Any) -> Basis | None:
    return None if data is None else Basis.restored(data)


FEWEST: Final = 25
"""Samples that limits are judged by which a rule gives, or learned from where a person wants others."""


def _frozen(page: Page) -> bool:
    return page.basis is not None and not page.basis.provisional
