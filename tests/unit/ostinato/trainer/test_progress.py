"""What a person sees of training."""

from __future__ import annotations

import io

from ostinato.trainer.progress import Line, Lines, Plan, duration, suitable

PLAN = Plan(1000, 100, 12345, 32, 320, 32, "cpu", 1, "y.loss (validation rows)")


def line(step: int, is_best: bool = True) -> Line:
    return Line(step / 32, step, 0.5, {"validation loss": 0.4}, 0.001, 5000.0, is_best)


def test_lines_say_what_lies_ahead_and_how_it_goes() -> None:
    stream = io.StringIO()
    with Lines(stream, interval_s=0) as lines:
        lines.start(PLAN)
        lines.step(32)
        lines.evaluation(line(32))
        lines.evaluation(line(64, is_best=False))

    first, second, third = stream.getvalue().splitlines()
    assert "1,000 rows (100 validation), 12,345 parameters, batch 32" in first
    assert "epoch 1/10  step 32  loss 0.5  validation loss 0.4  5,000 rows/s" in second
    assert second.endswith("*")
    assert not third.endswith("*")


def test_fast_epochs_do_not_flood_the_log_but_the_last_one_is_written() -> None:
    stream = io.StringIO()
    with Lines(stream, interval_s=1000) as lines:
        lines.start(PLAN)
        for step in range(32, 320, 32):
            lines.evaluation(line(step))
    assert len(stream.getvalue().splitlines()) == 2
    assert "step 288" in stream.getvalue()


def test_no_line_holds_control_characters() -> None:
    stream = io.StringIO()
    with Lines(stream, interval_s=0) as lines:
        lines.start(PLAN)
        lines.note("no improvement")
        lines.evaluation(line(32))
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


def test_durations_are_told_in_the_unit_that_suits() -> None:
    assert [duration(seconds) for seconds in (4, 300, 7200)] == ["4 s", "5 min", "2.0 h"]


def test_quiet_says_nothing(capsys: object) -> None:
    with suitable(quiet=True) as progress:
        progress.start(PLAN)
        progress.evaluation(line(32))
