"""Whatever is saved, in whatever way: the pool serves on, and never with bad values."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.functional.pool.helpers import Load, settings_text

SAVES = 200


class Editor:
    """Saves good and bad content in all the ways that editors and tools have; remembers the good limits."""

    def __init__(self, pool, seed):
        self.random = random.Random(seed)
        self.path: Path = pool.config
        self.folder: Path = pool.config.parent
        self.good = {10}
        self.last_good = 10

    def save_something(self):
        kinds = [self.good_value] * 4 + [self.bad_value] * 3 + [self.comment, self.remove, self.rename_folder]
        self.random.choice(kinds)()

    def good_value(self):
        self.last_good = self.random.randrange(11, 900)
        self.good.add(self.last_good)
        self.put(settings_text(limit=self.last_good))

    def comment(self):
        self.put(settings_text(limit=self.last_good) + f"<!-- {self.random.random()} -->")

    def bad_value(self):
        text = settings_text(limit=self.random.randrange(11, 900))
        self.put(
            self.random.choice(
                [
                    "",
                    text[: self.random.randrange(len(text) - 20)],
                    settings_text(limit="ten"),
                    settings_text(limit=100_000),
                    text.replace("<configuration>", "<!DOCTYPE configuration><configuration>"),
                    text.replace("appSettings", "appSetting"),
                    text + "<!-- " + "x" * (1 << 20) + " -->",
                    text.replace("TestPool", "\x00"),
                ]
            )
        )

    def put(self, text):
        ways = [self.in_place, self.in_pieces, self.over_the_old, self.replaced, self.linked]
        self.random.choice(ways)(text.encode())

    def in_place(self, data):
        self.path.write_bytes(data)

    def in_pieces(self, data):
        with self.path.open("wb", buffering=0) as file:
            self.write_slowly(file, data)

    def over_the_old(self, data):
        """What is read meanwhile is a mixture of both, and perhaps a valid one."""
        self.path.touch()
        with self.path.open("r+b", buffering=0) as file:
            self.write_slowly(file, data)
            file.truncate(len(data))

    def write_slowly(self, file, data):
        size = 300_000 if len(data) > 100_000 else self.random.choice([40, 300])
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            time.sleep(0.003)

    def replaced(self, data):
        temporary = self.folder / "Settings.tmp"
        temporary.write_bytes(data)
        temporary.replace(self.path)

    def linked(self, data):
        target = self.folder / f"..data-{self.random.randrange(1 << 30)}"
        target.write_bytes(data)
        link = self.folder / "link.tmp"
        link.symlink_to(target.name)
        link.replace(self.path)

    def remove(self):
        self.path.unlink(missing_ok=True)

    def rename_folder(self):
        away = self.folder.with_name("away")
        self.folder.rename(away)
        time.sleep(0.01)
        away.rename(self.folder)


@pytest.mark.parametrize("seed", [int(os.environ.get("SAVES_SEED", "4"))])
def test_no_bad_value_is_ever_served(pool, seed):
    # A folder of its own: it is renamed away, and the program and its data are not to go with it.
    pool.config = pool.folder / "settings" / "Settings.config"
    pool.config.parent.mkdir()
    pool.settings()
    pool.start()
    editor = Editor(pool, seed)

    with Load(pool.url, keep_alive=1, fresh=1) as load:
        for _ in range(SAVES):
            editor.save_something()
            time.sleep(editor.random.choice([0.0, 0.01, 0.05, 0.2]))
        editor.replaced(settings_text(limit=editor.last_good).encode())
        status = pool.until_status(
            "the last good value",
            lambda s: s["limit"] == editor.last_good and not (s["config_error"] or s["starting_pids"]),
            seconds=30,
        )

    assert load.failures == []
    assert {answer["limit"] for answer in load.answers} <= editor.good
    assert status["failures"] == 0
