"""Checks whether a server is linearizable: clients record a load, which is then checked.

worker, reads, writes, uploads, private   what clients do, and what they record
values, history                           bodies that name their writer; the records
replies, register, quiet, verdict         the checks of the records, and of the server at rest
stacks, disturb, run, command             what it runs on, faults meanwhile, the output
"""
