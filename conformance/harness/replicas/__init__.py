"""Trials of replicated buckets with members of other makers: a load, one fault, its healing, what is left.

members, trees, objects, azure   storages as members, and what is really in them, past the server gateway,
load                    the server with its commands; a load with a model of what was acknowledged faults,
verdict, trial           one fault; what has to hold at the end; how a trial goes table, cases, grow
the trials; small ones, each about one thing; a member that is added under load command
what is run, and what is printed
"""
