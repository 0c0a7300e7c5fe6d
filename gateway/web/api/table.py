"""Every call of the API. Routes, views and the OpenAPI document are made from this table."""

from __future__ import annotations

from http import HTTPStatus

from gateway.web.api import catalog_views, upgrade_views
from gateway.web.api.call import Call
from gateway.web.api.kinds import PageQuery
from gateway.web.api.schemas_catalog import (
    ApplicationInstanceList,
    CatalogAnswer,
    CatalogDocument,
    ServicePlan,
    ServicePlanList,
    ServicePlanQuery,
    Subscription,
    SubscriptionList,
    SubscriptionQuery,
    UpgradeTargetList,
)
from gateway.web.api.schemas_upgrade import (
    CancelAnswer,
    MoveLicensesAnswer,
    RefreshAnswer,
    ScheduledBatch,
    UpgradeBatchList,
    UpgradeBatchRequest,
    UpgradeBatchWithPace,
    UpgradeList,
    UpgradeQuery,
    UpgradeSelection,
    UpgradeWithEvents,
    UserLicenseList,
)
from gateway.web.security import Permission

NOT_FOUND = (HTTPStatus.NOT_FOUND,)

CATALOG_CALLS = (
    Call(
        name="listApplicationInstances",
        method="GET",
        path="/application-instances",
        view=catalog_views.list_application_instances,
        permission=Permission.CATALOG_READ,
        tag="Catalog",
        summary="List application instances",
        description="Those of which the caller sells a plan or sees a subscription, by name, all at once.",
        answers={HTTPStatus.OK: ApplicationInstanceList},
    ),
    Call(
        name="listServicePlans",
        method="GET",
        path="/service-plans",
        view=catalog_views.list_service_plans,
        permission=Permission.CATALOG_READ,
        tag="Catalog",
        summary="List service plans",
        description="Plans that the caller or a reseller below it sells, by id.",
        query=ServicePlanQuery,
        answers={HTTPStatus.OK: ServicePlanList},
    ),
    Call(
        name="getServicePlan",
        method="GET",
        path="/service-plans/{service_plan_id}",
        view=catalog_views.get_service_plan,
        permission=Permission.CATALOG_READ,
        tag="Catalog",
        summary="Show a service plan",
        answers={HTTPStatus.OK: ServicePlan},
        errors=NOT_FOUND,
    ),
    Call(
        name="listUpgradeTargets",
        method="GET",
        path="/service-plans/{service_plan_id}/upgrade-targets",
        view=catalog_views.list_upgrade_targets,
        permission=Permission.CATALOG_READ,
        tag="Catalog",
        summary="List the plans that subscriptions of a plan can be upgraded to",
        description=(
            "Plans of the same vendor and application instance with one license that Microsoft offers as an "
            "upgrade, by name, all at once."
        ),
        answers={HTTPStatus.OK: UpgradeTargetList},
        errors=NOT_FOUND,
    ),
    Call(
        name="listSubscriptions",
        method="GET",
        path="/subscriptions",
        view=catalog_views.list_subscriptions,
        permission=Permission.SUBSCRIPTION_READ,
        tag="Subscriptions",
        summary="List subscriptions",
        description="Subscriptions in the caller's branch of the tree, by id, each with its newest upgrade.",
        query=SubscriptionQuery,
        answers={HTTPStatus.OK: SubscriptionList},
    ),
    Call(
        name="getSubscription",
        method="GET",
        path="/subscriptions/{subscription_id}",
        view=catalog_views.get_subscription,
        permission=Permission.SUBSCRIPTION_READ,
        tag="Subscriptions",
        summary="Show a subscription",
        answers={HTTPStatus.OK: Subscription},
        errors=NOT_FOUND,
    ),
    Call(
        name="importCatalog",
        method="POST",
        path="/catalog",
        view=catalog_views.import_whole_catalog,
        permission=Permission.CATALOG_IMPORT,
        tag="Catalog",
        summary="Import a catalog",
        description=(
            "For administrators of the provider. Entries are added or changed by their ids, all or none; an "
            "import that is repeated changes nothing."
        ),
        body=CatalogDocument,
        checks_body=False,
        answers={HTTPStatus.OK: CatalogAnswer},
    ),
)

UPGRADE_CALLS = (
    Call(
        name="createUpgradeBatch",
        method="POST",
        path="/upgrade-batches",
        view=upgrade_views.create_upgrade_batch,
        permission=Permission.UPGRADE_CREATE,
        tag="Upgrades",
        summary="Schedule upgrades",
        description=(
            "Schedules an upgrade for every subscription, or for none when one of them cannot be upgraded. "
            "The answer to that, 422 with code `not_eligible`, names every reason in `violations`; with "
            "`only_eligible` the others are scheduled all the same. With `dry_run` the answer is 200 and "
            "nothing is scheduled."
        ),
        body=UpgradeBatchRequest,
        answers={HTTPStatus.ACCEPTED: ScheduledBatch, HTTPStatus.OK: ScheduledBatch},
        descriptions={
            HTTPStatus.ACCEPTED: "The upgrades are scheduled; `Location` is where to follow them",
            HTTPStatus.OK: "What a dry run found; nothing is scheduled",
        },
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_idempotent=True,
    ),
    Call(
        name="listUpgradeBatches",
        method="GET",
        path="/upgrade-batches",
        view=upgrade_views.list_upgrade_batches,
        permission=Permission.UPGRADE_READ,
        tag="Upgrades",
        summary="List upgrade batches",
        description="What was scheduled at once by the caller or a reseller below it, the newest first.",
        query=PageQuery,
        answers={HTTPStatus.OK: UpgradeBatchList},
    ),
    Call(
        name="getUpgradeBatch",
        method="GET",
        path="/upgrade-batches/{upgrade_batch_id}",
        view=upgrade_views.get_upgrade_batch,
        permission=Permission.UPGRADE_READ,
        tag="Upgrades",
        summary="Show the progress of an upgrade batch",
        answers={HTTPStatus.OK: UpgradeBatchWithPace},
        errors=NOT_FOUND,
    ),
    Call(
        name="listUpgrades",
        method="GET",
        path="/upgrades",
        view=upgrade_views.list_upgrades,
        permission=Permission.UPGRADE_READ,
        tag="Upgrades",
        summary="List upgrades",
        description="Upgrades of subscriptions in the caller's branch, the newest first.",
        query=UpgradeQuery,
        answers={HTTPStatus.OK: UpgradeList},
    ),
    Call(
        name="cancelUpgrades",
        method="POST",
        path="/upgrades/cancel",
        view=upgrade_views.cancel_upgrades,
        permission=Permission.UPGRADE_CANCEL,
        tag="Upgrades",
        summary="Cancel pending upgrades",
        description="An upgrade that has begun cannot be canceled; it is listed in `not_canceled`.",
        body=UpgradeSelection,
        answers={HTTPStatus.OK: CancelAnswer},
        errors=NOT_FOUND,
    ),
    Call(
        name="refreshUpgrades",
        method="POST",
        path="/upgrades/refresh",
        view=upgrade_views.refresh_upgrades,
        permission=Permission.UPGRADE_REFRESH,
        tag="Upgrades",
        summary="Read statuses again from Microsoft",
        description="Upgrades that wait for Microsoft are looked at now instead of at their next time.",
        body=UpgradeSelection,
        answers={HTTPStatus.OK: RefreshAnswer},
        errors=NOT_FOUND,
    ),
    Call(
        name="getUpgrade",
        method="GET",
        path="/upgrades/{upgrade_id}",
        view=upgrade_views.get_upgrade,
        permission=Permission.UPGRADE_READ,
        tag="Upgrades",
        summary="Show an upgrade with its events",
        answers={HTTPStatus.OK: UpgradeWithEvents},
        errors=NOT_FOUND,
    ),
    Call(
        name="listUserLicenses",
        method="GET",
        path="/upgrades/{upgrade_id}/user-licenses",
        view=upgrade_views.list_user_licenses,
        permission=Permission.UPGRADE_READ,
        tag="Upgrades",
        summary="List the users of an upgrade and their licenses",
        description=(
            "Who held the old license when the upgrade began, and who has the new one in place of it; by id "
            "of the user. Empty where licenses are not verified person by person, see `license_check`."
        ),
        query=PageQuery,
        answers={HTTPStatus.OK: UserLicenseList},
        errors=NOT_FOUND,
    ),
    Call(
        name="moveLicenses",
        method="POST",
        path="/upgrades/{upgrade_id}/move-licenses",
        view=upgrade_views.move_licenses,
        permission=Permission.UPGRADE_CREATE,
        tag="Upgrades",
        summary="Move the licenses that an upgrade left behind",
        description=(
            "Gives exactly the users who are `left_behind` the new license in place of the old one; their "
            "other licenses, and services that are switched off, stay as they are. It is done after the "
            "answer: follow it in the list of the users, where each has a `result` in the end. The upgrade "
            "is `completed` then, unless some could not be moved. Asking twice moves nothing twice; 422 with "
            "code `no_licenses_to_move` says that nobody was left behind, or that a newer upgrade of the "
            "subscription has come after this one."
        ),
        answers={HTTPStatus.ACCEPTED: MoveLicensesAnswer},
        descriptions={HTTPStatus.ACCEPTED: "The licenses are being moved; `Location` is where to follow it"},
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    ),
)

CALLS = (*CATALOG_CALLS, *UPGRADE_CALLS)
"""A path with fixed words comes before one with an id in their place."""
