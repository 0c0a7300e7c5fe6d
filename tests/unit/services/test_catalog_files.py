import json

import pytest

from gateway.services.catalog import CatalogError, files, keep_for_simulator, parse_catalog, read_catalog
from tests.unit.services.catalogs import small_catalog


class TestReading:
    def test_a_file_is_read(self, tmp_path):
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps(small_catalog()))

        assert read_catalog(path) == small_catalog()

    def test_a_byte_order_mark_is_no_harm(self):
        assert parse_catalog(b"\xef\xbb\xbf{}", "catalog") == {}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b'{\n "a": ]', "catalog: line 2 column 7: not JSON: Expecting value"),
            (b"", "catalog: line 1 column 1: not JSON: Expecting value"),
            (b'{"a": {"id": "x", "b": 1, "b": 2}}', "an object with the id 'x' has the key 'b' twice"),
            (b'{"b": 1, "b": 2}', "an object has the key 'b' twice, expected once"),
            (b'{"a": NaN}', "catalog: found NaN, expected a number"),
            (b'"\xff"', "catalog: byte 1 is not UTF-8"),
            (b"[" * 100_000, "catalog: objects and lists are nested too deeply"),
        ],
        ids=range(7),
    )
    def test_what_is_not_json_is_refused_with_its_place(self, content, message):
        with pytest.raises(CatalogError) as caught:
            parse_catalog(content, "catalog")

        assert message in str(caught.value)

    def test_a_number_of_thousands_of_digits_is_refused(self):
        with pytest.raises(CatalogError):
            parse_catalog(b"1" * 5000, "catalog")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(CatalogError, match="absent"):
            read_catalog(tmp_path / "absent")

    def test_a_folder_is_no_catalog(self, tmp_path):
        with pytest.raises(CatalogError, match="expected a catalog file"):
            read_catalog(tmp_path)

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "LARGEST_FILE", 1)
        path = tmp_path / "catalog.json"
        path.write_text("{}")

        with pytest.raises(CatalogError, match="2 bytes, expected at most 1"):
            read_catalog(path)


class TestKeepingForTheSimulator:
    def test_the_document_is_kept_as_it_is(self, tmp_path):
        path = keep_for_simulator(small_catalog(), tmp_path / "simulator" / "catalog")

        assert json.loads(path.read_text(encoding="utf-8")) == small_catalog()
        assert path.suffix == ".json"

    def test_the_same_catalog_twice_is_one_file(self, tmp_path):
        keep_for_simulator(small_catalog(), tmp_path)
        changed = small_catalog()
        changed["accounts"][0]["name"] = "Another"

        path = keep_for_simulator(changed, tmp_path)

        assert list(tmp_path.iterdir()) == [path]
        assert json.loads(path.read_text())["accounts"][0]["name"] == "Another"

    def test_another_catalog_comes_after_it(self, tmp_path):
        first = keep_for_simulator(small_catalog(), tmp_path)
        second = keep_for_simulator({"accounts": [{"id": "x"}]}, tmp_path)

        assert sorted(tmp_path.iterdir()) == [first, second]

    def test_one_that_comes_again_is_the_last(self, tmp_path):
        keep_for_simulator(small_catalog(), tmp_path)
        second = keep_for_simulator({"accounts": [{"id": "x"}]}, tmp_path)

        third = keep_for_simulator(small_catalog(), tmp_path)

        assert sorted(tmp_path.iterdir()) == [second, third]

    def test_a_document_that_cannot_be_written_leaves_nothing(self, tmp_path):
        with pytest.raises(TypeError):
            keep_for_simulator({"accounts": [{"id": "x", "name": object()}]}, tmp_path)

        assert list(tmp_path.iterdir()) == []
