"""Discount codes in bulk."""

import json
import sys
from typing import IO

import click
import marshmallow as ma

from .. import config
from ..discount_coupons.bulk import batches, generation, parts, schemas
from .terminal import Group

codes = Group("codes", help="Discount codes in bulk.")


@codes.command("generate")
@click.option("--count", type=int, required=True)
@click.option(
    "--pattern", default="##########", show_default=True, help="Each # is a random character."
)
@click.option("--template", required=True, help="A discount coupon without a code, as JSON.")
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    help="Where the codes go, as CSV. [default: standard output]",
)
def generate_codes(count: int, pattern: str, template: str, output: IO[str]) -> None:
    """Make single-use discount codes and write them out.

    Whatever stops the command, the worker makes the rest.
    """
    try:
        asked = schemas.NewBatch().load(
            {"count": count, "pattern": pattern, "template": json.loads(template)}
        )
    except ma.ValidationError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.BadParameter("It is no JSON.", param_hint="--template") from error
    batch = generation.generate(None, **asked, currency=config.current().currency)
    click.echo(f"Batch {batch.batch_id}", err=True)
    with click.progressbar(length=count, label="Codes", file=sys.stderr) as bar:
        for done in parts.work_off(batch.batch_id):
            bar.update(done - bar.pos)
    output.write("code\n")
    for page in batches.codes_of(batch.batch_id):
        output.writelines(f"{code}\n" for code in page)


COMMANDS = (codes,)
