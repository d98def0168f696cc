"""The exercises of chapter 03, recurrent networks and LSTMs; their examiners stand in `sequences` and `forecasts`."""

from functools import partial

from course_utils.exercises.exercise import Exercise, texts
from course_utils.exercises.forecasts import (
    CUTS,
    every_part_but_one,
    examine_baseline,
    examine_coverage,
    examine_prepare,
    forgets_the_last_window,
    forgets_the_sign,
    last_value,
    my_baseline,
    my_coverage,
    my_prepare,
    my_rolling_split,
    my_windows,
    one_fold_short,
    one_hour_off,
    one_share_for_all,
    past_holds_the_future,
    same_folds,
    same_windows,
    scales_by_everything,
    splits_the_windows,
)
from course_utils.exercises.sequences import (
    BATCHES,
    CAPS,
    MASKED,
    bits_only,
    cap_forgets_the_special_ones,
    clips_each_on_its_own,
    clips_too_late,
    counts_the_padding,
    divides_by_the_width,
    examine_clipped_pass,
    examine_gradient_norms,
    examine_lstm_step,
    examine_perplexity,
    first_come_first_served,
    first_input_first,
    mean_of_everything,
    my_clipped_pass,
    my_gradient_norms,
    my_lstm_step,
    my_masked_mean,
    my_pad,
    my_perplexity,
    my_vocabulary,
    never_forgets,
    of_all_outputs,
    pads_at_the_front,
    same_padding,
    same_vocabulary,
    shows_the_cell_state,
    two_to_the_nats,
)
from course_utils.exercises.trials import agree

TEXTS = texts(__file__)
EXERCISES = {
    "3.1": Exercise(
        examine=examine_lstm_step,
        answer=my_lstm_step,
        mistakes=(
            (never_forgets, "keeps the whole old cell state: the forget gate is missing"),
            (shows_the_cell_state, "shows c itself instead of tanh(c)"),
        ),
        **TEXTS["3.1"],
    ),
    "3.2": Exercise(
        examine=examine_gradient_norms,
        answer=my_gradient_norms,
        mistakes=(
            (first_input_first, "entry 0 is the first input: turn the order round"),
            (of_all_outputs, "adds the gradients of all outputs"),
        ),
        **TEXTS["3.2"],
    ),
    "3.3": Exercise(
        examine=partial(agree, reference=my_vocabulary, cases=CAPS, compare=same_vocabulary),
        answer=my_vocabulary,
        mistakes=(
            (cap_forgets_the_special_ones, "forgets that the special entries take two places"),
            (first_come_first_served, "takes the first words instead of the most frequent ones"),
        ),
        **TEXTS["3.3"],
    ),
    "3.4": Exercise(
        examine=partial(agree, reference=my_masked_mean, cases=MASKED),
        answer=my_masked_mean,
        mistakes=(
            (mean_of_everything, "the padding counts as words"),
            (divides_by_the_width, "sums the words, but divides by the width: a short text shrinks"),
        ),
        **TEXTS["3.4"],
    ),
    "3.5": Exercise(
        examine=examine_clipped_pass,
        answer=my_clipped_pass,
        mistakes=(
            (clips_too_late, "clips after the step: too late to matter"),
            (clips_each_on_its_own, "clips each parameter on its own, which turns the direction"),
        ),
        **TEXTS["3.5"],
    ),
    "3.6": Exercise(
        examine=partial(agree, reference=my_pad, cases=[(rows,) for rows in BATCHES], compare=same_padding),
        answer=my_pad,
        mistakes=(
            (pads_at_the_front, "pads in front: packing then cuts off words and keeps zeros"),
            (counts_the_padding, "gives the padded length for every text: the LSTM reads the padding too"),
        ),
        **TEXTS["3.6"],
    ),
    "3.7": Exercise(
        examine=examine_perplexity,
        answer=my_perplexity,
        mistakes=(
            (two_to_the_nats, "takes 2 as the base, which fits bits, not nats"),
            (bits_only, "gives the bits per character"),
        ),
        **TEXTS["3.7"],
    ),
    "3.8": Exercise(
        examine=examine_prepare,
        answer=my_prepare,
        mistakes=(
            (scales_by_everything, "mean and spread know the future"),
            (splits_the_windows, "windows around the cut hold steps of both parts"),
        ),
        **TEXTS["3.8"],
    ),
    "3.9": Exercise(
        examine=examine_coverage,
        answer=my_coverage,
        mistakes=(
            (forgets_the_sign, "an error of minus seven is as far off as one of seven"),
            (one_share_for_all, "one mean for all months hides the bad ones"),
        ),
        **TEXTS["3.9"],
    ),
    "3.10": Exercise(
        examine=partial(agree, reference=my_windows, cases=CUTS, compare=same_windows),
        answer=my_windows,
        mistakes=(
            (past_holds_the_future, "the target is the last value of the past: perfect, and worthless"),
            (forgets_the_last_window, "stops one start too early"),
        ),
        **TEXTS["3.10"],
    ),
    "3.11": Exercise(
        examine=partial(
            agree, reference=my_rolling_split, cases=[(10, 3, 2), (7, 2, 3), (9, 4, 1)], compare=same_folds
        ),
        answer=my_rolling_split,
        mistakes=(
            (every_part_but_one, "trains on what comes after the test part"),
            (one_fold_short, "leaves the newest steps unused"),
        ),
        **TEXTS["3.11"],
    ),
    "3.12": Exercise(
        examine=examine_baseline,
        answer=my_baseline,
        mistakes=(
            (last_value, "is persistence: right at 24 hours only"),
            (one_hour_off, "counts from one hour too early"),
        ),
        **TEXTS["3.12"],
    ),
}
