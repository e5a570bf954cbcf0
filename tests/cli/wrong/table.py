"""Every wrong input, by kind.

A port in use is no kind here: no command opens a port, so there is nothing that could be in use.
"""

from cli.wrong import data, disks, engines, images, jobs, numbers, pipelines, settings, stored
from cli.wrong.entry import Wrong

PARTS = (settings, data, stored, jobs, pipelines, numbers, disks, engines, images)
KINDS: dict[str, list[Wrong]] = {kind: entries for part in PARTS for kind, entries in part.KINDS.items()}
