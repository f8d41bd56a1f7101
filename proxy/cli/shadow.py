"""``headgate shadow``: the comparison report, for people and for pipelines. Thin over the admin API."""

from __future__ import annotations

import click

from proxy.cli.live import connect, connection_options, quoted
from proxy.cli.output import output_option, say


@click.command()
@click.argument("service")
@click.option("--require-same", is_flag=True, help="Exit 1 unless enough was compared to say that nothing differs.")
@click.option("--samples", is_flag=True, help="Show up to five pairs for each path that differs.")
@connection_options
@output_option
def shadow(
    service: str, require_same: bool, samples: bool, admin: str | None, token_file: str | None, config: str | None, output: str
) -> int:
    """What the shadow version of SERVICE answers differently. Exits 1 when something differs that is neither noise nor allowed."""
    body = connect(admin, token_file, config).get(f"/api/v1/services/{quoted(service)}/shadow")
    if output == "json":
        say(output, body, "")
    else:
        from proxy.cli.shadow_view import render  # rich takes 50 ms, and a pipeline does not need it
        from proxy.cli.status_view import show

        show(render(body, samples=samples))
    word = (body.get("report") or {}).get("word", "")
    return 1 if word == "different" or (require_same and word != "same") else 0
