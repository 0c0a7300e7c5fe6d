from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import Account, AccountType, AuditEntry, Role
from gateway.services.accounts import Accounts
from gateway.services.catalog.editing import ChangedMeanwhileError
from gateway.services.errors import RoleNotSufficientError
from gateway.services.vendors import AccountNotFoundError
from tests.factories import NOW, guid
from tests.unit.services.administrating import LATER, administrator, refused
from tests.unit.services.helpers import Tree, caller_of, visible_to

RESELLER = {"name": "Åre & Sons", "mpn_id": "5104417", "email": ""}
CUSTOMER = {
    "name": "Contoso",
    "microsoft_tenant_id": guid("contoso").upper(),
    "domain": "contoso.onmicrosoft.com",
    "email": "admin@contoso.com",
}


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def tree(factories):
    return Tree(factories)


@pytest.fixture
def accounts(db, tree):
    return Accounts(db, administrator(db, tree.provider))


@pytest.fixture
def own(db, tree):
    """As the reseller `parent` sees them."""
    return Accounts(db, administrator(db, tree.parent))


class TestWhatIsSeen:
    @pytest.mark.parametrize("vendor", range(4))
    def test_resellers_are_those_below(self, db, tree, vendor):
        account = tree.vendors[vendor]

        found = Accounts(db, administrator(db, account)).resellers()

        assert {row.reseller.id for row in found} == visible_to(tree, account) - {account.id}

    def test_they_are_counted_with_their_customers_and_plans(self, accounts):
        counts = {row.reseller.id: (row.customers, row.plans) for row in accounts.resellers()}

        assert counts == {"parent": (1, 2), "child": (1, 2), "sibling": (1, 2)}

    @pytest.mark.parametrize("account_id", ["sibling", "parent", "provider", "", "nobody", "x\x00"])
    def test_others_and_itself_are_no_resellers_of_a_reseller(self, own, account_id):
        with pytest.raises(AccountNotFoundError):
            own.reseller(account_id)

    @pytest.mark.parametrize("many", [10, -1], ids=["gathered", "walked"])
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("conto", {"Contoso", "Other"}),
            ("CONTOSO de", {"Other"}),
            ("oso", set()),
            ("k-3", {"Third"}),
            ("%", set()),
            ("\x00", set()),
        ],
    )
    def test_customers_are_found_by_words_and_ids(self, factories, tree, own, monkeypatch, many, text, names):
        monkeypatch.setattr("gateway.services.searching.MANY", many)
        for key, name, domain in (
            ("k-1", "Contoso", "a.com"),
            ("k-2", "Other", "contoso.de"),
            ("K-3", "Third", "b.com"),
        ):
            factories.customer(tree.parent, id=key, name=name, domain=domain)
        factories.customer(tree.sibling, name="Contoso of another one")

        found = own.customers("parent", text=text, limit=10).items

        assert {each.name for each in found} == names

    def test_customers_come_in_pages(self, own, factories, tree):
        for _ in range(3):
            factories.customer(tree.parent)
        first = own.customers("parent", limit=3)
        second = own.customers("parent", cursor=first.next_cursor, limit=3)

        assert (len(first.items), len(second.items), second.next_cursor) == (3, 1, None)

    @pytest.mark.parametrize("vendor", ["parent", "child"])
    def test_a_customer_of_the_branch_is_seen(self, own, tree, vendor):
        customer_id = tree.subscriptions[vendor].account_id

        assert own.customer(customer_id).id == customer_id

    def test_one_of_another_branch_is_not(self, own, tree):
        with pytest.raises(AccountNotFoundError):
            own.customer(tree.subscriptions["sibling"].account_id)
        with pytest.raises(AccountNotFoundError):
            own.customers("sibling", limit=10)

    def test_a_reseller_is_no_customer(self, own):
        with pytest.raises(AccountNotFoundError):
            own.customer("child")


class TestCreate:
    def test_a_reseller_is_below_its_parent_with_an_id_of_its_name(self, db, accounts, tree):
        created = accounts.create_reseller("parent", RESELLER, NOW)

        assert (created.id, created.type, created.parent_id) == ("are-sons", AccountType.RESELLER, "parent")
        assert (created.mpn_id, created.email) == ("5104417", None)
        entry = db.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.account_id) == ("account_created", "are-sons")

    def test_a_second_one_of_the_same_name_is_another_one(self, accounts):
        assert accounts.create_reseller("parent", RESELLER, NOW).id == "are-sons"
        assert accounts.create_reseller("sibling", RESELLER, NOW).id == "are-sons-2"

    def test_a_customer_keeps_its_tenant_in_small_letters(self, own):
        created = own.create_customer("child", CUSTOMER, NOW)

        assert (created.parent_id, created.microsoft_tenant_id) == ("child", guid("contoso"))

    @pytest.mark.parametrize(
        ("member", "value"),
        [("microsoft_tenant_id", "contoso"), ("domain", "no domain"), ("email", "nobody"), ("name", "")],
    )
    def test_the_rules_of_the_import_hold(self, db, own, member, value):
        before = len(db.scalars(select(Account)).all())

        assert list(refused(lambda: own.create_customer("parent", CUSTOMER | {member: value}, NOW))) == [
            member
        ]
        assert len(db.scalars(select(Account)).all()) == before

    def test_a_tenant_belongs_to_one_customer(self, own):
        own.create_customer("parent", CUSTOMER, NOW)

        problems = refused(lambda: own.create_customer("parent", CUSTOMER, NOW))

        assert "contoso has it" in problems["microsoft_tenant_id"]

    @pytest.mark.parametrize("parent_id", ["sibling", "provider", ""])
    def test_nothing_is_made_outside_of_the_branch(self, own, parent_id):
        with pytest.raises(AccountNotFoundError):
            own.create_reseller(parent_id, RESELLER, NOW)
        with pytest.raises(AccountNotFoundError):
            own.create_customer(parent_id, CUSTOMER, NOW)

    def test_a_role_that_does_not_administer_is_refused(self, db, tree):
        operator = Accounts(db, caller_of(db, tree.provider, Role.OPERATOR))

        with pytest.raises(RoleNotSufficientError):
            operator.create_reseller(tree.provider.id, RESELLER, NOW)


class TestChange:
    def test_it_stays_where_it_is(self, db, accounts, tree):
        account = accounts.create_reseller("parent", RESELLER, NOW)

        accounts.change(account, RESELLER | {"name": "New", "parent": "sibling"}, seen=NOW, now=LATER)

        assert (account.name, account.parent_id, account.updated_at) == ("New", "parent", LATER)

    def test_what_somebody_else_has_saved_is_not_overwritten(self, accounts):
        account = accounts.create_reseller("parent", RESELLER, NOW)
        accounts.change(account, RESELLER | {"name": "Theirs"}, seen=NOW, now=LATER)

        with pytest.raises(ChangedMeanwhileError):
            accounts.change(account, RESELLER | {"name": "Mine"}, seen=NOW, now=LATER)
