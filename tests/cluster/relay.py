#!/usr/bin/env python3
"""A path that loses and delays: carries frames between two interfaces, as a bad cable or a full queue does.

    relay.py ONE OTHER [--loss 0.03] [--delay 0.02]     a share of frames, seconds; each way

What is lost is counted, not diced: of 0.15 every sixth or seventh frame of a way, so that no run is spared by chance.

The kernels that tests run on have no netem. Frames are taken with the header by which the kernel tells of checksums and segments that
are still to be made (PACKET_VNET_HDR of packet(7)), and put back with it, so that nothing has to be switched off.
"""

import argparse
import heapq
import select
import socket
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING, ETH_P_ALL = 263, 15, 4, 3
LONGEST = 1 << 17


def tap(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    end.bind((interface, ETH_P_ALL))
    end.setblocking(False)
    return end


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("one")
    asked.add_argument("other")
    asked.add_argument("--loss", type=float, default=0.03)
    asked.add_argument("--delay", type=float, default=0.02)
    asked = asked.parse_args()
    ends = [tap(asked.one), tap(asked.other)]
    waiting, nth, owed = [], 0, dict.fromkeys(ends, 0.0)
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], left)[0]:
            for _ in range(64):
                try:
                    frame, place = end.recvfrom(LONGEST)
                except BlockingIOError:
                    break
                if place[2] == PACKET_OUTGOING:
                    continue
                owed[end] += asked.loss
                if owed[end] >= 1:
                    owed[end] -= 1
                    continue
                nth += 1
                heapq.heappush(waiting, (time.monotonic() + asked.delay, nth, ends[0] if end is ends[1] else ends[1], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(waiting)
            try:
                to.send(frame)
            except OSError:
                pass  # no room, or the interface is gone: lost as well


if __name__ == "__main__":
    main()
