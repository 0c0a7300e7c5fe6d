"""Finds subscriptions by words of their customers, and by the beginning of their ids.

Few matches are looked up in the index of words. Where there are many, the list is walked instead and each of
its rows is tried: a page is full soon then. Both find the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    false,
    func,
    intersect,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from gateway.models import AccountWord, Subscription, words_of
from gateway.services.keys import is_text_id
from gateway.services.upsert import is_postgresql

MANY = 20_000
"""Customers; more than these are not gathered before the list is read."""
COMMON = 50_000
"""A word that begins so many words of customers tells too little to begin with."""
MOST_WORDS = 6

_LAST = "\U0010ffff"


class TextSearch:
    """What one text finds among subscriptions."""

    def __init__(self, db: Session, text: str) -> None:
        self._db = db
        self._ids = sorted({text, text.lower(), text.upper()}) if is_text_id(text) else []
        self._words = sorted(words_of(text), key=len, reverse=True)[:MOST_WORDS] if self._ids else []
        self._rare = [word for word in self._words if self._is_rare(word)]
        self._customers = self._gathered()
        self._has_numbers: bool | None = None

    def condition(self, within: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
        """The condition on `Subscription`, for a list that is sorted.

        :param within: the other conditions of the list, which the search uses to read less
        """
        if self._customers is None:
            return self._tried()
        return Subscription.id.in_(self.ids(within))

    def ids(self, within: Sequence[ColumnElement[bool]]) -> Select[str] | CompoundSelect[str]:
        """All that is found, in no order: quick to begin with, and to end where enough are counted."""
        query = select(Subscription.id).where(*within)
        if self._customers is None:
            return query.where(self._tried())
        common = [_has_word(word) for word in self._words if word not in self._rare]
        named = query.where(self._is_of(self._customers), *common)
        if not self._any_begins(query):
            return named
        return union_all(named, query.where(self._begins(), Subscription.account_id.not_in(self._customers)))

    def _is_of(self, customers: Select[str] | CompoundSelect[str]) -> ColumnElement[bool]:
        """SQLite does not know how many rows there are, and is led from customers to subscriptions."""
        named = Subscription.account_id.in_(customers)
        return named if is_postgresql(self._db) else Subscription.id.in_(select(Subscription.id).where(named))

    def _any_begins(self, query: Select[str]) -> bool:
        """Whether the text is the beginning of an id at all; looked for once."""
        if self._has_numbers is None:
            self._has_numbers = self._count(query.where(self._begins()), 0) > 0
        return self._has_numbers

    def _tried(self) -> ColumnElement[bool]:
        """The condition to try each row of a list with."""
        if not self._ids:
            return false()
        return (
            self._begins() | and_(*[_has_word(word) for word in self._words])
            if self._words
            else self._begins()
        )

    def _gathered(self) -> Select[str] | CompoundSelect[str] | None:
        """The customers who have all words that are rare; None where there are too many or no such words."""
        if not self._rare:
            return None
        having = [select(AccountWord.account_id).where(_begins(word)) for word in self._rare]
        customers = intersect(*having) if len(having) > 1 else having[0]
        return customers if self._count(customers, MANY) <= MANY else None

    def _begins(self) -> ColumnElement[bool]:
        """The id begins with the text; ids know capitals, whoever types one may not."""
        if is_postgresql(
            self._db
        ):  # Its order of texts is that of a language, in which beginnings lie apart.
            return or_(*[Subscription.id.startswith(each, autoescape=True) for each in self._ids])
        return or_(*[(Subscription.id >= each) & (Subscription.id < each + _LAST) for each in self._ids])

    def _is_rare(self, word: str) -> bool:
        return self._count(select(AccountWord.account_id).where(_begins(word)), COMMON) <= COMMON

    def _count(self, query: Select[str] | CompoundSelect[str], at_most: int) -> int:
        some = query.limit(at_most + 1).subquery()
        return self._db.scalar(select(func.count()).select_from(some)) or 0


def _begins(word: str) -> ColumnElement[bool]:
    return (AccountWord.word >= word) & (AccountWord.word < word + _LAST)


def _has_word(word: str) -> ColumnElement[bool]:
    """A subquery with a limit, which a planner looks up row by row instead of gathering all of it first."""
    found = select(literal(1)).where(AccountWord.account_id == Subscription.account_id, _begins(word))
    return found.limit(1).correlate(Subscription).scalar_subquery().is_not(None)
