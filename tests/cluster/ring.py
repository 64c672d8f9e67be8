#!/usr/bin/env python3
"""A small data-parallel job for the test cluster: one process a host, gradients summed around a ring of TCP connections.

It does for real what a training run does to a host: loads samples through shared memory, locks a buffer, computes, sums with
its neighbours, writes checkpoints to the host's scratch disk. What goes wrong comes out as it does from any Python program.

    srun --label -N8 ring.py [--steps 12] [--megabytes 1]
    RING_SUFFIX=-data srun …   sums over the hosts' second network
"""

import argparse
import array
import ctypes
import math
import os
import random
import socket
import subprocess
import time
from multiprocessing import shared_memory

RANK = int(os.environ["SLURM_PROCID"])
WORLD = int(os.environ["SLURM_NTASKS"])
PORT = int(os.environ.get("RING_PORT", "29500"))
PATIENCE = float(os.environ.get("RING_TIMEOUT", "10"))


def say(text):
    print(f"[rank{RANK}] {text}", flush=True)


def hosts():
    names = subprocess.run(["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]], capture_output=True, text=True, check=True)
    return [name + os.environ.get("RING_SUFFIX", "") for name in names.stdout.split()]


class Ring:
    """Sends to the next rank, receives from the one before."""

    def __init__(self, names):
        listener = socket.create_server(("", PORT), backlog=4)
        listener.settimeout(PATIENCE * 2)
        self.next = self.connect(names[(RANK + 1) % WORLD])
        self.before, _ = listener.accept()
        for end in (self.next, self.before):
            end.settimeout(PATIENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def connect(name):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection((name, PORT), timeout=PATIENCE)
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def exchange(self, piece):
        """Sends a piece on and takes one of the same size, both at once so that nobody waits for a full buffer."""
        out, into = memoryview(piece), bytearray()
        self.next.setblocking(False)
        until = time.monotonic() + PATIENCE
        while out or len(into) < len(piece):
            if time.monotonic() > until:
                raise TimeoutError(f"rank {(RANK - 1) % WORLD} sent {len(into)} of {len(piece)} bytes in {PATIENCE:.0f} s")
            if out:
                try:
                    out = out[self.next.send(out[: 1 << 16]):]
                except BlockingIOError:
                    time.sleep(0.0005)
            if len(into) < len(piece):
                self.before.settimeout(0.0005 if out else PATIENCE)
                try:
                    got = self.before.recv(min(1 << 16, len(piece) - len(into)))
                    if not got:
                        raise ConnectionResetError(f"rank {(RANK - 1) % WORLD} closed its connection")
                    into += got
                except (TimeoutError, BlockingIOError):
                    pass
        return into

    def sum(self, gradient):
        piece = gradient.tobytes()
        total = array.array("d", gradient)
        for _ in range(WORLD - 1):
            piece = bytes(self.exchange(piece))
            other = array.array("d")
            other.frombytes(piece)
            for at in range(0, len(total), 512):
                total[at] += other[at]
        return total


def locked(size):
    """A buffer that the kernel may not page out, as one that an adapter writes to must be."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(size)
    if libc.mlock(buffer, ctypes.c_size_t(size)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mlock of {size} bytes: {os.strerror(error)}")
    return buffer


def loaded(size):
    """A batch of samples as data loaders hand it over: in shared memory."""
    block = shared_memory.SharedMemory(create=True, size=size)
    block.buf[:size] = os.urandom(1 << 16) * (size >> 16)
    return block


def checkpoint(step):
    path = f"/mnt/checkpoint.{step}.rank{RANK}"
    with open(path, "wb") as file:
        file.write(os.urandom(4 << 20))
        file.flush()
        os.fsync(file.fileno())
    os.unlink(path)
    say(f"step {step} checkpoint saved")


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--steps", type=int, default=12)
    asked.add_argument("--megabytes", type=int, default=1)
    asked = asked.parse_args()
    say(f"host {socket.gethostname()} pid {os.getpid()} world {WORLD}")
    names = hosts()
    buffer = locked(2 << 20)
    ring = Ring(names)
    say("ring is up")
    gradient = array.array("d", [random.random()] * ((asked.megabytes << 20) // 8))
    for step in range(1, asked.steps + 1):
        began = time.monotonic()
        batch = loaded(16 << 20)
        compute = time.monotonic() - began
        summed = ring.sum(gradient)
        batch.close()
        batch.unlink()
        took = time.monotonic() - began
        loss = 4.0 * math.exp(-step / 8) + summed[0] * 0.0
        say(f"step {step}/{asked.steps} loss {loss:.4f} compute {compute:.3f} s step {took:.3f} s")
        if step % 4 == 0:
            checkpoint(step)
    del buffer
    say("training done")


if __name__ == "__main__":
    main()
