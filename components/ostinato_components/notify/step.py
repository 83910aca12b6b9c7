"""The end of a run: people are told. What can't be delivered is a line in the log, since a run is worth more."""

from __future__ import annotations

import html
import json
import logging
import os
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage

import tenacity

from ostinato.notify.spec import SMTP_PASSWORD, SMTP_USERNAME, WEBHOOK_URL, EmailSpec, NotifySpec
from ostinato_components.task import ERROR_FILE, reported

log = logging.getLogger("ostinato.notify")

TIMEOUT_S = 15.0
_ATTEMPTS = 3
_MOST_LETTERS = 3000
"""Of a reason: Slack takes 4,000 of a message."""
_ENDS = {"SUCCEEDED": "succeeded", "FAILED": "failed"}


@dataclass(frozen=True)
class Message:
    """What people are told."""

    subject: str
    """One line."""
    reason: str
    """Why, in plain text; may be empty."""
    link: str
    """Page of the run; may be empty."""


def run(
    section: str,
    *,
    pipeline: str,
    run_id: str,
    state: str,
    error: str,
    environment: Mapping[str, str] = os.environ,
) -> list[str]:
    """Tells those whom the section names, if they want to know of this end; gives what was delivered.

    Args:
        section: the section `notify` as JSON.
        pipeline: name of the pipeline.
        run_id: id of the run.
        state: SUCCEEDED, FAILED or CANCELLED, as KFP says it.
        error: what KFP knows of the failure.
        environment: holds the keys of the Secret.
    """
    spec = NotifySpec.model_validate_json(section, strict=False)
    end = _ENDS.get(state, state.lower())
    if end not in spec.when:
        log.info("the run %s; nobody is told of that", end)
        return []
    message = Message(
        subject=f"{_one_line(pipeline)}: {end}",
        reason="" if end == "succeeded" else _reason(error, environment),
        link=f"{spec.link.rstrip('/')}/#/runs/details/{run_id}" if spec.link and run_id else "",
    )
    ways: list[tuple[str, Callable[[], None]]] = []
    if spec.webhook:
        ways.append(("webhook", lambda: post(message, environment.get(WEBHOOK_URL, ""))))
    if (email := spec.email) is not None:
        login = (environment.get(SMTP_USERNAME, ""), environment.get(SMTP_PASSWORD, ""))
        ways.append(("e-mail", lambda: send(message, email, login)))
    return [name for name, way in ways if _delivered(name, way)]


def _delivered(name: str, way: Callable[[], None]) -> bool:
    again = tenacity.retry(
        retry=tenacity.retry_if_exception_type((OSError, smtplib.SMTPException)),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    try:
        again(way)()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        log.warning("warning: no message by %s: %s", name, _told(error))
        return False
    log.info("told by %s", name)
    return True


def post(message: Message, url: str) -> None:
    """Posts the message as Slack takes it.

    Raises:
        ValueError: there is no address, or it is none.
        OSError: it could not be delivered.
    """
    if not re.match(r"https?://", url):
        raise ValueError(f"the Secret has no {WEBHOOK_URL}, or that is no address of the web")
    lines = [f"*{_slack(message.subject)}*", _slack(message.reason), _slack(message.link)]
    body = json.dumps({"text": "\n".join(filter(None, lines))}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked above)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
        pass


def send(message: Message, spec: EmailSpec, login: tuple[str, str]) -> None:
    """Sends the message as a mail.

    Raises:
        ValueError: a login would go over an open line.
        OSError: the server can't be reached.
        smtplib.SMTPException: it refuses.
    """
    username, password = login
    if username and spec.security == "none":
        raise ValueError(f"{SMTP_USERNAME} is not sent over an open line: notify.email.security is none")
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = message.subject, spec.sender, ", ".join(spec.to)
    mail.set_content("\n\n".join(filter(None, [message.subject, message.reason, message.link])) + "\n")
    context = ssl.create_default_context()
    if spec.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(spec.host, spec.port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(spec.host, spec.port, timeout=TIMEOUT_S)
    with server:
        if spec.security == "starttls":
            server.starttls(context=context)
        if username:
            server.login(username, password)
        server.send_message(mail)


def _reason(error: str, environment: Mapping[str, str]) -> str:
    """Why the run failed: what the step handed to the local runner, else what KFP knows."""
    path = environment.get(ERROR_FILE, "")
    found = reported(path) if path else None
    text = str(found) if found is not None else error
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]} …"


def _slack(text: str) -> str:
    """Text that Slack shows as it is: no link, no mention."""
    return html.escape(text, quote=False)


def _one_line(text: str) -> str:
    """A header of a mail has one line."""
    return " ".join(text.split())


def _told(error: Exception) -> str:
    """The error, without the address that it may hold: a webhook's address is its password."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"the server can't be reached: {error.reason}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answers {error.smtp_code}"
    return re.sub(r"https?://\S+", "(address)", str(error))
