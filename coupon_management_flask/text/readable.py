"""Hosts as people read them: bücher.example, where machines say xn--bcher-kva.example.

A name may look like another that people trust. So a label is shown in its own letters only if it
leads back to the same ASCII, if its letters are of one script that is listed here, and if it can't
be taken for one in Latin letters. Otherwise the ASCII is shown, which nobody takes for a word.
"""

import unicodedata

import idna

_PREFIX = "xn--"

# Scripts, by the first word of their letters' names, that may stand together in one label.
_CHINESE = {"CJK", "IDEOGRAPHIC"}
_TOGETHER = (
    {"LATIN"},
    {"CYRILLIC"},
    {"GREEK"},
    {"DEVANAGARI"},
    {"THAI"},
    _CHINESE | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"},
    _CHINESE | {"HANGUL"},
    _CHINESE | {"BOPOMOFO"},
)
# Latin letters that are no ASCII letter with marks, and that nobody takes for another one. (Not
# the dotless i, the script g and their like.)
_LATIN = set("ßæœøþðđłħŋ")
# Letters that look like Latin ones, Cyrillic and then Greek: words of nothing else pass for Latin.
_LIKE_LATIN = set(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445"
    "\u0443\u044a\u044c\u04bd\u043f\u0433\u0475\u0461"
    "\u03b1\u03b9\u03ba\u03bd\u03c1\u03c5\u03c9\u03b7\u03bf\u03c4"
)
_MARKS = ("Mn", "Mc")


def host(name: str) -> str:
    """Return a host in ASCII as people read it. A label that could mislead stays as it is."""
    if _PREFIX not in name:
        return name
    return ".".join(_label(label) for label in name.split("."))


def address(mailbox: str) -> str:
    """Return an e-mail address with its domain as people read it."""
    local, at, domain = mailbox.rpartition("@")
    return f"{local}{at}{host(domain)}"


def _label(label: str) -> str:
    if not label.startswith(_PREFIX):
        return label
    try:
        shown = idna.decode(label)
        is_the_same = idna.encode(shown, uts46=True).decode() == label
    except (idna.IDNAError, UnicodeError):
        return label
    return shown if is_the_same and _misleads_nobody(shown) else label


def _misleads_nobody(label: str) -> bool:
    # Without the marks on them.
    bare = unicodedata.normalize("NFD", label.replace("-", ""))
    letters = {
        each for each in bare if not each.isdigit() and unicodedata.category(each) not in _MARKS
    }
    scripts = {unicodedata.name(each, "").split(" ")[0] for each in letters}
    if not letters or not any(scripts <= together for together in _TOGETHER):
        return False
    if scripts == {"LATIN"}:
        return all(each.isascii() or each in _LATIN for each in letters)
    return not letters <= _LIKE_LATIN
