"""Whether a server answers as one that does one thing after another would: random load, recorded, then checked.

    worker, reads, writes, uploads, private   what clients do, and what they write down
    values, history                           bodies that tell whose they are; the records
    replies, register, listings               what has to hold of the records
    stacks, disturb, run, report              what it is run on, what goes wrong meanwhile, and what is printed
"""
