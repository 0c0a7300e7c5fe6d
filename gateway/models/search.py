"""The words by which customers are found: those of their names and domains."""

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy import Connection, ForeignKey, Index, String, delete, event, insert
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from gateway.db import Base
from gateway.models.account import Account

LONGEST_WORD = 64
_WORD = re.compile(r"[^\W_]+")


class AccountWord(Base):
    """A word of an account's name or domain; by its beginning the account is found."""

    __tablename__ = "account_word"
    __table_args__ = (Index("ix_account_word_word_account_id", "word", "account_id"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    # Beginnings are ranges, and ranges need the order of the characters' numbers.
    word: Mapped[str] = mapped_column(
        String(LONGEST_WORD).with_variant(String(LONGEST_WORD, collation="C"), "postgresql"), primary_key=True
    )


def words_of(*texts: str | None) -> frozenset[str]:
    """Runs of letters and digits, without capitals and accents."""
    found: set[str] = set()
    for text in texts:
        if text:
            plain = unicodedata.normalize("NFKD", text.casefold())
            letters = "".join(each for each in plain if not unicodedata.combining(each))
            found.update(word[:LONGEST_WORD] for word in _WORD.findall(letters))
    return frozenset(found)


@event.listens_for(Account, "after_insert")
@event.listens_for(Account, "after_update")
def _write_words(_mapper: Mapper[Account], connection: Connection, account: Account) -> None:
    """Whoever writes rows without the ORM writes their words too."""
    connection.execute(delete(AccountWord).where(AccountWord.account_id == account.id))
    words: Iterable[str] = sorted(words_of(account.name, account.domain))
    rows = [{"account_id": account.id, "word": word} for word in words]
    if rows:
        connection.execute(insert(AccountWord), rows)
