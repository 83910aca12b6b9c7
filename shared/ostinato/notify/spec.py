"""Who is told how a run ended: the section `notify`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Strict

from ostinato.spec import Name, Spec

WEBHOOK_URL, SMTP_USERNAME, SMTP_PASSWORD = "WEBHOOK_URL", "SMTP_USERNAME", "SMTP_PASSWORD"  # names
SECRET_KEYS = (WEBHOOK_URL, SMTP_USERNAME, SMTP_PASSWORD)
"""Keys of the Secret, and the variables of the step that they become."""


class EmailSpec(Spec):
    """A mail by SMTP. Where the Secret has SMTP_USERNAME and SMTP_PASSWORD, they are the login."""

    to: Annotated[tuple[Name, ...], Strict(False), MinLen(1)]
    """Who gets it."""
    sender: Name
    """Who it is from."""
    host: Name
    """Server that takes mails."""
    port: Annotated[int, Ge(1), Le(65535)] = 587
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the line is encrypted; a login is never sent without."""


class NotifySpec(Spec):
    """A message when a run has ended. One that can't be delivered is a line in the log, and never fails the run.

    Applied when a pipeline is compiled, and no part of what a run is keyed on.
    """

    when: Annotated[tuple[Literal["failed", "succeeded"], ...], Strict(False), MinLen(1)] = ("failed",)
    """Which ends are told of. A run that is refused by contract or gate fails; one that is cancelled tells nobody."""
    webhook: bool = False
    """Whether {"text": …} is posted, as Slack, Mattermost and their like take it, to the address that the key
    WEBHOOK_URL of the Secret holds."""
    email: EmailSpec | None = None
    """A mail; null for none."""
    secret: Name = "ostinato-notify"  # noqa: S105  # its name
    """Secret with the keys WEBHOOK_URL, SMTP_USERNAME and SMTP_PASSWORD, those that are needed."""
    link: str = ""
    """Address of the Kubeflow UI, e.g. https://kubeflow.example.com/pipeline; the message links to the run there."""
