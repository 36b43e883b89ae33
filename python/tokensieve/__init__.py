"""Transformers models that obey a schedule: fewer vision tokens in deeper layers.

``apply`` makes a model obey a ``schedule.json`` of ``search.ts``; ``Schedule``
is what stands in such a file.
"""

from .apply import Applied, apply
from .schedule import Schedule

__all__ = ["Applied", "Schedule", "apply"]
