"""Everything that is to be measured on a GPU, in one command that knows how long it may take.

    python -m benchmarks.gpu --minutes 8 --out DIR                    # on a machine with a CUDA device
    python -m benchmarks.gpu --minutes 4 --out DIR --resume DIR       # go on where an earlier call stopped
    python -m benchmarks.gpu --minutes 2 --out DIR --rehearse         # tiny models, on a processor
    python -m benchmarks.gpu --prepare WHEELS                         # packages that such a machine lacks

Read in this order: `schedule` decides what comes next in the time that is left, `runner` has a process do it, `journal`
writes each row down the moment it is measured, `page` shows the rows, and `sections/` holds one file a section.
"""
