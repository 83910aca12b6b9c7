"""The reference of the config that ships is the one that the specs make."""

from pathlib import Path

from ostinato.reference import reference

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_is_up_to_date():
    written = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m ostinato.reference > docs/config.md"


def test_the_reference_names_each_key_with_its_default_and_what_is_allowed():
    assert "| `early_stop` | `auto` | a whole number of at least -1 or auto |" in reference()
    assert "Later: `model_type`, `hyperopt`" in reference()
