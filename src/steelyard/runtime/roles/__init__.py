"""Searcher, learner and evaluator in processes of their own, and their driver: what does not depend on how messages go.

    Driver        turns what processes say into messages for the coordinator, and its commands into what they are told
    Supervisor    starts, hears and replaces the processes
    Channel       what a process hears and says
    Ports         the way of weights from the learner to everybody else

A runtime brings the last three: `steelyard.runtime.local` child processes, pipes and shared memory;
`steelyard.runtime.ray` actors, calls and Ray's object store.
"""
