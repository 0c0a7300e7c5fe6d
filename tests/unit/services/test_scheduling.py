import itertools

import pytest
from sqlalchemy import String, event, func, insert, literal_column, select, update

from gateway.models import (
    PlanKind,
    ResourceKind,
    Role,
    Subscription,
    SubscriptionStatus,
    Upgrade,
    UpgradeBatch,
    UpgradeEvent,
    UpgradeStatus,
)
from gateway.services import scheduling
from gateway.services.caller import Caller
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.errors import (
    CustomerManagementRequiredError,
    DuplicateSubscriptionError,
    NoSubscriptionsError,
    NotEligibleError,
    RoleNotSufficientError,
    ServicePlanNotFoundError,
    SubscriptionNotFoundError,
    TooManySubscriptionsError,
)
from gateway.services.scheduling import UpgradeScheduling
from gateway.services.subscription_queries import SubscriptionQueries
from tests.factories import NOW, Factories
from tests.unit.services.helpers import E1, E3, E5, Tree, caller_of, paths_of, visible_to


class TestSchedule:
    def test_each_subscription_gets_a_pending_upgrade_in_the_order_of_the_request(self, db, scheduler, plans):
        ids = [plans.subscription() for _ in range(7)]
        wanted = [ids[3], ids[0], *ids[6:3:-1], ids[2], ids[1]]

        scheduled = scheduler.schedule(wanted, plans.target.id, only_eligible=False, now=NOW)

        assert [subscription_id for _, subscription_id in scheduled.upgrades] == wanted
        rows = db.scalars(select(Upgrade).order_by(Upgrade.id)).all()
        assert [(row.id, row.subscription_id) for row in rows] == scheduled.upgrades
        assert {row.status for row in rows} == {UpgradeStatus.PENDING}
        assert len({row.request_id for row in rows} | {row.correlation_id for row in rows}) == 14
        assert scheduled.refused == []

    def test_an_upgrade_has_what_the_engine_needs(self, db, scheduler, plans):
        subscription = plans.make()

        scheduler.schedule([subscription.id], plans.target.id, only_eligible=False, now=NOW)

        upgrade = db.scalars(select(Upgrade)).one()
        assert upgrade.account_id == subscription.account_id
        assert upgrade.microsoft_tenant_id == subscription.account.microsoft_tenant_id
        assert upgrade.application_instance_id == plans.source.service_template.application_instance_id
        assert (upgrade.source_plan_id, upgrade.target_plan_id) == (plans.source.id, plans.target.id)
        assert (upgrade.scheduled_at, upgrade.changed_at, upgrade.due_at) == (NOW, NOW, NOW)
        assert (upgrade.attempts, upgrade.step, upgrade.lease_owner) == (0, None, None)

    def test_the_batch_says_who_asked_for_what(self, db, scheduler, plans, caller):
        scheduled = scheduler.schedule([plans.subscription()], plans.target.id, only_eligible=False, now=NOW)

        batch = db.scalars(select(UpgradeBatch)).one()
        assert batch is scheduled.batch
        assert (batch.account_id, batch.requested_by) == (caller.account_id, caller.name)
        assert (batch.target_plan_id, batch.created_at) == (plans.target.id, NOW)

    def test_the_timeline_begins_with_scheduled(self, db, scheduler, plans, caller):
        ids = [plans.subscription(), plans.subscription()]

        scheduled = scheduler.schedule(ids, plans.target.id, only_eligible=False, now=NOW)

        events = db.scalars(select(UpgradeEvent).order_by(UpgradeEvent.id)).all()
        assert [event.upgrade_id for event in events] == [key for key, _ in scheduled.upgrades]
        assert {(event.name, event.at) for event in events} == {("scheduled", NOW)}
        assert caller.name in (events[0].detail or "")

    def test_one_refused_subscription_refuses_the_request(self, db, scheduler, plans):
        good, suspended = plans.subscription(), plans.subscription(status=SubscriptionStatus.SUSPENDED)

        with pytest.raises(NotEligibleError, match=f"subscription {suspended} cannot be upgraded") as caught:
            scheduler.schedule([good, suspended], plans.target.id, only_eligible=False, now=NOW)

        [refusal] = caught.value.refusals
        assert caught.value.code == "not_eligible"
        assert refusal.subscription_id == suspended
        assert [violation.code for violation in refusal.violations] == ["subscription_not_active"]
        assert count(db, Upgrade) == count(db, UpgradeBatch) == 0

    def test_every_reason_of_every_subscription_is_named(self, scheduler, plans, factories):
        addon = factories.resource_type(ResourceKind.ADDON)
        one = plans.subscription(status=SubscriptionStatus.EXPIRED, resources={addon: 3})
        two = plans.subscription(license_limit=0)

        with pytest.raises(NotEligibleError) as caught:
            scheduler.schedule([two, one], plans.target.id, only_eligible=False, now=NOW)

        assert {r.subscription_id: [v.code for v in r.violations] for r in caught.value.refusals} == {
            two: ["license_missing"],
            one: ["subscription_not_active", "addon_not_zero"],
        }

    def test_only_the_eligible_ones_go_when_that_was_asked_for(self, db, scheduler, plans):
        good, bad = plans.subscription(), plans.subscription(license_limit=-1)

        scheduled = scheduler.schedule([bad, good], plans.target.id, only_eligible=True, now=NOW)

        assert [subscription_id for _, subscription_id in scheduled.upgrades] == [good]
        assert [refusal.subscription_id for refusal in scheduled.refused] == [bad]
        assert db.scalars(select(Upgrade.subscription_id)).all() == [good]

    def test_nothing_eligible_at_all_is_refused_in_any_case(self, db, scheduler, plans):
        bad = plans.subscription(license_limit=0)

        with pytest.raises(NotEligibleError):
            scheduler.schedule([bad], plans.target.id, only_eligible=True, now=NOW)

        assert count(db, UpgradeBatch) == 0

    def test_a_second_request_for_the_same_subscription_is_refused(self, scheduler, plans):
        subscription = plans.subscription()
        scheduler.schedule([subscription], plans.target.id, only_eligible=False, now=NOW)

        with pytest.raises(NotEligibleError) as caught:
            scheduler.schedule([subscription], plans.target.id, only_eligible=False, now=NOW)

        assert [v.code for v in caught.value.refusals[0].violations] == ["upgrade_in_progress"]

    @pytest.mark.parametrize(
        "status", [UpgradeStatus.FAILED, UpgradeStatus.CANCELED, UpgradeStatus.COMPLETED]
    )
    def test_one_whose_upgrade_has_ended_may_be_scheduled_again(
        self, db, scheduler, plans, factories, status
    ):
        subscription = plans.make()
        factories.upgrade(subscription, plans.target, status=status)

        scheduler.schedule([subscription.id], plans.target.id, only_eligible=False, now=NOW)

        assert count(db, Upgrade) == 2

    def test_a_path_that_microsoft_does_not_have_is_refused(self, db, caller, plans):
        scheduler = UpgradeScheduling(db, caller, paths_of(db, {E1: [E5]}))

        with pytest.raises(NotEligibleError) as caught:
            scheduler.schedule([plans.subscription()], plans.target.id, only_eligible=False, now=NOW)

        assert [v.code for v in caught.value.refusals[0].violations] == ["no_upgrade_path"]

    def test_it_goes_on_while_microsoft_does_not_answer(self, db, caller, plans):
        scheduler = UpgradeScheduling(db, caller, paths_of(db))

        scheduled = scheduler.schedule([plans.subscription()], plans.target.id, only_eligible=False, now=NOW)

        assert len(scheduled.upgrades) == 1

    def test_a_long_name_of_who_asked_is_cut(self, db, factories, plans):
        long_name = "API key " + "x" * 300
        caller = Caller(
            account_id=factories.provider().id,
            account_type=factories.provider().type,
            role=Role.OPERATOR,
            name=long_name,
            vendor_ids=None,
        )

        scheduled = UpgradeScheduling(db, caller, paths_of(db)).schedule(
            [plans.subscription()], plans.target.id, only_eligible=False, now=NOW
        )

        assert scheduled.batch.requested_by == long_name[:200]

    def test_thousands_are_scheduled_at_once(self, db, scheduler, plans, monkeypatch):
        monkeypatch.setattr("gateway.services.keys.CHUNK", 7)
        ids = [plans.subscription() for _ in range(40)]

        scheduled = scheduler.schedule(ids, plans.target.id, only_eligible=False, now=NOW)

        assert [subscription_id for _, subscription_id in scheduled.upgrades] == ids
        made = db.scalars(select(Upgrade).order_by(Upgrade.id)).all()
        assert [(each.id, each.subscription_id) for each in made] == scheduled.upgrades
        sent = {key for each in made for key in (each.request_id, each.correlation_id)}
        assert len(sent) == 2 * len(ids)
        assert {key.version for key in sent} == {4}


class TestWhatTheRequestMustBe:
    def test_an_empty_list_is_an_error(self, scheduler, plans):
        with pytest.raises(NoSubscriptionsError) as caught:
            scheduler.schedule([], plans.target.id, only_eligible=False, now=NOW)

        assert caught.value.code == "no_subscriptions"

    def test_a_repeated_id_is_an_error(self, scheduler, plans):
        subscription = plans.subscription()

        with pytest.raises(DuplicateSubscriptionError, match=subscription) as caught:
            scheduler.schedule([subscription] * 2, plans.target.id, only_eligible=True, now=NOW)

        assert (caught.value.code, caught.value.ids) == ("duplicate_subscription", (subscription,))

    def test_there_are_at_most_so_many(self, scheduler, plans, monkeypatch):
        monkeypatch.setattr(scheduling, "MOST_SUBSCRIPTIONS", 2)

        with pytest.raises(
            TooManySubscriptionsError, match="3 subscriptions in one request; expected at most 2"
        ):
            scheduler.assess(["a", "b", "c"], plans.target.id, NOW)

    def test_every_unknown_id_is_named(self, scheduler, plans):
        unknown = ["nowhere", "a\x00b", "\ud800", "x" * 101]

        with pytest.raises(SubscriptionNotFoundError, match="nowhere") as caught:
            scheduler.schedule([plans.subscription(), *unknown], plans.target.id, only_eligible=True, now=NOW)

        assert (caught.value.code, caught.value.ids) == ("subscription_not_found", tuple(unknown))

    def test_a_message_names_some_of_many(self, scheduler, plans):
        with pytest.raises(SubscriptionNotFoundError, match="s19 and 10 more not found") as caught:
            scheduler.assess([f"s{n}" for n in range(30)], plans.target.id, NOW)

        assert len(caught.value.ids) == 30

    @pytest.mark.parametrize("target", ["nowhere", "a\x00b", ""])
    def test_an_unknown_target_is_an_error(self, scheduler, plans, target):
        with pytest.raises(ServicePlanNotFoundError) as caught:
            scheduler.schedule([plans.subscription()], target, only_eligible=False, now=NOW)

        assert caught.value.code == "service_plan_not_found"


class TestAssess:
    def test_it_says_what_scheduling_would_do_and_stores_nothing(self, db, scheduler, plans):
        one, bad, two = plans.subscription(), plans.subscription(license_limit=0), plans.subscription()

        assessment = scheduler.assess([two, bad, one], plans.target.id, NOW)

        assert list(assessment.eligible) == [two, one]
        assert [refusal.subscription_id for refusal in assessment.refused] == [bad]
        assert assessment.target.id == plans.target.id
        assert count(db, Upgrade) == count(db, UpgradeBatch) == 0

    def test_microsoft_is_asked_once_for_each_offer(self, db, caller, plans):
        asked = []
        paths = paths_of(db)
        paths._ask = lambda *question: asked.append(question)
        ids = [plans.subscription() for _ in range(5)]

        UpgradeScheduling(db, caller, paths).assess(ids, plans.target.id, NOW)

        assert [offer_id for _, offer_id in asked] == [E1]


class TestWhoMayDoIt:
    def test_each_vendor_upgrades_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        for vendor in tree.vendors:
            scheduler = UpgradeScheduling(db, caller_of(db, vendor), paths_of(db))
            for owner in tree.vendors:
                ids = [tree.subscriptions[owner.id].id]
                if owner.id in visible_to(tree, vendor):
                    assert list(scheduler.assess(ids, tree.targets[owner.id].id, NOW).eligible) == ids
                    continue
                with pytest.raises(ServicePlanNotFoundError):
                    scheduler.assess(ids, tree.targets[owner.id].id, NOW)
                with pytest.raises(SubscriptionNotFoundError):
                    scheduler.assess(ids, tree.targets[vendor.id].id, NOW)
                with pytest.raises(SubscriptionNotFoundError):
                    scheduler.schedule(ids, tree.targets[vendor.id].id, only_eligible=True, now=NOW)
        assert count(db, Upgrade) == 0

    def test_a_subscription_does_not_go_to_the_plan_of_another_vendor(self, db, factories):
        tree = Tree(factories)
        scheduler = UpgradeScheduling(db, caller_of(db, tree.parent), paths_of(db))

        [refusal] = scheduler.assess([tree.subscriptions["child"].id], tree.targets["parent"].id, NOW).refused

        assert [violation.code for violation in refusal.violations] == ["other_vendor"]

    def test_a_reseller_needs_customer_management(self, db, factories, plans):
        reseller = factories.reseller()
        source = factories.service_plan([plans.source.licenses[0].resource_type], vendor=reseller)
        target = factories.service_plan([plans.target.licenses[0].resource_type], vendor=reseller)
        subscription = factories.subscription(source)
        scheduler = UpgradeScheduling(db, caller_of(db, reseller), paths_of(db))

        with pytest.raises(CustomerManagementRequiredError):
            scheduler.schedule([subscription.id], target.id, only_eligible=False, now=NOW)
        factories.subscription(factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT), account=reseller)

        assert scheduler.schedule([subscription.id], target.id, only_eligible=False, now=NOW).upgrades

    def test_a_role_that_reads_is_refused_before_anything_is_looked_up(self, db, factories):
        caller = caller_of(db, factories.provider(), Role.READ_ONLY)
        scheduler = UpgradeScheduling(db, caller, paths_of(db))

        with pytest.raises(RoleNotSufficientError):
            scheduler.assess([], "nowhere", NOW)
        with pytest.raises(RoleNotSufficientError):
            scheduler.schedule([], "nowhere", only_eligible=False, now=NOW)

    def test_the_ability_itself_cannot_be_upgraded(self, db, factories):
        tree = Tree(factories)
        scheduler = UpgradeScheduling(db, caller_of(db, tree.provider), paths_of(db))

        [refusal] = scheduler.assess(["management-parent"], tree.targets[tree.provider.id].id, NOW).refused

        assert [violation.code for violation in refusal.violations] == [
            "source_not_upgradable",
            "not_provisioned",
            "license_missing",
        ]


class Plans:
    """A source and a target of the provider."""

    def __init__(self, factories) -> None:
        self._factories = factories
        self.source = factories.service_plan([factories.resource_type(offer_id=E1)])
        self.target = factories.service_plan([factories.resource_type(offer_id=E3)])

    def make(self, **columns):
        return self._factories.subscription(self.source, **columns)

    def subscription(self, **columns) -> str:
        return str(self.make(**columns).id)


def count(db, model) -> int:
    return db.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
def plans(factories):
    return Plans(factories)


@pytest.fixture
def caller(db, factories):
    return caller_of(db, factories.provider())


@pytest.fixture
def scheduler(db, caller):
    return UpgradeScheduling(db, caller, paths_of(db, {E1: [E3]}))


def test_of_upgrades_that_come_in_one_statement_the_newest_is_the_one_of_the_subscription(database):
    with database.write() as db:
        factories = Factories(db)
        upgrade = factories.upgrade(status=UpgradeStatus.FAILED)
        db.flush()
        columns = {c.key: getattr(upgrade, c.key) for c in Upgrade.__table__.columns}
        newer = [columns | {"id": upgrade.id + n, "status": status} for n, status in NEWER.items()]
        db.execute(insert(Upgrade).values(newer))

    with database.read() as db:
        [row] = SubscriptionQueries(db, caller_of(db, Factories(db).provider())).by_ids(
            [columns["subscription_id"]]
        )
        assert row.upgrade_id == columns["id"] + 3
        assert row.subscription.upgrade_status == "canceled"


class TestPlansOfPostgreSQL:
    """SQLite makes it part of the statement."""

    @pytest.fixture
    def database(self, postgresql_database):
        return postgresql_database

    @pytest.mark.parametrize("act", ["schedule", "cancel"])
    def test_what_hangs_on_each_row_is_planned_once_and_by_indexes(self, db, scheduler, plans, caller, act):
        """PostgreSQL would take several times as long for a large batch."""
        scheduled = scheduler.schedule([plans.subscription()], plans.target.id, only_eligible=False, now=NOW)
        seen = {}

        def look(connection, _cursor, statement, *_rest):
            if statement.startswith(
                ("INSERT INTO upgrade ", "INSERT INTO upgrade_event ", "UPDATE upgrade ")
            ):
                seen[statement.partition(" (")[0]] = planning(connection.connection.dbapi_connection)

        event.listen(db.connection(), "before_cursor_execute", look)
        if act == "schedule":
            scheduler.schedule([plans.subscription()], plans.target.id, only_eligible=False, now=NOW)
        else:
            UpgradeCancellation(db, caller).cancel(batch_id=scheduled.batch.id, now=NOW)

        assert len(seen) == 2
        assert set(seen.values()) == {("force_generic_plan", "off")}
        assert planning(db.connection().connection.dbapi_connection) == ("force_custom_plan", "on")

    def test_a_subscription_is_written_only_when_its_upgrade_ends(self, db, scheduler, plans):
        """A new version of it goes into each of its indexes."""
        subscription_id = plans.subscription()
        version = select(literal_column("ctid::text", String)).where(Subscription.id == subscription_id)
        versions = [db.scalar(version)]
        [(upgrade_id, _)] = scheduler.schedule(
            [subscription_id], plans.target.id, only_eligible=False, now=NOW
        ).upgrades
        for status in (UpgradeStatus.IN_PROGRESS, UpgradeStatus.FAILED):
            versions.append(db.scalar(version))
            db.execute(update(Upgrade).where(Upgrade.id == upgrade_id).values(status=status))
        versions.append(db.scalar(version))

        assert [a == b for a, b in itertools.pairwise(versions)] == [True, True, False]


def planning(driver):
    cursor = driver.execute("SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')")
    return tuple(cursor.fetchone())


NEWER = {3: UpgradeStatus.CANCELED, 1: UpgradeStatus.FAILED, 2: UpgradeStatus.COMPLETED}
