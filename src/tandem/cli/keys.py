"""`tandem keys …`: the keys by which the portal enters the clusters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from tandem.cli.console import (
    ENVIRONMENT_FILE,
    AsJson,
    EnvironmentFile,
    Exit,
    environment_of,
    err,
    fail,
    out,
    print_json,
)
from tandem.cli.local import interruptible, told
from tandem.clusters.rotation import Records, RotationRefused, Stage, records_of
from tandem.clusters.rotation import finish as finish_rotation
from tandem.clusters.rotation import rotate as begin_rotation
from tandem.local.keys import LocalKeys
from tandem.local.progress import Progress

app = typer.Typer(name="keys", help="See and replace the keys by which clusters are entered.", no_args_is_help=True)

_ROLES = {"signing": "signs", "coming": "is being introduced", "leaving": "signs no more, is still trusted"}


@app.command()
def show(file: EnvironmentFile = ENVIRONMENT_FILE, as_json: AsJson = False) -> None:
    """Show the SSH authority, who trusts it and signs with it, and the clusters' host keys."""
    ground = LocalKeys(environment_of(file))
    with told(), _possible(ground):
        found = document(ground)
    if as_json:
        print_json(found)
        return
    lines = [("authority", key, _ROLES[role]) for role, key in found["authorities"].items() if key]
    for node, key in found["portal_nodes"].items():
        lines.append((node, key or "does not answer", "signs with this" if key else ""))
    for cluster, keys in found["clusters"].items():
        lines += [(cluster, key, "trusts this") for key in keys] or [(cluster, "does not answer", "")]
    lines += [(cluster, key, "is its host key") for cluster, key in found["host_keys"].items()]
    width = max(len(name) for name, _, _ in lines)
    for name, key, word in lines:
        # Not as a table: on a narrow terminal that would cut fingerprints, which are there to be compared.
        out.print(f"{name:<{width}}  {key}  {word}".rstrip(), markup=False, soft_wrap=True)
    if word := next_step(records_of(ground)):
        err.print(word, markup=False)


@app.command()
def rotate(
    finish: Annotated[
        bool, typer.Option("--finish", help="Let the clusters trust the new authority alone; the old one is dropped.")
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="With --finish: although certificates of the old one may still be good.")
    ] = False,
    file: EnvironmentFile = ENVIRONMENT_FILE,
    as_json: AsJson = False,
) -> None:
    """Replace the SSH authority: the new one signs, and clusters trust both until this is called with --finish.

    Nothing restarts; jobs, connections and submissions go on. If it is interrupted or fails, calling it again goes on.
    All zones must be up.
    """
    if now and not finish:
        raise typer.BadParameter("--now goes with --finish")
    ground = LocalKeys(environment_of(file))
    title = "Dropping the old authority" if finish else "Replacing the authority"
    with told(), interruptible(), ground.state.locked(), _possible(ground):
        try:
            with Progress(err).step(title) as step:
                say = step.note
                after = finish_rotation(ground, say, at_once=now) if finish else begin_rotation(ground, say)
                say(after.signing)
        except RotationRefused as refused:
            raise fail(str(refused)) from None
        except KeyboardInterrupt:
            raise fail("Interrupted: calling the same again goes on.", Exit.INTERRUPTED) from None
        found = document(ground)
    if as_json:
        print_json(found)
    elif word := next_step(after):
        err.print(word, markup=False)


@contextmanager
def _possible(ground: LocalKeys) -> Iterator[None]:
    """An environment that was never up has no keys."""
    if not ground.secrets.directory.is_dir():
        raise fail(f"{ground.environment.name} has no keys yet: `tandem up` makes them", Exit.NOTHING_THERE)
    yield


def document(ground: LocalKeys) -> dict[str, Any]:
    """All of it, for `--json`. What does not answer has null or an empty list."""
    records = records_of(ground)
    return {
        "stage": records.stage.value,
        "authorities": {"signing": records.signing, "coming": records.coming, "leaving": records.leaving},
        "finish_from": records.finish_from.isoformat() if records.finish_from else None,
        "portal_nodes": {node: key or None for node, key in ground.signing().items()},
        "clusters": {cluster: sorted(keys) for cluster, keys in ground.trusted().items()},
        "host_keys": ground.host_keys(),
    }


def next_step(records: Records) -> str:
    """What is left to do, if anything."""
    if records.stage is Stage.INTRODUCING:
        return "A rotation was interrupted: `tandem keys rotate` goes on with it."
    if records.finish_from:
        return (
            f"The old authority is still trusted. From {records.finish_from:%Y-%m-%d %H:%M:%S} UTC on nothing that it "
            "signed is good: `tandem keys rotate --finish` drops it."
        )
    return ""
