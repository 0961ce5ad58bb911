"""Trials of replicated buckets with members of other makers: a load, one fault, its healing, what is left.

members, kinds, trees, objects, azure   storages as members, and what is really in them, past the server
gateway, load                           the server with its commands; clients, and a model of what they did
faults, verdict, trial                  one fault; what has to hold at the end; how a trial goes
table, cases, grow                      trials; small ones about one thing each; a replica added under load
command                                 what is run, and what is printed
"""
