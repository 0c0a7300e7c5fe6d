"""Finds customers by words of their names and domains, and what they are subscribed to.

Few matches are gathered from the index of words, once for a list and its count. Where there are many, the
list is walked instead and each of its rows is tried: a page is full soon then. Both find the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    exists,
    false,
    func,
    intersect,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

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
    """What one text finds: words with which words of customers begin, or the beginning of an id."""

    def __init__(self, db: Session, text: str) -> None:
        self._db = db
        self._ids = sorted({text, text.lower(), text.upper()}) if is_text_id(text) else []
        self._words = sorted(words_of(text), key=len, reverse=True)[:MOST_WORDS] if self._ids else []
        counts = {word: self._count(_having(word), COMMON) for word in self._words}
        self._rare = [word for word, count in counts.items() if count <= COMMON]
        self._customers = self._few(counts)

    @property
    def is_gathered(self) -> bool:
        """Whether the customers are few enough to begin with them."""
        return self._customers is not None

    def gathered(self, columns: Sequence[InstrumentedAttribute[Any]], plan: ColumnElement[bool]) -> CTE:
        """All subscriptions that are found, with these columns, in no order.

        A planner takes it for what it is, and does not walk a whole list in the order that is asked for.

        :param plan: a condition that the index of a customer's subscriptions knows as well
        """
        query = select(*columns).where(plan)
        is_named = self.names(Subscription.account_id)
        parts = [query.where(is_named)]
        if self._any_begins(plan):
            parts += [query.where(each, ~is_named) for each in self.begins(Subscription.id)]
        return union_all(*parts).cte("found").prefix_with("MATERIALIZED")

    def tried(self) -> ColumnElement[bool]:
        """The condition on `Subscription` to try each row of a list with."""
        return or_(false(), *self.begins(Subscription.id), self.names(Subscription.account_id))

    def names(self, account_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
        """Whether this is a customer who has all the words."""
        if self._customers is None:
            return and_(*[_has_word(account_id, each) for each in self._words]) if self._words else false()
        common = [_has_word(account_id, each) for each in self._words if each not in self._rare]
        return and_(account_id.in_(self._customers), *common)

    def begins(self, key: InstrumentedAttribute[str]) -> Sequence[ColumnElement[bool]]:
        """Whether this is an id that begins with the text; ids know capitals, whoever types one may not.

        One of several conditions, each of which an index knows, where any does.
        """
        if is_postgresql(
            self._db
        ):  # Its order of texts is that of a language, in which beginnings lie apart.
            return [or_(*[key.startswith(each, autoescape=True) for each in self._ids])] if self._ids else []
        return [(key >= each) & (key < each + _LAST) for each in self._ids]

    def _few(self, counts: dict[str, int]) -> Select[str] | CompoundSelect[str] | None:
        """The customers who have all words that are rare; None where there are too many or no such words."""
        if not self._rare:
            return None
        having = [_having(word) for word in self._rare]
        customers = intersect(*having) if len(having) > 1 else having[0]
        found = self._count(customers, MANY) if len(having) > 1 else counts[self._rare[0]]
        return customers if found <= MANY else None

    def _any_begins(self, plan: ColumnElement[bool]) -> bool:
        """Whether the text is the beginning of an id at all, which few texts are.

        PostgreSQL reads all ids of the plan for that, though nothing else of them.
        """
        parts = [exists(select(Subscription.id).where(plan, each)) for each in self.begins(Subscription.id)]
        return bool(self._db.scalar(select(or_(false(), *parts))))

    def _count(self, query: Select[str] | CompoundSelect[str], at_most: int) -> int:
        some = query.limit(at_most + 1).subquery()
        return self._db.scalar(select(func.count()).select_from(some)) or 0


def _having(word: str) -> Select[str]:
    return select(AccountWord.account_id).where(_begins(word))


def _begins(word: str) -> ColumnElement[bool]:
    return (AccountWord.word >= word) & (AccountWord.word < word + _LAST)


def _has_word(account_id: InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    """A subquery with a limit, which a planner looks up row by row instead of gathering all of it first."""
    found = select(literal(1)).where(AccountWord.account_id == account_id, _begins(word))
    return found.limit(1).correlate(account_id.class_).scalar_subquery().is_not(None)
