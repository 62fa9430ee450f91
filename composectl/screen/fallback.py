"""Stand-ins for the signs that a stream's encoding does not know, so that no output fails for a bar or a name."""

import codecs
import io
from typing import TextIO

_STAND_INS = str.maketrans("━╸▁▂▃▄▅▆▇…", "=-_.,:;!|~")
_NAME = "composectl.stand-ins"


def never_fails(stream: TextIO) -> TextIO:
    """`stream`, which from now on writes a stand-in where its encoding has no sign."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error(_NAME, _stand_in)
        stream.reconfigure(errors=_NAME)
    return stream


# Private


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(_STAND_INS)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end
