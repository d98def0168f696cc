"""The exercises of chapter 06, deployment; their examiners stand in `deployment`, `operations` and `uploads`."""

from course_utils.exercises import deployment, operations, uploads
from course_utils.exercises.exercise import Exercise, texts

TEXTS = texts(__file__)
EXERCISES = {
    "6.1": Exercise(
        examine=deployment.examine_changed_files,
        answer=deployment.my_changed_files,
        mistakes=(
            (deployment.looks_at_the_expected_only, "a file that was smuggled in is not seen"),
            (deployment.looks_at_the_folder_only, "a file that is missing is not seen"),
            (deployment.compares_names, "names are compared, contents are not"),
        ),
        **TEXTS["6.1"],
    ),
    "6.2": Exercise(
        examine=deployment.examine_parity,
        answer=deployment.my_parity,
        mistakes=(
            (deployment.forgets_the_sign, "a score that fell counts for nothing"),
            (
                deployment.difference_of_the_best,
                "compares the largest scores only, which may belong to other classes",
            ),
            (deployment.share_of_equal_scores, "counts scores instead of answers"),
        ),
        **TEXTS["6.2"],
    ),
    "6.3": Exercise(
        examine=deployment.examine_quantised,
        answer=deployment.my_quantised,
        mistakes=(
            (
                deployment.leaves_zero_out,
                "the range does not hold 0, and the zero point leaves the 256 numbers",
            ),
            (deployment.never_cuts_off, "what lies outside the range gets a number that 8 bits do not have"),
            (deployment.gives_the_stored, "gives the whole numbers, not what they stand for"),
        ),
        **TEXTS["6.3"],
    ),
    "6.4": Exercise(
        examine=deployment.examine_answer,
        answer=deployment.my_answer,
        mistakes=(
            (deployment.overflows, "e to the 1000 is too large for a number"),
            (deployment.share_of_the_scores, "divides scores, which may be negative"),
            (deployment.one_class_alone, "looks at the best score alone: the others decide what it is worth"),
        ),
        **TEXTS["6.4"],
    ),
    "6.5": Exercise(
        examine=operations.examine_percentile,
        answer=operations.my_percentile,
        mistakes=(
            (operations.one_place_too_far, "counts places from 0 and lands one too far"),
            (operations.between_two_times, "is a time that no request took"),
            (operations.forgets_to_sort, "takes the times in the order in which they came"),
        ),
        **TEXTS["6.5"],
    ),
    "6.6": Exercise(
        examine=uploads.examine_upload_check,
        answer=uploads.my_upload_check,
        mistakes=(
            (uploads.believes_the_first_bytes, "the first bytes can be copied by anybody"),
            (
                uploads.decodes_before_it_looks,
                "decodes first: a bomb has gone off before its size is known",
            ),
            (uploads.trusts_the_header, "a picture that is cut off has a good header"),
            (uploads.trusts_verify, "of a JPEG, `verify` reads no more than the header"),
        ),
        **TEXTS["6.6"],
    ),
    "6.7": Exercise(
        examine=operations.examine_rates,
        answer=operations.my_rates,
        mistakes=(
            (operations.totals_since_the_start, "counts since the start, not since the first page"),
            (operations.all_routes, "health checks are requests too, and there are many"),
            (operations.refusals_are_failures, "4xx is the sender's mistake, 5xx the service's"),
        ),
        **TEXTS["6.7"],
    ),
    "6.8": Exercise(
        examine=operations.examine_distance,
        answer=operations.my_distance,
        mistakes=(
            (operations.gap_of_the_means, "two samples with the same mean may look quite different"),
            (
                operations.counts_what_is_below,
                "counts 'at most' in one sample and 'below' in the other: ties differ",
            ),
            (operations.counts_without_shares, "counts instead of shares: the samples have different sizes"),
        ),
        **TEXTS["6.8"],
    ),
}
