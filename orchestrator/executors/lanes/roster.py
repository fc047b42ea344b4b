"""The lanes of one session: which are up, which run each holds, and which cannot start for want of a place.

A cluster whose nodes come and go has room for more or fewer lanes; `room` None means for as many as were planned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.state import Gang, Lane, Lease


@dataclass
class Roster:
    """Lanes by number. `shortage` says in words what a lane without a place needs and what there is."""

    lanes: dict[int, Lane] = field(default_factory=dict)
    room: int | None = None
    shortage: str = ""

    def add(self, now: float) -> int:
        """Another lane, whose gang is still to come; returns its number."""
        number = len(self.lanes)
        self.lanes[number] = Lane(number, since=now)
        return number

    def gang(self, number: int, gang_id: str) -> Gang | None:
        """The lane's gang, unless the caller belongs to one that has been replaced."""
        gang = self.lanes[number].gang
        return gang if gang is not None and gang.gang_id == gang_id else None

    def leases(self) -> dict[str, Lease]:
        """What lanes hold, by run."""
        return {lane.lease.run_id: lane.lease for lane in self.lanes.values() if lane.lease is not None}

    @property
    def open_lanes(self) -> int:
        """How many lanes can still take runs, now or once they are up."""
        return sum(lane.state == "open" for lane in self.lanes.values())

    @property
    def up(self) -> int:
        """How many lanes have workers."""
        return sum(lane.gang is not None and lane.state != "closed" for lane in self.lanes.values())

    @property
    def idle(self) -> list[Lane]:
        """The lanes that could take a run at once."""
        return [lane for lane in self.lanes.values() if lane.is_idle]

    @property
    def held(self) -> list[str]:
        """The runs in the hands of lanes that have workers."""
        return [lane.lease.run_id for lane in self.lanes.values() if lane.gang is not None and lane.lease is not None]

    def is_needless(self, lane: Lane, waiting_runs: int) -> bool:
        """Whether a lane that has lost its workers need not get others: it holds no run, and idle lanes are enough."""
        return lane.lease is None and (lane.state == "retiring" or len(self.idle) >= waiting_runs)

    def starved(self) -> list[Lane]:
        """Open lanes without workers that have no place left, and of which this was not known; now they wait."""
        if self.room is None or self.up < self.room:
            return []
        found = [lane for lane in self.lanes.values() if lane.state == "open" and lane.gang is None and not lane.waits]
        for lane in found:
            lane.waits = True
        return found

    def resize(self, room: int, shortage: str, waiting_runs: int, now: float) -> list[int]:
        """The cluster has room for that many lanes now; returns the numbers of those that it gains.

        A lane that was given up stays so while the cluster does not grow: what broke it is not a lack of room.
        """
        before = self.room if self.room is not None else len(self.lanes)
        self.room, self.shortage = room, shortage
        return [self.add(now) for _ in range(policy.growth(before, room, self.open_lanes, waiting_runs))]
