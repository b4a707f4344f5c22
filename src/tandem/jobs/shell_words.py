"""What a shell would make of a line, as far as one has to know before another word is put behind it."""

# Behind one of these, a further word is no longer an argument of the program: it is a comment's, another command's, or
# the name of a file that the output would go into.
_ENDS = frozenset("|;&<>")


def ends_arguments(line: str) -> str:
    """The first character of `line`, outside quotes, behind which a word is no argument of its program; "" if none."""
    quote = ""
    begins_word = True
    escaped = False
    for character in line:
        if escaped:
            escaped = begins_word = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
            begins_word = False
        elif character in _ENDS or (character == "#" and begins_word):
            return character
        else:
            quote = character if character in "'\"" else ""
            begins_word = character.isspace()
    return ""
