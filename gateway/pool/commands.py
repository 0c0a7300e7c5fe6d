"""The command line of the application pool.

Exit codes: 0 done, 1 failed, 2 wrong use or invalid file, 3 the pool is not running.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.pool.control import ask
from gateway.pool.errors import PoolError, PoolNotRunningError, PoolRefusedError
from gateway.pool.table import table

FAILED = 1
WRONG_USE = 2
NOT_RUNNING = 3

Command = Callable[..., Any]


def where(command: Command) -> Command:
    """Add the options that say which pool is meant."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("Settings.config"),
        show_default=True,
        help="Settings file of the pool.",
    )
    var = click.option(
        "--var",
        type=click.Path(path_type=Path, file_okay=False),
        help="Data folder of the pool  [default: var beside the settings file]",
    )
    return config(var(command))


def var_folder(config: Path, var: Path | None) -> Path:
    return var if var is not None else config.absolute().parent / "var"


def fail(text: str, code: int) -> int:
    click.echo(text, err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Runs the gateway in an application pool, and commands the running pool."""


@cli.command()
@where
@click.option(
    "--ini",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=Path("web.ini"),
    show_default=True,
    help="PasteDeploy file of the application.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Address to listen on  [default: the one in the ini file]"
)
def start(config: Path, var: Path | None, ini: Path, listen: str | None) -> int:
    """Run the pool in the foreground until Ctrl-C."""
    # The other commands are many times quicker without what this one needs.
    from gateway.pool.starting import run_pool

    try:
        return run_pool(config, var_folder(config, var), ini, listen)
    except PoolRefusedError as exc:
        return fail(str(exc), WRONG_USE)
    except PoolError as exc:
        return fail(str(exc), FAILED)


@cli.command()
@where
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path, var: Path | None, as_json: bool) -> int:
    """Show how the pool is."""
    found: list[dict[str, Any]] = []
    code = command_pool(config, var, "status", lambda answer: found.append(answer["status"]))
    for each in found:
        click.echo(json.dumps(each, indent=2, ensure_ascii=False) if as_json else table(each))
    return code


@cli.command()
@where
@click.option("--wait", is_flag=True, help="Return when the new worker serves.")
def recycle(config: Path, var: Path | None, wait: bool) -> int:
    """Replace the worker by a new one."""
    return command_pool(config, var, "recycle", wait=wait)


@cli.command()
@where
@click.option("--exit", "end", is_flag=True, help="End the supervisor as well.")
def stop(config: Path, var: Path | None, end: bool) -> int:
    """Stop the worker; clients are answered 503 until start-pool."""
    return command_pool(config, var, "stop", exit=end)


@cli.command("start-pool")
@where
def start_pool(config: Path, var: Path | None) -> int:
    """Start a stopped pool."""
    return command_pool(config, var, "start-pool")


@cli.command()
@where
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def validate(config: Path, var: Path | None, file: Path | None) -> int:
    """Check a settings file, by default that of the pool."""
    from gateway.settings import SettingsError, load_settings

    path = file or config
    try:
        settings = load_settings(path)
    except SettingsError as exc:
        return fail(str(exc), WRONG_USE)
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{path} is valid, revision {settings.revision}")
    return 0


def command_pool(
    config: Path,
    var: Path | None,
    command: str,
    on_answer: Callable[[dict[str, Any]], None] = lambda _: None,
    **arguments: Any,
) -> int:
    """Send a command to the running pool; return the exit code."""
    try:
        answer = ask(var_folder(config, var), command, **arguments)
    except PoolNotRunningError as exc:
        return fail(str(exc), NOT_RUNNING)
    except PoolError as exc:
        return fail(str(exc), FAILED)
    if not answer["ok"]:
        return fail(f"{command}: {answer['problem']}", FAILED)
    on_answer(answer)
    return 0


def main() -> int:
    """Run the command line; return its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return FAILED
    return code if isinstance(code, int) else 0
