"""What was noticed of one service, for as long as it is of use."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_KEPT_FOR = 600  # seconds


class NoticeBoard:
    """Sentences, in the order in which they came; `tell` gets each one as it comes."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._until: dict[str, float] = {}

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._until)

    def add(self, sentence: str, until: float = float("inf")) -> None:
        """Show the sentence until this moment, or for ever."""
        is_new = sentence not in self._until
        self._until[sentence] = until
        if is_new:
            self._tell(sentence)

    def sweep(self, seen: Iterable[str], now: float) -> None:
        """Show what was `seen` since the last call, for ten minutes from `now`, in seconds; forget what is over."""
        for sentence in seen:
            self.add(sentence, now + _KEPT_FOR)
        self._until = {sentence: until for sentence, until in self._until.items() if until > now}
