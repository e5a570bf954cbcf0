"""The live page: what the report shows, of runs that go on, and a browser of their trajectories.

`server` answers on loopback; `page` is what a browser gets. Everything is read, nothing is written.
"""
