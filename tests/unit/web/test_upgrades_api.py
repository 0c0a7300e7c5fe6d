from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from gateway.models import ResourceKind, Upgrade, UpgradeBatch, UpgradeStatus, UpgradeStep
from tests.factories import NOW


class TestSchedule:
    def test_it_answers_with_the_batch_and_its_upgrades(self, provider, world, read):
        response = provider.post("/upgrade-batches", world.request())

        batch, upgrade = read(select(UpgradeBatch)), read(select(Upgrade))
        assert response.status_int == 202
        assert response.json == {
            "id": str(batch.id),
            "upgrades": [
                {
                    "id": str(upgrade.id),
                    "subscription_id": world.subscription.id,
                    "upgrade_status": "pending",
                }
            ],
            "refused": [],
        }
        assert response.headers["Location"].endswith(f"/api/v1/upgrade-batches/{batch.id}")

    def test_the_engine_is_woken_once_it_is_committed(self, provider, world, background):
        provider.post("/upgrade-batches", world.request())

        assert background.wakes == 1

    def test_one_that_is_not_eligible_refuses_all(self, provider, world, db, factories, count, background):
        bad = self._with_an_addon(db, factories, world)

        response = provider.post("/upgrade-batches", world.request(world.subscription, bad))

        assert response.status_int == 422
        assert response.json["code"] == "not_eligible"
        [violation] = response.json["violations"]
        assert violation["subscription_id"] == bad.id
        assert violation["code"] == "addon_not_zero"
        assert violation["detail"]
        assert violation["remedy"]
        assert count(Upgrade) == count(UpgradeBatch) == 0
        assert background.wakes == 0

    def test_the_eligible_ones_can_go_on_alone(self, provider, world, db, factories):
        bad = self._with_an_addon(db, factories, world)

        response = provider.post(
            "/upgrade-batches", world.request(world.subscription, bad, only_eligible=True)
        )

        assert response.status_int == 202
        assert [each["subscription_id"] for each in response.json["upgrades"]] == [world.subscription.id]
        assert [each["subscription_id"] for each in response.json["refused"]] == [bad.id]

    def test_a_dry_run_stores_nothing(self, provider, world, db, factories, count, background):
        bad = self._with_an_addon(db, factories, world)

        response = provider.post("/upgrade-batches", world.request(world.subscription, bad, dry_run=True))

        assert response.status_int == 200
        assert response.json["id"] is None
        assert response.json["upgrades"] == [
            {"id": None, "subscription_id": world.subscription.id, "upgrade_status": None}
        ]
        assert [each["subscription_id"] for each in response.json["refused"]] == [bad.id]
        assert count(UpgradeBatch) == 0
        assert background.wakes == 0

    def test_what_does_not_exist_is_named(self, provider, world):
        body = world.request() | {"subscription_ids": ["ghost", world.subscription.id]}

        response = provider.post("/upgrade-batches", body)

        assert response.status_int == 404
        assert response.json["code"] == "subscription_not_found"
        assert response.json["ids"] == ["ghost"]

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"subscription_ids": "1000017"}, "subscription_ids"),
            ({"subscription_ids": [17]}, "subscription_ids[0]"),
            ({"target_service_plan_id": None}, "target_service_plan_id"),
            ({"dry_run": "yes"}, "dry_run"),
            ({"priority": 1}, "priority"),
        ],
    )
    def test_what_is_wrong_is_named(self, provider, world, change, path):
        response = provider.post("/upgrade-batches", world.request() | change)

        assert response.status_int == 422
        assert response.json["code"] == "invalid_body"
        assert [error["path"] for error in response.json["errors"]] == [path]

    @pytest.mark.parametrize(
        ("ids", "code"), [([], "no_subscriptions"), (["a", "a"], "duplicate_subscription")]
    )
    def test_a_list_that_makes_no_sense_is_refused(self, provider, world, ids, code):
        response = provider.post("/upgrade-batches", world.request() | {"subscription_ids": ids})

        assert response.status_int == 422
        assert response.json["code"] == code

    def test_microsoft_is_asked_once_for_a_path_that_is_not_known(
        self, provider, world, db, clients, factories
    ):
        license = factories.resource_type(service_template=world.template)
        subscription = factories.subscription(factories.service_plan([license]))
        db.commit()
        clients.upgrade_targets[license.offer_id] = [world.better_license.offer_id]

        response = provider.post("/upgrade-batches", world.request(subscription, target=world.target))

        assert response.status_int == 202
        assert clients.asked == [("Office 365", license.offer_id)]

    def _with_an_addon(self, db, factories, world):
        addon = factories.resource_type(ResourceKind.ADDON, world.template)
        plan = world.plans[world.provider.id]
        subscription = factories.subscription(plan, resources={addon: 3})
        db.commit()
        return subscription


class TestIdempotency:
    def test_a_repetition_gets_the_same_answer_and_schedules_nothing(
        self, provider, world, count, background
    ):
        first = provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1")
        second = provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1")

        assert second.status_int == first.status_int == 202
        assert second.json == first.json
        assert second.headers["Location"] == first.headers["Location"]
        assert second.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert count(UpgradeBatch) == 1
        assert background.wakes == 1

    def test_how_the_json_is_written_does_not_matter(self, provider, world):
        first = provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1")
        again = dict(reversed(world.request(dry_run=False).items()))

        assert provider.post("/upgrade-batches", again, Idempotency_Key="k1").json == first.json

    def test_the_key_of_another_request_is_refused(self, provider, world):
        provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1")

        response = provider.post("/upgrade-batches", world.request(dry_run=True), Idempotency_Key="k1")

        assert response.status_int == 422
        assert response.json["code"] == "idempotency_key_reused"

    def test_keys_of_two_callers_never_meet(self, provider, reseller, world):
        provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1")
        own = world.request(world.subscriptions["reseller"])

        assert reseller.post("/upgrade-batches", own, Idempotency_Key="k1").status_int == 202

    def test_a_refusal_is_kept(self, provider, world, db):
        body = world.request(target=world.plans[world.provider.id])
        first = provider.post("/upgrade-batches", body, Idempotency_Key="k1")

        second = provider.post("/upgrade-batches", body, Idempotency_Key="k1")

        assert first.status_int == second.status_int == 422
        assert first.json == second.json
        assert second.content_type == "application/problem+json"

    def test_a_dry_run_is_kept(self, provider, world):
        first = provider.post("/upgrade-batches", world.request(dry_run=True), Idempotency_Key="k1")

        second = provider.post("/upgrade-batches", world.request(dry_run=True), Idempotency_Key="k1")

        assert second.status_int == 200
        assert second.json == first.json

    def test_a_malformed_request_is_not_kept(self, provider, world):
        provider.post("/upgrade-batches", {"nonsense": 1}, Idempotency_Key="k1")

        assert provider.post("/upgrade-batches", world.request(), Idempotency_Key="k1").status_int == 202

    def test_what_did_not_exist_may_exist_the_next_time(self, provider, world, db, factories):
        body = world.request() | {"subscription_ids": ["late"]}
        assert provider.post("/upgrade-batches", body, Idempotency_Key="k1").status_int == 404
        factories.subscription(world.plans[world.provider.id], id="late")
        db.commit()

        assert provider.post("/upgrade-batches", body, Idempotency_Key="k1").status_int == 202

    def test_a_key_that_is_none_is_refused(self, provider, world):
        response = provider.post("/upgrade-batches", world.request(), Idempotency_Key="two words")

        assert response.status_int == 400
        assert response.json["code"] == "invalid_idempotency_key"


class TestBatches:
    def test_progress_is_counted(self, provider, world, db, factories):
        batch = factories.batch(world.target)
        done = {
            "status": UpgradeStatus.COMPLETED,
            "started_at": NOW,
            "finished_at": NOW + timedelta(minutes=1),
        }
        factories.upgrade(batch=batch, **done)
        factories.upgrade(batch=batch)
        db.commit()

        answer = provider.get(f"/upgrade-batches/{batch.id}").json

        assert answer["total"] == 2
        assert answer["progress"] == 0.5
        assert answer["counts"] == {
            "pending": 1,
            "in_progress": 0,
            "completed": 1,
            "completed_with_warnings": 0,
            "failed": 0,
            "canceled": 0,
        }
        assert answer["target_service_plan_id"] == world.target.id
        assert answer["created_at"] == "2026-11-23T09:00:00.000Z"
        assert {"throughput_per_minute", "estimated_end_at"} <= set(answer)

    @pytest.mark.parametrize("key", ["0", "x", "999999", "99999999999999999999", "1.5", "%D9%A3"])
    def test_what_is_no_batch_is_not_found(self, provider, key):
        response = provider.get(f"/upgrade-batches/{key}")

        assert response.status_int == 404
        assert response.json["code"] == "upgrade_batch_not_found"

    def test_they_are_listed_the_newest_first_in_pages(self, provider, world, db, factories):
        ids = [str(factories.batch(world.target).id) for _ in range(3)]
        db.commit()

        first = provider.get("/upgrade-batches", {"limit": 2}).json
        second = provider.get("/upgrade-batches", {"limit": 2, "cursor": first["next"]}).json

        assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
        assert second["next"] is None


class TestUpgrades:
    def test_they_are_filtered(self, provider, world, db, factories):
        wanted = factories.upgrade(world.subscription, world.target)
        factories.upgrade()
        db.commit()

        for query in (
            {"batch_id": str(wanted.batch_id)},
            {"subscription_id": world.subscription.id},
            {"batch_id": str(wanted.batch_id), "upgrade_status": "pending", "limit": "1"},
        ):
            answer = provider.get("/upgrades", query).json
            assert [item["id"] for item in answer["items"]] == [str(wanted.id)]
        assert provider.get("/upgrades", {"upgrade_status": "failed"}).json == {"items": [], "next": None}

    def test_one_is_shown_with_what_happened(self, provider, world, db, factories):
        request_id = UUID(int=1)
        upgrade = factories.upgrade(
            world.subscription,
            world.target,
            status=UpgradeStatus.FAILED,
            step=UpgradeStep.CHECKING,
            reason_code="license_missing",
            reason="It has none",
            remedy="Add one",
            request_id=request_id,
        )
        factories.upgrade_event(upgrade, name="scheduled", detail="Requested by tests")
        factories.upgrade_event(upgrade, name="failed", attempt=1, request_id="r", correlation_id="c")
        db.commit()

        answer = provider.get(f"/upgrades/{upgrade.id}").json

        assert answer["upgrade_status"] == "failed"
        assert answer["request_id"] == str(request_id)
        assert answer["source_service_plan_id"] == world.subscription.service_plan_id
        assert [(event["name"], event["attempt"], event["request_id"]) for event in answer["events"]] == [
            ("scheduled", 0, None),
            ("failed", 1, "r"),
        ]

    def test_what_is_no_upgrade_is_not_found(self, provider):
        assert provider.get("/upgrades/x").json["code"] == "upgrade_not_found"


class TestCancel:
    @pytest.mark.parametrize("form", [str, int])
    def test_pending_ones_are_canceled_and_others_say_why_not(self, provider, db, factories, world, form):
        pending = factories.upgrade(world.subscription, world.target)
        running = factories.upgrade(status=UpgradeStatus.IN_PROGRESS)
        db.commit()

        answer = provider.post("/upgrades/cancel", {"upgrade_ids": [form(pending.id), form(running.id)]}).json

        assert answer["canceled"] == [str(pending.id)]
        [other] = answer["not_canceled"]
        assert other["upgrade_id"] == str(running.id)
        assert other["upgrade_status"] == "in_progress"
        assert other["detail"]

    def test_a_whole_batch_is_canceled(self, provider, world):
        batch_id = provider.post("/upgrade-batches", world.request()).json["id"]

        answer = provider.post("/upgrades/cancel", {"batch_id": batch_id}).json

        assert len(answer["canceled"]) == 1
        counts = provider.get(f"/upgrade-batches/{batch_id}").json["counts"]
        assert counts["canceled"] == 1

    @pytest.mark.parametrize("body", [{}, {"upgrade_ids": [1], "batch_id": 1}, {"upgrade_ids": []}])
    def test_one_of_the_two_is_needed(self, provider, body):
        response = provider.post("/upgrades/cancel", body)

        assert response.status_int == 422
        assert response.json["code"] == "invalid_selection"

    @pytest.mark.parametrize("value", [0, -1, True, 1.5, "x", None, 2**31, "1 "])
    def test_what_is_no_id_is_refused(self, provider, value):
        response = provider.post("/upgrades/cancel", {"upgrade_ids": [value]})

        assert response.status_int == 422
        assert response.json["errors"][0]["path"] == "upgrade_ids[0]"


class TestRefresh:
    def test_those_that_wait_for_microsoft_are_looked_at_now(
        self, provider, db, factories, world, background, read
    ):
        later = NOW + timedelta(days=400)
        waiting = factories.upgrade(
            world.subscription,
            world.target,
            status=UpgradeStatus.IN_PROGRESS,
            step=UpgradeStep.WAITING,
            due_at=later,
        )
        pending = factories.upgrade()
        db.commit()

        answer = provider.post("/upgrades/refresh", {"upgrade_ids": [waiting.id, pending.id]}).json

        assert answer["refreshed"] == [str(waiting.id)]
        assert [each["upgrade_id"] for each in answer["not_refreshed"]] == [str(pending.id)]
        assert read(select(Upgrade).where(Upgrade.id == waiting.id)).due_at < later
        assert background.wakes == 1


@pytest.fixture
def read(database):
    def read(query):
        with database.read() as db:
            return db.scalars(query).one()

    return read


@pytest.fixture
def count(database):
    def count(model):
        with database.read() as db:
            return db.scalar(select(func.count()).select_from(model))

    return count
