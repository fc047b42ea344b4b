"""Everything on disk (or in an object store): records, attempts, compacted tables, the lock. The way in is `Store`."""

from orchestrator.storage.store import (
    Attempt,
    Compaction,
    DataChanged,
    Holder,
    Locked,
    StorageFull,
    StorageUnwritable,
    Store,
)

__all__ = ["Attempt", "Compaction", "DataChanged", "Holder", "Locked", "StorageFull", "StorageUnwritable", "Store"]
