"""The parts of Wick's Python runtime, Python 3.8 and later, standard library only.

runtime: the life of the process. api: the conversation with the Runtime API.
handler: finding the function's code; compile, compiled: its modules, compiled ahead. context,
marshal, logs: what it is given, how its answer is written, and how its log records leave.
"""
