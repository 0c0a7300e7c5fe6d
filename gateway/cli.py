"""The `gateway` command: what an administrator does beside the running application pool.

Results go to stdout, and what is said about them to stderr, so that a script can take results as they are.
Each command imports what it needs, so that `gateway --help` does not wait for a database library.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.db import Database
    from gateway.services.catalog import ImportSummary
    from gateway.settings import GatewaySettings

ROLES = ("administrator", "operator", "read_only")


class DatabaseNotReadyError(GatewayError):
    code = "database_not_ready"


@dataclass
class Site:
    """One installation: its settings, its data folder and its database."""

    config: Path
    var: Path

    @cached_property
    def settings(self) -> GatewaySettings:
        from gateway.settings import load_settings, with_data_folder

        return with_data_folder(load_settings(self.config), self.var)

    def database_url(self, text: str) -> str:
        """A connection string that means what it would mean in Settings.config.

        :raises click.BadParameter: if it is none
        """
        from gateway.settings.urls import DatabaseURL, absolute_database_url, in_data_folder

        try:
            url = DatabaseURL().parse(text)
        except ValueError as exc:
            raise click.BadParameter(f"expected {DatabaseURL().allowed}") from exc
        return in_data_folder(absolute_database_url(url, self.config.parent), self.var)

    def create(self, url: str | None = None) -> str:
        """Create the database, or bring it to the newest schema; what it is called."""
        from gateway.migrations import migrate

        file = _file_of(url or self.settings.database_url)
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.any_database(url) as database:
            migrate(database)
            return database.url.render_as_string(hide_password=True)

    @contextmanager
    def any_database(self, url: str | None = None) -> Iterator[Database]:
        """The one of Settings.config, or another.

        :raises DatabaseNotReadyError: if it cannot be reached
        """
        from gateway.db import DATABASE_AWAY, Database

        database = Database(url or self.settings.database_url)
        try:
            yield database
        except DATABASE_AWAY as exc:
            where = database.url.render_as_string(hide_password=True)
            reason = getattr(exc, "orig", exc)
            raise DatabaseNotReadyError(f"database {where} does not answer: {reason}") from exc
        finally:
            database.close()

    @contextmanager
    def database(self, url: str | None = None) -> Iterator[Database]:
        """The database with the schema that this program needs.

        :raises DatabaseNotReadyError: if `gateway init` has not been run, or that of a newer program
        """
        from gateway.schema import current_revision, is_known, newest_revision

        file = _file_of(url or self.settings.database_url)
        if file is not None and not file.exists():
            raise DatabaseNotReadyError(f"database {file} does not exist; run: gateway init")
        with self.any_database(url) as database:
            current, newest = current_revision(database), newest_revision()
            if not is_known(current):
                raise DatabaseNotReadyError(
                    f"database has {current}, which is newer than {newest}; update this program"
                )
            if current != newest:
                found = current or "no schema"
                raise DatabaseNotReadyError(f"database has {found}, expected {newest}; run: gateway init")
            yield database


def _file_of(url: str) -> Path | None:
    """Where a SQLite database is, or None for another."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


class _Commands(click.Group):
    """Commands whose errors are one line for a person."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as exc:
            raise click.ClickException(str(exc)) from exc


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default="Settings.config",
    show_default=True,
    help="The settings.",
)
@click.option(
    "--var",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data folder; var beside the settings when not given.",
)
@click.version_option(package_name="office365-gateway")
@click.pass_context
def main(context: click.Context, config: Path, var: Path | None) -> None:
    """Administer the Office 365 gateway."""
    context.obj = Site(config, var or config.parent / "var")


@main.command()
@click.pass_obj
def init(site: Site) -> None:
    """Create the database, or bring it to the newest schema."""
    from gateway.schema import newest_revision

    where = site.create()
    click.echo(f"Database ready: {where} at {newest_revision()}", err=True)


@main.command()
@click.option("--from", "source_url", help="Connection string; that of Settings.config when not given.")
@click.option("--to", "target_url", required=True, help="Connection string of an empty database.")
@click.pass_obj
def copy_database(site: Site, source_url: str | None, target_url: str) -> None:
    """Move everything into another database, such as from SQLite to PostgreSQL.

    All of it or, if anything is wrong, nothing. Stop the gateway first. Upgrades that are not over go on
    when a gateway runs on the new database. PostgreSQL takes a password from ~/.pgpass or PGPASSWORD too.
    """
    from gateway.db import utcnow
    from gateway.services.database_copy import copy_database

    target_url = site.database_url(target_url)
    with site.database(site.database_url(source_url) if source_url else None) as source:
        where = site.create(target_url)
        with site.database(target_url) as target:
            copied = copy_database(source, target, now=utcnow(), progress=_show_progress)
    click.echo(f"Copied {copied.rows} rows to {where}", err=True)
    click.echo(f"Upgrades not over: {copied.pending} pending, {copied.in_progress} in progress", err=True)
    click.echo(
        "Name it in Settings.config, and never start a gateway on the old database again: both would carry"
        " out the same upgrades",
        err=True,
    )


@main.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def import_(site: Site, file: Path) -> None:
    """Take a catalog over: all of it or, if anything is wrong, nothing."""
    import gc

    from gateway.db import utcnow
    from gateway.services.catalog import CatalogError, import_catalog, keep_for_simulator, read_catalog

    # A large catalog is a million objects that stay; looking through them again and again finds no garbage.
    gc.disable()
    try:
        with site.database() as database:
            document = read_catalog(file)
            with database.write() as session:
                summary = import_catalog(session, document, now=utcnow(), progress=_show_progress)
    except CatalogError as exc:
        for problem in exc.problems:
            click.echo(str(problem), err=True)
        raise
    finally:
        gc.enable()
    if any(instance.is_simulated for instance in site.settings.application_instances):
        keep_for_simulator(document, site.var / "simulator" / "catalog")
    _show_summary(summary)


def _show_progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty() and total:
        end = "\n" if done == total else ""
        click.echo(f"\r{what}: {done} of {total}{end}", nl=False, err=True)


def _show_summary(summary: ImportSummary) -> None:
    for name, counts in summary.as_dict().items():
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what != "skipped")
        click.echo(f"{name}: {words}")
    if summary.changed_nothing:
        click.echo("Nothing changed", err=True)
    if summary.subscriptions.skipped:
        click.echo("Skipped are subscriptions in an upgrade that is not over", err=True)


@main.command()
@click.option("--customers", type=click.IntRange(1, 1_000_000), required=True, help="How many customers.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number gives another catalog.")
@click.option("--output", type=click.File("w", encoding="utf-8", atomic=True), default="-", help="The file.")
def demo_catalog(customers: int, seed: int, output: Any) -> None:
    """Write a catalog to try things out with."""
    import json

    from gateway.services.catalog.demonstration import make_catalog

    output.write(json.dumps(make_catalog(customers, seed), indent=1, ensure_ascii=False) + "\n")


@main.command()
@click.option("--url", default="http://127.0.0.1:8365", show_default=True, help="Where the panels are.")
@click.pass_obj
def demo_users(site: Site, url: str) -> None:
    """Make users of the demonstration catalog, and print how they sign in.

    Their passwords are drawn once and kept in the data folder. Nothing is made for any other catalog.
    """
    from gateway.db import utcnow
    from gateway.services.demonstration_users import add_demonstration_users

    with site.database() as database, database.write() as session:
        people = add_demonstration_users(session, site.var / "demo-users.json", utcnow())
    if not people:
        click.echo("This is not the demonstration catalog: no users made", err=True)
    for person in people:
        click.echo(f"  {person.panel:<10} {url}/{person.area}/   {person.login}   {person.password}")


@main.group()
def user() -> None:
    """People of the provider and of resellers."""


@user.command("add")
@click.argument("login")
@click.option("--account", required=True, help="Id of the provider or of a reseller.")
@click.option("--role", type=click.Choice(ROLES), default="administrator", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking for it.")
@click.pass_obj
def add_user(site: Site, login: str, account: str, role: str, password_stdin: bool) -> None:
    """Add a person, who signs in with LOGIN."""
    from gateway.db import utcnow
    from gateway.models import Role
    from gateway.services.users import Users

    with site.database() as database:
        password = _read_password(password_stdin)
        with database.write() as session:
            added = Users(session).add(login, account, Role(role), password, utcnow())
            click.echo(f"User added: {added.login}", err=True)


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@user.command("list")
@click.pass_obj
def list_users(site: Site) -> None:
    """List login, account and role of everybody."""
    from gateway.services.users import Users

    with site.database() as database, database.read() as session:
        for each in Users(session).list():
            click.echo(f"{each.login}\t{each.account_id}\t{each.role.value}")


@main.group()
def api_key() -> None:
    """Programs of the provider and of resellers."""


@api_key.command("create")
@click.option("--account", required=True, help="Id of the provider or of a reseller.")
@click.option("--name", default="API key", show_default=True, help="What it is for.")
@click.option("--role", type=click.Choice(ROLES), default="administrator", show_default=True)
@click.pass_obj
def create_api_key(site: Site, account: str, name: str, role: str) -> None:
    """Print a new key, once; only its hash is kept."""
    from gateway.db import utcnow
    from gateway.models import Role
    from gateway.services.api_keys import APIKeys

    with site.database() as database, database.write() as session:
        key, text = APIKeys(session).create(account, name, Role(role), utcnow())
    click.echo(f"API key {key.prefix} of {account}, {role}; it is not shown again:", err=True)
    click.echo(text)


@api_key.command("list")
@click.option("--account", help="Only those of this account.")
@click.pass_obj
def list_api_keys(site: Site, account: str | None) -> None:
    """List prefix, account, role, state, last use and name of keys."""
    from gateway.services.api_keys import APIKeys

    with site.database() as database, database.read() as session:
        for each in APIKeys(session).list_for(account):
            state = "active" if each.revoked_at is None else "revoked"
            used = each.last_used_at.isoformat(timespec="seconds") if each.last_used_at else "never used"
            click.echo("\t".join((each.prefix, each.account_id, each.role.value, state, used, each.name)))


@api_key.command("revoke")
@click.argument("prefix")
@click.pass_obj
def revoke_api_key(site: Site, prefix: str) -> None:
    """Shut the key with this PREFIX out."""
    from gateway.db import utcnow
    from gateway.services.api_keys import APIKeys

    with site.database() as database, database.write() as session:
        APIKeys(session).revoke(prefix, utcnow())
    click.echo(f"API key {prefix} revoked", err=True)


if __name__ == "__main__":
    main()
