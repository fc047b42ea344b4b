"""Everything on disk or in an object store: records, attempts, compacted tables, searches, the lock.

Other packages use `Store`, `find_results.py` (names to directories), `status.py`, `init_from.py` and `cells.py`; the
other files are internal. Start with `store.py`, which opens with the layout of a results directory. May import
`config`, `errors`, `html_tables`, `units`, `analysis.tables` and `trainables`.
"""

from orchestrator.storage.disk_errors import StorageFull, StorageUnwritable, explained
from orchestrator.storage.store import Attempt, Compaction, DataChanged, Holder, Locked, Store
from orchestrator.storage.trials import Proposal, TrialLog
from orchestrator.storage.verify import Damage

__all__ = [
    "Attempt",
    "Compaction",
    "Damage",
    "DataChanged",
    "Holder",
    "Locked",
    "Proposal",
    "StorageFull",
    "StorageUnwritable",
    "Store",
    "TrialLog",
    "explained",
]
