from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, Role
from gateway.services.api_key_administration import APIKeyAdministration
from gateway.services.api_keys import APIKeyNotFoundError
from gateway.services.branch import make_caller
from gateway.services.errors import RoleNotSufficientError
from gateway.services.sessions import Sessions
from gateway.services.user_administration import LastAdministratorError, OwnAccessError, UserAdministration
from gateway.services.users import InvalidPasswordError, UserNotFoundError, Users
from gateway.services.vendors import AccountNotFoundError
from tests.factories import NOW, PASSWORD
from tests.unit.services.helpers import Tree


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


class TestWhomOneLooksAfter:
    def test_a_reseller_sees_its_own_users_alone(self, db, tree, boss):
        assert logins(as_user(db, boss["parent"])) == ["parent-boss"]

    def test_the_provider_sees_those_of_resellers_too(self, db, tree, boss):
        assert set(logins(as_user(db, boss["provider"]))) == {user.login for user in boss.values()}

    @pytest.mark.parametrize("vendor", ["child", "provider", "sibling"])
    def test_another_accounts_user_does_not_exist(self, db, tree, boss, vendor):
        with pytest.raises(UserNotFoundError):
            as_user(db, boss["parent"]).set_password(boss[vendor].id, PASSWORD, NOW)

    def test_another_account_does_not_exist_either(self, db, tree, boss):
        with pytest.raises(AccountNotFoundError):
            as_user(db, boss["parent"]).add("anna", "child", Role.OPERATOR, PASSWORD, NOW)

    def test_the_provider_adds_a_user_of_a_reseller(self, db, tree, boss):
        user = as_user(db, boss["provider"]).add("anna", "child", Role.OPERATOR, PASSWORD, NOW)

        assert user.account_id == "child"
        assert last_entry(db).account_id == "child"
        assert last_entry(db).actor_account_id == tree.provider.id

    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.READ_ONLY])
    def test_only_administrators_change_anything(self, db, tree, boss, factories, role):
        colleague = factories.user(tree.parent, role, login="colleague")
        administration = as_user(db, colleague)

        for attempt in (
            lambda: administration.add("anna", "parent", Role.OPERATOR, PASSWORD, NOW),
            lambda: administration.change_role(boss["parent"].id, Role.OPERATOR, NOW),
            lambda: administration.set_password(boss["parent"].id, PASSWORD, NOW),
            lambda: administration.disable(boss["parent"].id, NOW),
            lambda: administration.enable(boss["parent"].id, NOW),
            lambda: administration.sign_out(boss["parent"].id, NOW),
        ):
            with pytest.raises(RoleNotSufficientError):
                attempt()

    def test_pages_follow_each_other_by_login(self, db, tree, boss):
        administration = as_user(db, boss["provider"])

        first = administration.find(NOW, limit=2)
        second = administration.find(NOW, limit=2, cursor=first.next_cursor)

        found = [row.user.login for row in [*first.items, *second.items]]
        assert found == sorted(user.login for user in boss.values())
        assert second.next_cursor is None

    def test_the_text_is_looked_for_in_logins_and_accounts(self, db, tree, boss):
        assert logins(as_user(db, boss["provider"]), text="CHILD") == ["child-boss"]


class TestTheLastAdministrator:
    @pytest.mark.parametrize("who", ["provider", "colleague"])
    def test_nobody_takes_it_away(self, db, tree, boss, factories, who):
        """A colleague who is an administrator elsewhere, or disabled, does not count."""
        factories.user(tree.parent, login="gone", disabled_at=NOW)
        factories.user(tree.parent, Role.OPERATOR, login="operator")
        doomed = boss["parent"]
        administration = as_user(db, boss["provider"])
        if who == "colleague":
            colleague = factories.user(tree.parent, login="colleague")
            administration.disable(colleague.id, NOW)

        for attempt in (
            lambda: administration.change_role(doomed.id, Role.OPERATOR, NOW),
            lambda: administration.disable(doomed.id, NOW),
        ):
            with pytest.raises(LastAdministratorError, match="parent-boss"):
                attempt()
        assert (doomed.role, doomed.disabled_at) == (Role.ADMINISTRATOR, None)

    def test_one_of_two_may_go(self, db, tree, boss, factories):
        colleague = factories.user(tree.parent, login="colleague")

        as_user(db, boss["parent"]).change_role(colleague.id, Role.READ_ONLY, NOW)

        assert colleague.role is Role.READ_ONLY
        assert last_entry(db).detail == "Role administrator → read_only"

    def test_nobody_changes_the_own_access(self, db, tree, boss, factories):
        factories.user(tree.parent, login="colleague")
        administration, own = as_user(db, boss["parent"]), boss["parent"].id

        for attempt in (
            lambda: administration.change_role(own, Role.OPERATOR, NOW),
            lambda: administration.disable(own, NOW),
            lambda: administration.set_password(own, PASSWORD, NOW),
        ):
            with pytest.raises(OwnAccessError, match="yourself"):
                attempt()


class TestAccess:
    def test_who_is_disabled_is_out_and_stays_out(self, db, boss):
        token = Sessions(db).open(boss["sibling"], NOW)

        as_user(db, boss["provider"], with_colleague="sibling").disable(boss["sibling"].id, NOW)

        assert Sessions(db).find(token, NOW) is None
        assert Users(db).verify("sibling-boss", PASSWORD) is None

    def test_a_session_opened_in_the_same_moment_is_none_either(self, db, boss):
        as_user(db, boss["provider"], with_colleague="sibling").disable(boss["sibling"].id, NOW)

        assert Sessions(db).find(Sessions(db).open(boss["sibling"], NOW), NOW) is None

    def test_who_is_enabled_comes_in_with_the_password_of_before(self, db, boss):
        administration = as_user(db, boss["provider"], with_colleague="sibling")
        administration.disable(boss["sibling"].id, NOW)

        administration.enable(boss["sibling"].id, NOW)

        assert Users(db).verify("sibling-boss", PASSWORD) is boss["sibling"]

    def test_a_new_password_ends_sessions(self, db, boss):
        token = Sessions(db).open(boss["sibling"], NOW)

        as_user(db, boss["provider"]).set_password(boss["sibling"].id, "another long password", NOW)

        assert Sessions(db).find(token, NOW) is None
        assert Users(db).verify("sibling-boss", "another long password") is boss["sibling"]
        assert "another long" not in str(vars(last_entry(db)))

    def test_a_bad_password_changes_nothing(self, db, boss):
        token = Sessions(db).open(boss["sibling"], NOW)

        with pytest.raises(InvalidPasswordError):
            as_user(db, boss["provider"]).set_password(boss["sibling"].id, "short", NOW)

        assert Sessions(db).find(token, NOW) is not None

    def test_sign_out_ends_sessions(self, db, boss):
        token = Sessions(db).open(boss["sibling"], NOW)
        administration = as_user(db, boss["provider"])
        assert [row.sessions for row in administration.find(NOW, text="sibling").items] == [1]

        administration.sign_out(boss["sibling"].id, NOW)

        assert Sessions(db).find(token, NOW) is None
        assert last_entry(db).action == "user_signed_out"

    def test_sessions_that_are_over_do_not_count(self, db, boss):
        Sessions(db).open(boss["sibling"], NOW)

        rows = as_user(db, boss["provider"]).find(NOW + timedelta(days=2), text="sibling").items

        assert [row.sessions for row in rows] == [0]


class TestAPIKeys:
    def test_a_reseller_sees_its_own_keys_alone(self, db, tree, factories, boss):
        own, _ = factories.api_key(tree.parent)
        factories.api_key(tree.child)

        assert keys_of(db, boss["parent"]).find().items == [own]
        assert len(keys_of(db, boss["provider"]).find().items) == 2

    def test_another_accounts_key_does_not_exist(self, db, tree, factories, boss):
        key, _ = factories.api_key(tree.child)

        for prefix in (key.prefix, "no-such", "\x00"):
            with pytest.raises(APIKeyNotFoundError):
                keys_of(db, boss["parent"]).revoke(prefix, NOW)
        assert key.revoked_at is None

    def test_nobody_makes_a_key_of_another_account(self, db, tree, boss):
        with pytest.raises(AccountNotFoundError):
            keys_of(db, boss["parent"]).create("child", "Panel", Role.OPERATOR, NOW)

    def test_only_administrators_create_and_revoke(self, db, tree, factories):
        key, _ = factories.api_key(tree.parent)
        administration = keys_of(db, factories.user(tree.parent, Role.OPERATOR))

        with pytest.raises(RoleNotSufficientError):
            administration.create("parent", "Panel", Role.OPERATOR, NOW)
        with pytest.raises(RoleNotSufficientError):
            administration.revoke(key.prefix, NOW)

    def test_the_provider_creates_and_revokes_for_a_reseller(self, db, tree, boss):
        administration = keys_of(db, boss["provider"])

        key, _ = administration.create("child", "Panel", Role.OPERATOR, NOW)
        administration.revoke(key.prefix, NOW)

        assert (key.account_id, key.revoked_at) == ("child", NOW)
        assert last_entry(db).actor == boss["provider"].login


def caller_for(db, user):
    return make_caller(db, user.account, user.role, user.login)


def as_user(db, user, with_colleague=None):
    if with_colleague:
        Users(db).add("second-boss", with_colleague, Role.ADMINISTRATOR, PASSWORD, NOW)
    return UserAdministration(db, caller_for(db, user))


def keys_of(db, user):
    return APIKeyAdministration(db, caller_for(db, user))


def logins(administration, **wanted):
    return [row.user.login for row in administration.find(NOW, **wanted).items]


def last_entry(db):
    return db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()


@pytest.fixture
def tree(factories):
    return Tree(factories)


@pytest.fixture
def boss(tree, factories):
    """An administrator of each vendor."""
    names = {vendor.id: vendor for vendor in tree.vendors if vendor is not tree.provider}
    names["provider"] = tree.provider
    return {name: factories.user(vendor, login=f"{name}-boss") for name, vendor in names.items()}
