"""The coordinator: a run's decisions as a pure state machine, the same for every runtime.

A driver reports what happened (a message and the time) and carries out what comes back (commands, in order). The
coordinator has no clock, starts no process and opens no file. It decides what is searched, admitted, fed to the
learner, published, evaluated, saved and recorded, when a lost worker starts again, and when a wait has lasted too long.
The one part with a store of its own is replay, which it reaches through the `Replay` protocol: replay owns its
durability, and an `add` that has returned is stored.

    message (to `handle`)  sent when                                   what the coordinator answers
    WorkerStarted          a worker's process was started              nothing; its start deadline begins
    WorkerReady            a worker is built and holds no work         once begun: Admit; then Assign, or Evaluate
    WorkerLost             a worker died                               its samples go back; Write faults, Restart
    Compared               an engine was checked against the learner   nothing; the next metrics row shows it
    Found                  scored trajectories arrived                 replay takes them; Quarantine; Feed
    BatchDone              a searcher finished its oldest batch        Assign
    Published              weights are about to become visible         the ledger takes them; Show
    Stepped                the learner made a step, or is idle first   Write metrics; Evaluate, Save, Feed; at the end
                                                                       EndWorker, Save
    Evaluated              weights were evaluated                      Write eval, Write samples
    Saved                  a checkpoint or the model is on disk        Feed, or what is left to do at the end
    StopRequested          a signal asked for the end                  EndWorker, Save
    Tick                   time passed                                 Restart of silent workers

    command                what the driver does
    Admit                  lets a worker begin: the first weights are published
    Assign                 has a searcher draw these samples
    Feed                   has the learner step on these groups, and publish afterwards if told so
    Show                   makes weights visible to searchers, if they are not yet
    Evaluate               has the evaluator measure the newest published weights
    Save                   writes a checkpoint (`state` gives this part of it) or the model
    EndWorker              asks a worker to end
    Restart                ends what is left of a worker and starts it again after a pause
    Write, Quarantine      hands rows to the run's records

A driver calls `begin` once it may (`may_begin`) and the replay is open, sends a `Tick` at least every second, and goes
on until `outcome` is set. Messages of one worker arrive in order; `Published` arrives before any trajectory that was
sampled with those weights. Nothing else is assumed about order: messages of workers that were given up, samples that
come twice and samples that nobody was asked for are dropped.
"""

from steelyard.runtime.coordinator.coordinator import Coordinator
from steelyard.runtime.coordinator.profile import Profile
from steelyard.runtime.coordinator.saved_state import CoordinatorState, Flight

__all__ = ["Coordinator", "CoordinatorState", "Flight", "Profile"]
