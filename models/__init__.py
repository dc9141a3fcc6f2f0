"""The language Headstart speaks, and what it knows about models.

`chat` and `stream` are neutral: no provider's or client's wire format appears in them.
`card`, `catalogue` and `prices` hold the facts about each model. Nothing here does I/O beyond
reading the packaged catalogue once at start-up.
"""
