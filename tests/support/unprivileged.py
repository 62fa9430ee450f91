"""Running a command without the rights of root."""

import os
from collections.abc import Sequence


def unprivileged() -> Sequence[str]:
    """The command that takes root's rights away from what is behind it: it obeys file modes, and the rule for ports.

    A network of its own, because a machine may let every user listen on low ports; nothing without root.
    """
    if os.geteuid() != 0:
        return ()
    return ("unshare", "--net", "setpriv", "--bounding-set=-all", "--inh-caps=-all")
