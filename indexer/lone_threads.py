"""Threads in each of which PyTorch computes on one core, whatever it does in all others.

By itself PyTorch spreads every product over all cores, which then wait for each other, spinning: dear where one of them
has other work, and more so the smaller the products are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def lone_threads(count: int, name: str) -> ThreadPoolExecutor:
    """`count` of them, begun; they end with the process, or when the pool is let go."""
    import torch

    everywhere = torch.get_num_threads()
    begun = Barrier(count + 1)

    def begin() -> None:
        # A thread takes the process's number when it first asks or computes, whatever it was told before.
        torch.get_num_threads()
        torch.set_num_threads(1)
        begun.wait()

    pool = ThreadPoolExecutor(count, name, begin)
    for _ in range(count):
        pool.submit(int)
    begun.wait()
    # What a thread sets holds for itself and for all threads that begin later: those get back what they had.
    torch.set_num_threads(everywhere)
    return pool
