"""Named sets of defaults: `preset: ludwig`."""

from __future__ import annotations

from ostinato.document import Mark, Section, from_mapping

LUDWIG_INPUTS = {"number": {"preprocessing": {"fill_value": 0.0}}}
LUDWIG_OUTPUTS = {"number": {"preprocessing": {"normalization": None}}}
LUDWIG_TRAINER = {"early_stop": 5}


def preset_of(document: Section, num_inputs: int) -> Section | None:
    """What a document's preset says, below what the document says itself; None where there is no preset.

    `inputs` and `outputs` hold what features of each type get, the other keys are those of a config.
    """
    if document.get("preset") != "ludwig":
        return None
    combiner = {"type": "ft_transformer" if num_inputs >= 3 else "concat"}
    return from_mapping(
        {"inputs": LUDWIG_INPUTS, "outputs": LUDWIG_OUTPUTS, "trainer": LUDWIG_TRAINER, "combiner": combiner},
        Mark("preset ludwig"),
    )
