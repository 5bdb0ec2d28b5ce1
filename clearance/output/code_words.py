"""Codes as words on the terminal: what is English in the code has a translation. JSON keeps the codes."""

from collections.abc import Iterable

from foundation.translation import N_, tr

#: The codes of verdicts, reasons, runs, causes and batches, the columns of scopes, and match hints.
CODES = (
    N_("cleared"),
    N_("held"),
    N_("unknown"),
    N_("exempt"),
    N_("nothing_owed"),
    N_("settled"),
    N_("refund_due"),
    N_("done"),
    N_("owed"),
    N_("not_done"),
    N_("exempt_by_roster"),
    N_("exempt_by_office"),
    N_("not_asked"),
    N_("no_row"),
    N_("outside_population"),
    N_("doubtful"),
    N_("awaiting_decision"),
    N_("awaiting_review"),
    N_("not_in_flow"),
    N_("renumbered"),
    N_("running"),
    N_("applied"),
    N_("unchanged"),
    N_("skipped"),
    N_("suspended"),
    N_("superseded"),
    N_("rejected"),
    N_("failed"),
    N_("expired"),
    N_("abandoned"),
    N_("run"),
    N_("decision"),
    N_("expiry"),
    N_("roster"),
    N_("settings"),
    N_("import"),
    N_("paper"),
    N_("read"),
    N_("decide"),
    N_("review"),
    N_("issue"),
    N_("manage"),
    N_("audit"),
    N_("college"),
    N_("class"),
    N_("level"),
    N_("campus"),
    N_("building"),
    N_("category"),
    N_("ambiguous"),
    N_("leading_zero"),
    N_("number_within"),
    N_("punctuation"),
    N_("letter_added"),
    N_("other_number"),
    N_("one_character"),
    N_("same_name"),
    N_("moved"),
)

#: The counts of a run, as they are stored.
COUNTS = (
    N_("rows"),
    N_("roster_rows"),
    N_("strangers"),
    N_("staying"),
    N_("no_amount"),
    N_("nameless"),
    N_("records"),
    N_("released"),
    N_("newly_held"),
    N_("newly_unknown"),
    N_("counted_cleared"),
    N_("counted_held"),
    N_("leaving"),
    N_("joined"),
    N_("changed"),
    N_("left"),
    N_("dropped"),
    N_("students"),
    N_("steps_added"),
    N_("steps_removed"),
    N_("findings"),
    N_("flows"),
    N_("unplaced"),
    N_("retired"),
    N_("flips"),
    N_("reverts"),
    N_("left_alone"),
    N_("because"),
    N_("approved"),
    N_("not_pulled"),
    N_("objections"),
)

#: What a pull has shown, and what the settings accept instead.
PROOFS = (
    N_("total_agrees"),
    N_("end_reached"),
    N_("no_page_lost"),
    N_("limit_not_hit"),
    N_("columns_present"),
    N_("charset_sane"),
    N_("accepted"),
    N_("fingerprint_same"),
    N_("one_agrees"),
    N_("second_pass_agrees"),
    N_("end_of_pages"),
    N_("second_pass"),
    N_("one_answer"),
)

#: The events of notifications, and their states.
EVENTS = (
    N_("run_suspended"),
    N_("first_answer"),
    N_("approval_lapses"),
    N_("source_failing"),
    N_("source_back"),
    N_("source_stale"),
    N_("verify_failed"),
    N_("backup_old"),
    N_("class_digest"),
    N_("step_changed"),
    N_("reminder"),
    N_("appeal_answered"),
    N_("waits"),
    N_("delivered"),
)

#: Why a password is not accepted.
WEAKNESSES = (
    N_("short"),
    N_("long"),
    N_("digits"),
    N_("own"),
    N_("common"),
    N_("keyboard"),
    N_("repeated"),
    N_("sequence"),
    N_("date"),
    N_("guessable"),
)

#: What `verify` has checked.
CHECKED = (
    N_("links"),
    N_("runs"),
    N_("decisions"),
    N_("certificates"),
    N_("statuses"),
    N_("account"),
    N_("grant"),
    N_("staff_session"),
    N_("code"),
    N_("token"),
    N_("request"),
    N_("announcement"),
    N_("objection"),
    N_("upload"),
    N_("passkey"),
    N_("recovery_code"),
    N_("factor_step"),
    N_("retention_run"),
    N_("pending_change"),
    N_("account_address"),
    N_("source_pause"),
)


def word(code: str) -> str:
    """Return a code in the language of this process. A code without a translation stays as it is."""
    return tr(str(code))


def joined(words: Iterable[str]) -> str:
    """Return words as a list in one line."""
    return tr(", ").join(words)
