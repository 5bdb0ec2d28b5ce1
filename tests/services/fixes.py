"""Whether a message ends with what to do about it."""

import re

#: What a reader may be asked to do. Words that are never an order, such as "is" or "cannot", are not listed.
_ORDERS = (
    "accept|add|allow|answer|apply|approve|ask|begin|bind|call|change|check|choose|close|compare|complete|convert|"
    "correct|count|create|decide|delete|enter|export|find|fix|free|give|grant|have|install|join|keep|leave|let|list|"
    "log|look|lower|make|map|mend|move|name|narrow|open|order|page|pass|point|put|raise|read|reject|remove|rename|"
    "replace|restart|restore|revoke|run|save|say|search|see|select|send|set|shorten|show|shut|sign|skip|sort|split|start|stop|"
    "store|swap|sync|take|tick|trust|try|turn|unpack|update|upgrade|use|wait|withdraw|write"
)

#: Where an order may begin: with the sentence, after a colon or a comma, after "or", "and" and "then".
_ORDER = re.compile(
    rf"(?:^|[:;,(] |\b(?:or|and|then|first|please|else|so|here|there)\b,? )(?:{_ORDERS})\b", re.IGNORECASE
)

#: A command to run, and a page to read.
_COMMAND = re.compile(r"\bclearance(?: --\S+ \S+)* [a-z]+|\bdocs/[\w./-]+\.md|`[^`]+`")

_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[^a-z])")


def ends_with_the_fix(message: str) -> bool:
    """Return whether the last sentence of a message gives the fix."""
    sentences = [sentence for sentence in _SENTENCES.split(" ".join(message.split())) if sentence]
    if not sentences:
        return False
    return bool(_ORDER.search(sentences[-1]) or _COMMAND.search(sentences[-1]))
