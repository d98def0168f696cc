"""The exercises of chapter 04, transfer learning; their examiners stand in `transfer`, `neighbours` and `attention`."""

from course_utils.exercises.attention import (
    adapter_alone,
    examine_attention,
    examine_merged_weight,
    examine_sentence_vectors,
    first_piece_only,
    forgets_the_mask,
    forgets_the_rank,
    keeps_its_length,
    masks_after_the_softmax,
    my_attention,
    my_merged_weight,
    my_sentence_vectors,
    padding_counts,
    scale_of_full_rank,
    scores_of_padding_become_zero,
)
from course_utils.exercises.exercise import Exercise, texts
from course_utils.exercises.neighbours import (
    examine_neighbours,
    examine_split,
    longest_rows_win,
    my_neighbours,
    my_split,
    nearest_of_a_tie,
    share_of_the_groups,
    share_of_the_rows,
    shortest_distance,
    stops_one_group_early,
)
from course_utils.exercises.transfer import (
    examine_groups,
    examine_train_mode,
    holds_the_frozen,
    my_groups,
    my_train_mode,
    skips_frozen_parts,
    stops_every_norm,
    stops_whatever_is_frozen,
    trains_everything,
)

TEXTS = texts(__file__)
EXERCISES = {
    "4.1": Exercise(
        examine=examine_train_mode,
        answer=my_train_mode,
        mistakes=(
            (trains_everything, "the frozen BatchNorm layers go on moving their statistics"),
            (stops_whatever_is_frozen, "what has no parameters counts as frozen: Dropout no longer drops"),
            (stops_every_norm, "also stops the BatchNorm layers that learn"),
        ),
        **TEXTS["4.1"],
    ),
    "4.2": Exercise(
        examine=examine_neighbours,
        answer=my_neighbours,
        mistakes=(
            (longest_rows_win, "is the dot product: a long row is near to everything"),
            (shortest_distance, "is the distance of the points, not the angle between them"),
            (nearest_of_a_tie, "gives a tie to the nearer label, not to the smaller"),
        ),
        **TEXTS["4.2"],
    ),
    "4.3": Exercise(
        examine=examine_groups,
        answer=my_groups,
        mistakes=(
            (skips_frozen_parts, "a frozen part no longer counts for the rates below it"),
            (holds_the_frozen, "hands frozen parameters to the optimiser"),
        ),
        **TEXTS["4.3"],
    ),
    "4.4": Exercise(
        examine=examine_split,
        answer=my_split,
        mistakes=(
            (share_of_the_rows, "pictures of one group on both sides: the test knows them"),
            (share_of_the_groups, "counts groups instead of pictures, and groups are not of one size"),
            (stops_one_group_early, "leaves out the group that would pass the share: too few test pictures"),
        ),
        **TEXTS["4.4"],
    ),
    "4.5": Exercise(
        examine=examine_attention,
        answer=my_attention,
        mistakes=(
            (forgets_the_mask, "the padding gets its share of the weight"),
            (masks_after_the_softmax, "the weights of the real pieces no longer add up to 1"),
            (scores_of_padding_become_zero, "e to the 0 is 1: the padding still gets weight"),
        ),
        **TEXTS["4.5"],
    ),
    "4.6": Exercise(
        examine=examine_sentence_vectors,
        answer=my_sentence_vectors,
        mistakes=(
            (padding_counts, "the states of the padding are in the mean, and they are not zero"),
            (keeps_its_length, "is the mean, but not of length 1"),
            (first_piece_only, "is the vector of the first piece, [CLS], not the mean"),
        ),
        **TEXTS["4.6"],
    ),
    "4.7": Exercise(
        examine=examine_merged_weight,
        answer=my_merged_weight,
        mistakes=(
            (forgets_the_rank, "forgets to divide by the rank"),
            (adapter_alone, "leaves out the layer itself"),
            (scale_of_full_rank, "divides by the width of the input, not by the rank"),
        ),
        **TEXTS["4.7"],
    ),
}
