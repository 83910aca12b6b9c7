"""The step `notify`: a web server and a mail server hear of a run, and a run never fails of them."""

import asyncio
import http.server
import json
import logging
import threading

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

import servers
from ostinato.errors import ConfigError, DataError, Problem
from ostinato.load import load_config
from ostinato_components import notify
from ostinato_components.task import ERROR_FILE, to_json

INPUTS = {
    "input_features": [{"name": "x", "type": "number"}],
    "output_features": [{"name": "y", "type": "number"}],
}


def section(**fields):
    config = load_config({**INPUTS, "notify": fields}).config
    return json.dumps(config.notify.model_dump(mode="json"))


def run(text, environment, state="FAILED", error="Task train failed."):
    return notify.run(text, pipeline="prices", run_id="r-1", state=state, error=error, environment=environment)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


@pytest.fixture
def webhook():
    """Its address with a password in it, what it got, and the answers that it gives in turn."""
    got, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook/PASSWORD", got, answers
    server.shutdown()
    server.server_close()


class Mailbox:
    def __init__(self):
        self.mails, self.logins = [], []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def login(self, server, session, envelope, mechanism, data):
        self.logins.append(data)
        return AuthResult(success=True)


@pytest.fixture
def mail():
    asyncio.set_event_loop(asyncio.new_event_loop())
    box = Mailbox()
    port = servers.free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, {"to": ["a@example.com", "b@example.com"], "sender": "ci@example.com", "host": "127.0.0.1", "port": port}
    controller.stop()


def test_a_failure_is_posted_with_reason_and_link(webhook):
    url, got, _ = webhook
    text = section(webhook=True, link="https://kubeflow.example.com/pipeline/")
    assert run(text, {"WEBHOOK_URL": url}) == ["webhook"]
    assert got == [
        {"text": "*prices: failed*\nTask train failed.\nhttps://kubeflow.example.com/pipeline/#/runs/details/r-1"}
    ]


def test_the_reason_is_what_the_step_said_where_the_local_runner_knows_it(webhook, tmp_path):
    url, got, _ = webhook
    (tmp_path / "error.json").write_text(to_json(DataError(Problem("data.csv", "no <column> & <!channel>"))))
    run(section(webhook=True), {"WEBHOOK_URL": url, ERROR_FILE: str(tmp_path / "error.json")})
    assert "data.csv: no &lt;column&gt; &amp; &lt;!channel&gt;" in got[0]["text"]


@pytest.mark.parametrize(
    ("when", "state", "told"),
    [
        (["failed"], "SUCCEEDED", False),
        (["succeeded"], "SUCCEEDED", True),
        (["succeeded"], "FAILED", False),
        (["failed", "succeeded"], "CANCELLED", False),
    ],
)
def test_only_those_ends_are_told_that_somebody_wants_to_know(webhook, when, state, told):
    url, got, _ = webhook
    run(section(webhook=True, when=when), {"WEBHOOK_URL": url}, state=state)
    assert bool(got) == told
    assert not told or got[0]["text"] == "*prices: succeeded*"


def test_what_is_refused_for_a_moment_is_tried_again(webhook):
    url, got, answers = webhook
    answers += [503, 429]
    assert run(section(webhook=True), {"WEBHOOK_URL": url}) == ["webhook"]
    assert len(got) == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook/PASSWORD", "", "file:///etc/passwd", "PASSWORD"])
def test_a_webhook_that_is_down_fails_nothing_and_its_address_is_in_no_log(url, caplog):
    logging.getLogger("ostinato").propagate = True
    with caplog.at_level(logging.INFO, "ostinato"):
        assert run(section(webhook=True), {"WEBHOOK_URL": url}) == []
    assert "no message by webhook" in caplog.text
    assert "PASSWORD" not in caplog.text


def test_a_server_that_always_refuses_fails_nothing(webhook, caplog):
    url, _, answers = webhook
    answers += [500] * 9
    logging.getLogger("ostinato").propagate = True
    with caplog.at_level(logging.INFO, "ostinato"):
        assert run(section(webhook=True), {"WEBHOOK_URL": url}) == []
    assert "the server answers 500" in caplog.text
    assert "PASSWORD" not in caplog.text


def test_a_mail_goes_to_all(mail):
    box, email = mail
    assert run(section(email=email | {"security": "none"}), {}) == ["e-mail"]
    ((sender, to, text),) = box.mails
    assert (sender, to) == ("ci@example.com", ["a@example.com", "b@example.com"])
    assert "Subject: prices: failed" in text
    assert "Task train failed." in text


def test_a_login_is_not_sent_over_an_open_line(mail, caplog):
    box, email = mail
    logging.getLogger("ostinato").propagate = True
    login = {"SMTP_USERNAME": "ci", "SMTP_PASSWORD": "PASSWORD"}
    with caplog.at_level(logging.INFO, "ostinato"):
        assert run(section(email=email | {"security": "none"}), login) == []
        assert run(section(email=email), login) == [], "the server knows no STARTTLS"
    assert box.mails == []
    assert "is not sent over an open line" in caplog.text
    assert "PASSWORD" not in caplog.text


def test_one_way_that_fails_leaves_the_other(webhook, mail):
    url, got, _ = webhook
    _, email = mail
    assert run(section(webhook=True, email=email), {"WEBHOOK_URL": url}) == ["webhook"]
    assert got


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"webhook": True, "when": ["cancelled"]}, "failed or succeeded"),
        ({"webhook": True, "when": []}, "is empty"),
        ({"email": {"to": [], "sender": "a@b", "host": "h"}}, "notify.email.to"),
        ({}, "nobody is told"),
    ],
)
def test_a_section_that_tells_nobody_is_an_error(fields, said):
    with pytest.raises(ConfigError, match=said):
        section(**fields)
