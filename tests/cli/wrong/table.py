"""Every wrong input, by kind.

A port in use is no kind here: no command opens a port, so there is nothing that could be in use.
"""

from cli.wrong import data, disks, numbers, settings, stored
from cli.wrong.entry import Wrong

KINDS: dict[str, list[Wrong]] = {**settings.KINDS, **data.KINDS, **stored.KINDS, **numbers.KINDS, **disks.KINDS}
