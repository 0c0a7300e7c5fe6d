"""Addresses are found in a tree of words, and mean what they would mean to Pyramid."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.interfaces import IRoutesMapper
from pyramid.urldispatch import Route

from gateway.web.addresses import AddressRoute, AddressTable
from gateway.web.api.call import PREFIX
from gateway.web.api.table import CALLS
from gateway.web.panels.screens import SCREENS

PATTERNS = {call.route_name: PREFIX + call.path for call in CALLS} | {s.route: s.path for s in SCREENS}
WORDS = sorted({word for pattern in PATTERNS.values() for word in pattern.split("/") if "{" not in word})
ROUTES = {name: Route(name, pattern) for name, pattern in PATTERNS.items()}


@pytest.fixture(scope="module")
def table():
    table = AddressTable()
    for name, pattern in PATTERNS.items():
        table.add(AddressRoute(name, pattern, None))
    return table


def ask(table, path):
    found = table(SimpleNamespace(path_info=path))
    return (found["route"].name, found["match"]) if found["route"] else None


values = st.text(min_size=1).filter(lambda text: "/" not in text and "\n" not in text)


@given(name=st.sampled_from(sorted(PATTERNS)), value=values)
def test_a_path_leads_to_its_address_with_what_stands_for_the_names(table, name, value):
    words = [value if "{" in word else word for word in PATTERNS[name].split("/")]
    path = "/".join(words)
    found = ask(table, path)
    if value not in WORDS:
        assert found == (name, ROUTES[name].match(path))


@given(st.lists(st.sampled_from(WORDS) | st.text("a{}*.\u00e4 ", max_size=3), max_size=8).map("/".join))
def test_it_is_found_where_pyramid_would_find_one_and_nowhere_else(table, rest):
    path = f"/{rest}"
    by_pyramid = {name: match for name in PATTERNS if (match := ROUTES[name].match(path)) is not None}
    found = ask(table, path)
    assert (found is not None) == bool(by_pyramid)
    assert found is None or by_pyramid[found[0]] == found[1]


@given(name=st.sampled_from(sorted(PATTERNS)), value=st.text() | st.integers())
def test_an_address_is_written_as_pyramid_writes_it(table, name, value):
    names = [word[1:-1] for word in PATTERNS[name].split("/") if "{" in word]
    values = dict.fromkeys(names, value) | {"unused": value}
    assert table.get_route(name).generate(values) == ROUTES[name].generate(values)


def test_names_of_patterns_are_whole_words():
    assert all("{" not in w or w[0] + w[-1] == "{}" for p in PATTERNS.values() for w in p.split("/"))


def test_of_two_addresses_the_one_with_the_fixed_word_is_meant(table):
    assert ask(table, "/provider/users/new") == ("provider.user_new", {})
    assert ask(table, "/provider/users/17") == ("provider.user", {"user_id": "17"})
    assert ask(table, "/api/v1/upgrades/cancel") == ("api.upgrades.cancel", {})


@pytest.mark.parametrize("path", ["", "/", "/provider", "/provider/users/", "//users", "/nowhere"])
def test_what_is_no_address_is_none(table, path):
    assert ask(table, path) is None


@pytest.mark.parametrize(
    ("name", "pattern"), [("provider.users", "/elsewhere"), ("elsewhere", "/provider/users/{other}")]
)
def test_neither_a_name_nor_a_path_is_given_twice(table, name, pattern):
    with pytest.raises(ValueError, match="there is an address with this name"):
        table.add(AddressRoute(name, pattern, None))


def test_the_application_has_them_all(router):
    table = router.registry.getUtility(IRoutesMapper)
    assert PATTERNS.keys() <= table.routes.keys()
    assert len(table.get_routes(include_static=True)) < 10, "they are tried one after the other"
