"""Trials of replicated buckets with members of other projects: load, fault, healing, final checks.

members, kinds, trees, objects, azure   storages as members, and direct access to their content
gateway, load                           the server with its commands; clients, and a model of their writes
faults, verdict, trial                  one fault; the final checks; the steps of a trial
table, cases, grow                      trials; small cases; a replica added under load
command                                 what is run, and what is printed
"""
