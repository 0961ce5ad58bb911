"""Whether a server answers as one would that does one thing after another: load, written down, then checked.

worker, reads, writes, uploads, private   what clients do, and what they write down
values, history                           bodies that tell whose they are; the records
replies, register, quiet, verdict         what has to hold of the records, and of the server at rest
stacks, disturb, run, command             what it runs on, what goes wrong meanwhile, what is printed
"""
