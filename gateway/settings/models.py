"""The settings of the whole gateway as one frozen object."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field

from gateway.settings.base import Settings
from gateway.settings.instances import CLEAR_SECRETS, InstanceSettings
from gateway.settings.kinds import Choice, Number, WholeNumber
from gateway.settings.pool import PoolSettings
from gateway.settings.urls import DATA_DIRECTORY, DatabaseURL, LinkURL, in_data_folder, masked_database_url

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class AppSettings(Settings):
    """The keys of `<appSettings>`: a key is its attribute in upper case."""

    max_allowed_nb_of_simultaneous_upgrades: Annotated[int, WholeNumber(1, 1000)] = Field(
        default=10,
        description="How many upgrade operations run at the same time in the whole gateway application.",
    )
    upgrade_poll_interval_seconds: Annotated[float, Number(0.05, 3600)] = Field(
        default=15.0,
        description="First pause before Microsoft is asked how an upgrade goes; later pauses grow.",
    )
    upgrade_timeout_hours: Annotated[float, Number(0, 720, above=True)] = Field(
        default=48.0,
        description="How long one upgrade may take before it is given up as failed.",
    )
    upgrade_max_attempts: Annotated[int, WholeNumber(1, 100)] = Field(
        default=5,
        description="How many times an upgrade is tried when Microsoft cannot be reached or is out of order.",
    )
    upgrade_lease_seconds: Annotated[float, Number(1, 3600)] = Field(
        default=30.0,
        description="An upgrade whose worker gives no sign of life for so long is taken over by another.",
    )
    upgrade_look_up_seconds: Annotated[float, Number(0, 3600)] = Field(
        default=900.0,
        description=(
            "How long the outcome of an upgrade request whose answer was lost is looked for at Microsoft "
            "before the upgrade ends as failed with the code outcome_unknown; it is never sent again."
        ),
    )
    license_check_max_users: Annotated[int, WholeNumber(0, 100_000)] = Field(
        default=1000,
        description=(
            "Of how many users the licenses are read for one upgrade at most, to see one by one whether they "
            "moved; with more users, and with 0, only the numbers of licenses are compared."
        ),
    )
    license_patience_minutes: Annotated[float, Number(0, 1440)] = Field(
        default=5.0,
        description=(
            "How long Microsoft is given to move the licenses of the users after it has reported an upgrade "
            "done, before the upgrade ends as completed with warnings."
        ),
    )
    eligibility_help_url: Annotated[str, LinkURL()] = Field(
        default="",
        description="Article that panels link to for subscriptions that cannot be upgraded; empty for none.",
    )
    simulator_latency_seconds: Annotated[float, Number(0, 3600)] = Field(
        default=3.0,
        description="How long the built-in simulator of Partner Center takes for one upgrade.",
    )
    log_level: Annotated[LogLevel, Choice(get_args(LogLevel))] = Field(
        default="INFO",
        description="The least severe messages that are logged.",
    )


class GatewaySettings(Settings):
    """Everything that Settings.config and its second files say."""

    app: AppSettings = AppSettings()
    database_url: Annotated[str, DatabaseURL()] = Field(
        default=f"sqlite:///{DATA_DIRECTORY}/gateway.db",
        description=f"The database; {DATA_DIRECTORY} is the data folder (`--var`), and a relative file is"
        " relative to the folder of Settings.config.",
    )
    written_database_url: str | None = None
    """The URL before `with_data_folder` put the folder in."""
    application_instances: tuple[InstanceSettings, ...] = ()
    application_pool: PoolSettings = PoolSettings()
    warnings: tuple[str, ...] = ()
    """What is odd in the files, but no reason to refuse them."""

    def instance(self, name: str) -> InstanceSettings | None:
        folded = name.casefold()
        return next((each for each in self.application_instances if each.name.casefold() == folded), None)

    @property
    def revision(self) -> str:
        """12 hex digits that are the same for the same values, whatever the files look like."""
        values = self.as_written().model_dump(mode="json", exclude={"warnings"}, context=CLEAR_SECRETS)
        values["application_instances"].sort(key=lambda each: each["name"].casefold())
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def as_written(self) -> Self:
        """A copy without what `with_simulator` and `with_data_folder` put in."""
        instances = tuple(each.as_written() for each in self.application_instances)
        url = self.written_database_url or self.database_url
        return self.model_copy(
            update={"application_instances": instances, "database_url": url, "written_database_url": None}
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            is_url = name in ("database_url", "written_database_url") and value
            yield name, masked_database_url(value) if is_url else value


def with_data_folder(settings: GatewaySettings, folder: Path) -> GatewaySettings:
    """A copy whose database lies in this folder, where its URL leaves that open."""
    if settings.written_database_url is not None:
        return settings
    url = in_data_folder(settings.database_url, folder)
    return settings.model_copy(update={"database_url": url, "written_database_url": settings.database_url})


def with_simulator(settings: GatewaySettings, url: str) -> GatewaySettings:
    """A copy whose simulated instances talk to the simulator at this URL."""
    instances = tuple(
        each.at_simulator(url.rstrip("/")) if each.is_simulated else each
        for each in settings.application_instances
    )
    return settings.model_copy(update={"application_instances": instances})
