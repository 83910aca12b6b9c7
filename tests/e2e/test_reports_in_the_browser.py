"""The reports as Kubeflow's run page shows them: Chromium, the `srcdoc` of an iframe that may only run scripts."""

import html
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import sync_playwright

from ostinato.contract.data import describe
from ostinato.contract.file import read_statistics, to_yaml
from ostinato.load import canonical_json, load_config
from ostinato.trainer.progress import Quiet
from ostinato_components import evaluate, infer_schema, preprocess, train, validate_data
from ostinato_components.gate import report as gate_report
from ostinato_components.gate.bootstrap import Interval
from ostinato_components.gate.decision import Comparison, Decision, Slice

LONG = "a_column_whose_name_goes_on_and_on_without_any_place_where_it_could_be_broken_into_two_lines"
SCRIPT = "<script>alert(document.cookie)</script>"
IMAGE = '"><img src=http://elsewhere.example/x.png onerror=alert(1)>'
CONFIG = {
    "input_features": [
        {"name": LONG, "type": "number"},
        {"name": SCRIPT, "type": "category"},
        {"name": IMAGE, "type": "binary"},
        {"name": "notes", "type": "text", "encoder": {"type": "embed", "embedding_size": 4}},
    ],
    "output_features": [
        {"name": "price & <i>tax</i>", "type": "number"},
        {"name": "sold", "type": "binary"},
        {"name": "kind", "type": "category"},
    ],
    "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 8},
    "trainer": {"epochs": 4, "batch_size": 64, "learning_rate": 0.02},
}
COMPARISON = Comparison(f"{LONG} {SCRIPT}", "accuracy", 0.5, 0.7, Interval(-0.4, 0.1), (f"{SCRIPT} is worse",))
DECISION = Decision(
    "refused",
    100,
    (COMPARISON,),
    (Slice(SCRIPT, IMAGE, 40, (COMPARISON,)),),
    (f"{SCRIPT} is worse", LONG),
    (IMAGE,),
    {"bundle": SCRIPT, "ostinato_version": "1"},
    {"bundle": IMAGE, "ostinato_version": "1"},
)
REPORTS = ("profile", "learning_curves", "report", "data_validation", "gate")
FRAME = """<!doctype html><body style="margin: 0">
<iframe sandbox="allow-scripts" srcdoc="{}" style="border: 0; width: 100%; height: calc(100vh - 8px)"></iframe>"""


def table(num_rows=400):
    generator = np.random.default_rng(0)
    size = generator.normal(50, 10, num_rows)
    values = [SCRIPT, IMAGE, "x" * 300, "groß", "nothing"]
    return pa.table(
        {
            LONG: pa.array(size, mask=generator.random(num_rows) < 0.2),
            SCRIPT: generator.choice(values, num_rows),
            IMAGE: generator.random(num_rows) < 0.4,
            "notes": generator.choice([f"{SCRIPT} {LONG}", "a note", "two notes"], num_rows),
            "price & <i>tax</i>": size * 1e7 + generator.normal(0, 1, num_rows),
            "sold": np.where(size + generator.normal(0, 6, num_rows) > 50, "yes", "no"),
            # More classes than the confusion matrix shows.
            "kind": [
                f"{SCRIPT} {int(value) * 3 + int(step)}"
                for value, step in zip(size, generator.integers(0, 3, num_rows), strict=True)
            ],
        }
    )


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Name of a report -> its HTML, of data whose every name and value wants to break out."""
    root = tmp_path_factory.mktemp("reports")
    data, config = str(root / "data.parquet"), load_config(CONFIG)
    pq.write_table(table(), data)
    pages = {name: str(root / f"{name}.html") for name in REPORTS}
    infer_schema.run(data, canonical_json(config.document), str(root / "s"), str(root / "t"), pages["profile"])
    preprocess.run(data, config.config, str(root / "rows"))
    train.run(
        str(root / "rows"),
        config.config,
        str(root / "model"),
        learning_curves_path=pages["learning_curves"],
        progress=Quiet(),
    )
    evaluate.run(
        str(root / "model"),
        str(root / "rows"),
        report_path=pages["report"],
        metrics_path=str(root / "m"),
        predictions_path=str(root / "p"),
    )
    validate(root, data, pages["data_validation"])
    Path(pages["gate"]).write_text(gate_report.render_report(DECISION))
    return {name: Path(path).read_text() for name, path in pages.items()}


def validate(root, data, page):
    """The report of other data against the contract of these."""
    (root / "contract.yaml").write_text(to_yaml(describe(read_statistics(str(root / "t")))))
    others = table(300)
    others = others.set_column(6, "kind", pa.array([f"{IMAGE} {number % 7}" for number in range(300)]))
    pq.write_table(others.append_column(f"{LONG} {SCRIPT}", others[LONG]), data)
    infer_schema.run(data, "", str(root / "s2"), str(root / "t2"), str(root / "p2"))
    paths = {"report_path": page, "findings_path": str(root / "f"), "proposal_path": str(root / "c")}
    config = json.dumps({"path": str(root / "contract.yaml")})
    assert validate_data.run(str(root / "t2"), config, (root / "contract.yaml").read_text(), **paths)


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        assert not os.environ.get("CI"), "CI tests in Chromium: .ci/run installs it"
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])  # root has none
        yield opened
        opened.close()


class Shown:
    """A report in the frame of a page as Kubeflow's, and what happened while it was opened."""

    def __init__(self, browser, text, width, scheme):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = self.context.new_page()
        self.requests, self.said = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        page.set_content(FRAME.format(html.escape(text)), wait_until="load")
        self.page, self.frame = page, page.frames[1]

    def find(self, script):
        """What a script finds in the report."""
        return self.frame.evaluate(script)


OVERFLOWING = """() => {
  const found = [];
  const clips = element => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(element).overflowX);
  for (const element of document.querySelectorAll('main *')) {
    const box = element.getBoundingClientRect();
    if (!box.width || element.closest('svg') && element.tagName !== 'svg') continue;
    for (let around = element.parentElement; around && !clips(around); around = around.parentElement) {
      const outer = around.getBoundingClientRect();
      if (getComputedStyle(around).display !== 'inline' && box.right > outer.right + 1) {
        found.push(element.tagName + '.' + element.className + ' in ' + around.tagName + '.' + around.className);
        break;
      }
    }
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('the page');
  return found;
}"""
CUT_OFF = """() => [...document.querySelectorAll('svg.chart text')].filter(text => {
  const box = text.getBoundingClientRect(), card = text.closest('.card').getBoundingClientRect();
  return box.left < card.left || box.right > card.right + 1;
}).map(text => text.textContent)"""
PALE = """() => {
  const parts = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const linear = value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const light = color => color.slice(0, 3).reduce((sum, v, i) => sum + linear(v / 255) * [.2126, .7152, .0722][i], 0);
  const over = (under, [r, g, b, a = 1]) => under.map((value, i) => value * (1 - a) + [r, g, b][i] * a);
  const behind = element => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      layers.push(parts(getComputedStyle(each).backgroundColor));
      if (layers.at(-1).length === 3) break;
    }
    return layers.reverse().reduce(over, [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll('main *:not(title)')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element), color = element.closest('svg') ? style.fill : style.color;
    const [low, high] = [light(parts(color)), light(behind(element))].sort((one, other) => one - other);
    const contrast = (high + .05) / (low + .05);
    if (contrast < 3) found.push(`${element.tagName} ${contrast.toFixed(2)} ${element.textContent.slice(0, 30)}`);
  }
  return found;
}"""
"""Texts whose contrast is below 3, the least that WCAG 2.1 asks for of large ones."""


@pytest.fixture(
    scope="module", params=[(1200, "light"), (1200, "dark"), (560, "light")], ids=lambda way: f"{way[1]}-{way[0]}"
)
def shown(request, browser, reports, tmp_path_factory):
    """Every report, shown one way; with OSTINATO_SCREENSHOTS=FOLDER there are pictures of them."""
    width, scheme = request.param
    opened = {name: Shown(browser, text, width, scheme) for name, text in reports.items()}
    if folder := os.environ.get("OSTINATO_SCREENSHOTS"):
        for name, each in opened.items():
            height = each.find("() => document.documentElement.scrollHeight")
            each.page.set_viewport_size({"width": width, "height": min(height, 6000)})
            each.page.wait_for_timeout(500)
            each.page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png")
    yield opened
    for each in opened.values():
        each.context.close()


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_opens_without_errors_and_asks_for_nothing_from_elsewhere(shown, name):
    assert shown[name].said == []
    assert [url for url in shown[name].requests if not url.startswith("about:")] == []
    assert shown[name].find("() => document.querySelectorAll('script, img, link, iframe').length") == 0
    assert shown[name].find("() => document.querySelector('main').innerText.length") > 100


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_in_a_report_sticks_out(shown, name):
    assert shown[name].find(OVERFLOWING) == []
    assert shown[name].find(CUT_OFF) == []


@pytest.mark.parametrize("name", REPORTS)
def test_every_text_in_a_report_can_be_read_on_what_is_behind_it(shown, name):
    assert shown[name].find(PALE) == []


def test_names_and_values_are_shown_as_they_are(shown):
    for name in ("profile", "report"):
        text = shown[name].find("() => document.querySelector('main').textContent")
        assert SCRIPT in text
        assert IMAGE in text
