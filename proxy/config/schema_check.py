"""The shape of a rollout's checks and hooks, and of whom decisions are told: everything that is asked or said outside.

What takes two places of the file is in ``check_conditions`` and ``check_rollout``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from proxy import limits
from proxy.config import fields as f
from proxy.config.part import Items, Part
from proxy.config.scalars import shown_duration
from proxy.model.intent import Notification as NotificationModel
from proxy.model.kinds import RECORD_KINDS
from proxy.model.rollout import HOOK_POINTS, HookPoint, HttpQuery, Metric, PrometheusQuery
from proxy.model.rollout import Check as CheckModel
from proxy.model.rollout import Hook as HookModel

_QUERY: Final = PrometheusQuery("", "")
_HTTP: Final = HttpQuery("")
_NOTIFICATION: Final = NotificationModel("", "")
_HOOK: Final = HookModel("before_rollout", "")


def _kind(text: str) -> str:
    if text not in RECORD_KINDS:
        raise f.refused(f"{text!r} is no kind of record; {', '.join(RECORD_KINDS)} are")
    return text


class PrometheusCheck(Part):
    """An instant query of a Prometheus server; its answer has to be one number. Give max, min or both."""

    address: f.Location = Field(description="The server, like http://127.0.0.1:9090; a path before /api/v1/query stays.")
    query: f.Query = Field(
        description="PromQL that gives one number; {{service}}, {{stable}}, {{candidate}} and {{rollout}} are put in."
    )
    timeout: f.Timeout = Field(
        default=shown_duration(_QUERY.timeout_s), validate_default=True, description="How long one answer may take."
    )
    token_file: f.Line = Field(default="", description="A file that holds a bearer token to send. Left out: none is sent.")
    max: f.Number | None = Field(default=None, description="The most the number may be.")
    min: f.Number | None = Field(default=None, description="The least the number may be.")


class HttpCheck(Part):
    """A URL that has to answer 2xx; with value, the number at that place of its JSON has to keep within max and min."""

    url: f.AskedUrl = Field(description="What is asked for, by GET; {{service}}, {{stable}}, {{candidate}} and {{rollout}} are put in.")
    value: f.JsonPath = Field(default="", description="Where the number stands in the JSON of the answer, like $.orders.rate.")
    timeout: f.Timeout = Field(
        default=shown_duration(_HTTP.timeout_s), validate_default=True, description="How long one answer may take."
    )
    token_file: f.Line = Field(default="", description="A file that holds a bearer token to send. Left out: none is sent.")
    max: f.Number | None = Field(default=None, description="The most the number may be; needs value.")
    min: f.Number | None = Field(default=None, description="The least the number may be; needs value.")


class Check(Part):
    """One condition that the candidate has to meet at every interval: exactly one of metric, prometheus and http."""

    name: f.Name = Field(description="What it is called in verdicts, history and metrics.")
    metric: Annotated[Metric | None, f.word("a metric")] = Field(
        default=None, description="What the proxy has measured on the candidate itself."
    )
    prometheus: PrometheusCheck | None = Field(default=None, description="A query of a Prometheus server.")
    http: HttpCheck | None = Field(default=None, description="A URL that has to answer 2xx.")
    max: f.Limit | None = Field(
        default=None,
        description="The most the metric may be: 0.01 or 1% of a rate, 500ms of a latency, a number of requests_per_second.",
    )
    min: f.Limit | None = Field(default=None, description="The least the metric may be, in the same units.")
    max_ratio: Annotated[float | None, f.real(0, 1000, ends=False)] = Field(
        default=None, description="How many times stable's value over the same seconds the candidate's may be."
    )
    max_delta: f.Limit | None = Field(
        default=None, description="How much above stable's value over the same seconds the candidate's may be, in the metric's units."
    )
    window: f.CheckWindow = Field(
        default=shown_duration(CheckModel("").window_s),
        validate_default=True,
        description="Over how much of the past the metric is taken. Left out: the step so far.",
    )
    dry_run: f.Truth = Field(default=CheckModel("").dry_run, description="Whether it is only recorded, and acts on nothing.")


class Notification(Part):
    """Whom decisions are told. Nothing waits for it."""

    name: f.Name = Field(description="What it is called in metrics and logs.")
    url: f.CalledUrl = Field(description="What is POSTed to, after each decision.")
    form: Annotated[Literal["webhook", "slack"], f.word("webhook or slack")] = Field(
        default=_NOTIFICATION.form,
        description="webhook: the record as JSON, signed; slack: a line of text, as Slack and its like take it.",
    )
    secret_file: f.Line = Field(default="", description="A file with the secret that webhooks are signed with. Left out: unsigned.")
    on: Items[Annotated[str, f.word("a kind of record"), AfterValidator(_kind)]] = Field(
        default=[], description="Which kinds of records. Left out: all.", min_length=1
    )
    timeout: f.Timeout = Field(
        default=shown_duration(_NOTIFICATION.timeout_s), validate_default=True, description="How long each try may take."
    )


class Hook(Part):
    """A URL that is POSTed to at a point of the rollout; the three before_* end it when they do not get a 2xx."""

    on: Annotated[HookPoint, f.word("a point of the rollout")] = Field(description="When: " + ", ".join(HOOK_POINTS) + ".")
    url: f.CalledUrl = Field(description="What is POSTed to, with the rollout as JSON.")
    timeout: f.Timeout = Field(
        default=shown_duration(_HOOK.timeout_s), validate_default=True, description="How long each try may take to answer."
    )
    retries: Annotated[int, f.whole(0, limits.HOOK_RETRIES_MAX)] = Field(
        default=_HOOK.retries, description="How often it is tried again when it gave no 2xx."
    )
    name: f.Line = Field(default="", description="What it is called in the history. Left out: its URL.")
    token_file: f.Line = Field(default="", description="A file that holds a bearer token to send. Left out: none is sent.")
