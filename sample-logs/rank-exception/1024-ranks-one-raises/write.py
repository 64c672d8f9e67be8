"""Writes logs/job.log: 1,024 ranks on 128 hosts; rank 611's data loader raises, and ten minutes later the others time out.

Shapes are those of torch 2.11 and NCCL 2.28.9 as our own smaller runs printed them, and of Slurm 22.05; hosts, times and
numbers are invented. `python3 write.py` in this folder writes the same bytes each time.
"""
import datetime
import os
import random

rng = random.Random(1024)
HOSTS, LOCAL, BAD = 128, 8, 611
START = datetime.datetime(2026, 5, 4, 2, 6, 11)
RAISE = datetime.datetime(2026, 5, 4, 3, 12, 41, 318000)
LIMIT = 600.0
VENV = "/opt/venv/lib/python3.12/site-packages"
host = lambda rank: f"gpu-{rank // LOCAL + 1:03}"
address = lambda node: f"10.0.{4 + node // 64}.{10 + node % 64}"
pids = [3000 + rng.randrange(900) + rank % LOCAL for rank in range(HOSTS * LOCAL)]
agents = [2400 + rng.randrange(500) for _ in range(HOSTS)]
buses = ["18000", "2a000", "3a000", "5d000", "9a000", "ab000", "ba000", "db000"]
lines = []  # (time, order of writing, text)


def say(at, text):
    lines.append((at, len(lines), text))


def after(at, seconds):
    return at + datetime.timedelta(seconds=seconds)


def glog(at, level, rank, place, text):
    stamp = f"{level}{at.month}{at:%d %H:%M:%S}.{at.microsecond:06}{rng.randrange(1000):03}"
    return f"[rank{rank}]:[{stamp} {place}] {text}"


def start():
    """srun, torchrun's greeting, NCCL's init."""
    say(START, "+ export MASTER_ADDR=gpu-001 MASTER_PORT=29500 NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,ENV")
    say(START, "+ srun --ntasks-per-node=1 --kill-on-bad-exit=0 torchrun --nnodes 128 --nproc-per-node 8 --node-rank $SLURM_NODEID --master-addr gpu-001 --master-port 29500 pretrain.py --config c4-7b.yaml")
    for node in range(HOSTS):
        at = after(START, 4 + rng.random() * 3)
        head = f"W{at:%m%d %H:%M:%S}.{at.microsecond // 1000:03}000 {agents[node]} torch/distributed/run.py:803]"
        stars = "*" * 41
        for text in ("", f" {stars}", " Setting OMP_NUM_THREADS environment variable for each process to be 1 in default, to avoid your system being overloaded, please further tune the variable for optimal performance in your application as needed. ", f" {stars}"):
            say(at, (head + text) if text else f"{head} ")
    comm_id = "0x5a1f0c33e9d27b84"
    for rank in range(HOSTS * LOCAL):
        node, gpu = divmod(rank, LOCAL)
        who = f"{host(rank)}:{pids[rank]}:{pids[rank]} [{gpu}] NCCL INFO"
        at = after(START, 41 + rng.random() * 9)
        say(at, f"{who} Bootstrap: Using eth0:{address(node)}<0>")
        if rank == 0:
            say(after(at, 0.01), f"{who} NCCL version 2.28.9+cuda13.0")
        at = after(at, 0.3 + rng.random())
        cards = " ".join(f"[{n}]mlx5_{n}:1/IB" for n in range(8))
        say(at, f"{who} NET/IB : Using {cards} [RO]; OOB eth0:{address(node)}<0>")
        comm = f"0x{rng.randrange(1 << 28, 1 << 29):x}"
        at = after(START, 53 + rng.random() * 2)
        say(at, f"{who} ncclCommInitRankConfig comm {comm} rank {rank} nranks 1024 cudaDev {gpu} nvmlDev {gpu} busId {buses[gpu]} commId {comm_id} - Init START")
        at = after(START, 71 + rng.random() * 2)
        say(at, f"{who} ncclCommInitRankConfig comm {comm} rank {rank} nranks 1024 cudaDev {gpu} nvmlDev {gpu} busId {buses[gpu]} commId {comm_id} - Init COMPLETE")


def train():
    """Steps until the exception, with what such a run prints besides."""
    at, step = after(START, 96), 41200
    say(at, f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03} INFO pretrain: resumed from /checkpoints/c4-7b/step_41200, 1024 ranks, global batch 2048")
    while at < after(RAISE, -9):
        step += 10
        at = after(at, 87 + rng.random() * 2)
        if at >= after(RAISE, -2):
            break
        loss = 2.31 - (step - 41200) * 3e-5 + rng.gauss(0, 0.012)
        say(at, f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03} INFO pretrain: step {step} | loss {loss:.4f} | lr 1.62e-04 | grad norm {0.31 + abs(rng.gauss(0, 0.05)):.3f} | 8.{rng.randrange(70, 99)} s/step | 1.9 Mtok/s")
        if step % 100 == 0:
            late = after(at, 2.2)
            say(late, f"{late:%Y-%m-%d %H:%M:%S},{late.microsecond // 1000:03} INFO pretrain: saving checkpoint /checkpoints/c4-7b/step_{step}")
            late = after(late, 31)
            say(late, f"{late:%Y-%m-%d %H:%M:%S},{late.microsecond // 1000:03} INFO pretrain: saved checkpoint step_{step} (31.0 s)")
        if rng.random() < 0.4:
            rank = rng.randrange(1024)
            late = after(at, rng.random() * 60)
            say(late, f"{late:%Y-%m-%d %H:%M:%S},{late.microsecond // 1000:03} WARNING loader: rank {rank}: shard-{rng.randrange(9000):05}.tar: read took {5 + rng.random() * 6:.1f} s, retry 1/3")


def fail():
    """The traceback of the one, in a few writes."""
    frames = [("/workspace/pretrain.py", 412, "<module>", "main()"), ("/workspace/pretrain.py", 371, "main", "batch = next(batches)"),
              (f"{VENV}/torch/utils/data/dataloader.py", 732, "__next__", "data = self._next_data()"),
              (f"{VENV}/torch/utils/data/dataloader.py", 1506, "_next_data", "return self._process_data(data, worker_id)"),
              (f"{VENV}/torch/utils/data/dataloader.py", 1541, "_process_data", "data.reraise()"), (f"{VENV}/torch/_utils.py", 769, "reraise", "raise exception")]
    inner = [(f"{VENV}/torch/utils/data/_utils/worker.py", 349, "_worker_loop", "data = fetcher.fetch(index)"),
             (f"{VENV}/torch/utils/data/_utils/fetch.py", 42, "fetch", "data = next(self.dataset_iter)"),
             ("/workspace/data/shards.py", 88, "__iter__", "tokens = self.decode(record)"), ("/workspace/data/shards.py", 117, "decode", 'return np.frombuffer(record["tokens"], dtype=np.uint16)')]
    text = ["Traceback (most recent call last):"]
    for file, line, func, code in frames:
        text += [f'  File "{file}", line {line}, in {func}', f"    {code}"]
    text += ["KeyError: Caught KeyError in DataLoader worker process 2.", "Original Traceback (most recent call last):"]
    for file, line, func, code in inner:
        text += [f'  File "{file}", line {line}, in {func}', f"    {code}"]
    text += ["           ~~~~~~^^^^^^^^^^", "KeyError: 'tokens'", ""]
    for part in text:
        say(RAISE, f"[rank{BAD}]: {part}".rstrip() if part else "")


BEHIND = "This is most likely caused by incorrect usages of collectives, e.g., wrong sizes used across ranks, the order of collectives is not same for all ranks or the scheduled collective, for some reason, didn't run. Additionally, this can be caused by GIL deadlock or other reasons such as network errors or bugs in the communications library (e.g. NCCL), etc. "
WORK = "WorkNCCL(SeqNum=61843, OpType=_REDUCE_SCATTER_BASE, NumelIn=67117056, NumelOut=65544, Timeout(ms)=600000)"


def frames_of(at_file, names):
    base = rng.randrange(0x7F00, 0x7FFF) << 32
    text = [f"Exception raised from {at_file} (most recent call first):"]
    for number, (name, offset, library) in enumerate(names):
        text.append(f"frame #{number}: {name} + {offset:#x} ({base + rng.randrange(1 << 30):#x} in {library})")
    return text + [""]


CPP = f"{VENV}/torch/lib/"
CHECK = [("c10::Error::Error(c10::SourceLocation, std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >)", 0x9D, CPP + "libc10.so"),
         ("c10d::ProcessGroupNCCL::WorkNCCL::checkTimeout(std::optional<std::chrono::duration<long, std::ratio<1l, 1000l> > >)", 0x2A7, CPP + "libtorch_cuda.so"),
         ("c10d::ProcessGroupNCCL::Watchdog::runLoop()", 0x17B1, CPP + "libtorch_cuda.so"), ("c10d::ProcessGroupNCCL::Watchdog::run()", 0x157, CPP + "libtorch_cuda.so"),
         ("<unknown function>", 0xECDB4, "/lib/x86_64-linux-gnu/libstdc++.so.6"), ("<unknown function>", 0x9CB84, "/lib/x86_64-linux-gnu/libc.so.6")]


def time_out():
    """Watchdogs of 1,023 ranks; the first of each host to go down takes its host's others with it."""
    first = None
    by_node = {}
    for rank in range(1024):
        if rank == BAD:
            continue
        waited = LIMIT + 0.01 + rng.random() * 0.09
        at = after(RAISE, 1.9 + abs(rng.gauss(0, 0.25)) + waited)
        pg = f"[PG ID 0 PG GUID 0(default_pg) Rank {rank}]"
        say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:689]"[:-1], f"[Rank {rank}] Watchdog caught collective operation timeout: {WORK} ran for {int(waited * 1000)} milliseconds before timing out."))
        at = after(at, 0.0003)
        say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:2303", f"{pg}  failure detected by watchdog at work sequence id: 61843 PG status: last enqueued work: {61844 + rng.randrange(2)}, last completed work: 61842"))
        at = after(at, 0.0004)
        say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:736", "Stack trace of the failed collective not found, potentially because FlightRecorder is disabled. You can enable it by setting TORCH_NCCL_TRACE_BUFFER_SIZE to a non-zero value."))
        say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:2636", f"{pg} First PG on this rank to signal dumping."))
        late = after(at, 0.2 + rng.random() * 0.8)
        say(late, glog(late, "E", rank, "ProcessGroupNCCL.cpp:1914", f"{pg} Received a dump signal due to a collective timeout from this local rank and we will try our best to dump the debug info. Last enqueued NCCL work: 61844, last completed NCCL work: 61842.{BEHIND}"))
        by_node.setdefault(rank // LOCAL, []).append((late, rank, waited))
        first = min(first or (at, rank), (at, rank))
    at = after(RAISE, LIMIT + 3.4)
    pg = f"[PG ID 0 PG GUID 0(default_pg) Rank {BAD}]"
    say(at, glog(at, "E", BAD, "ProcessGroupNCCL.cpp:1849", f"{pg} Observed flight recorder dump signal from another rank via TCPStore."))
    say(at, glog(at, "E", BAD, "ProcessGroupNCCL.cpp:1914", f"{pg} Received a dump signal due to a collective timeout from  rank {first[1]} and we will try our best to dump the debug info. Last enqueued NCCL work: 61842, last completed NCCL work: 61842.{BEHIND}"))
    for node, ranks in sorted(by_node.items()):
        abort(node, *ranks[rng.randrange(len(ranks))])


def abort(node, late, rank, waited):
    at = after(late, 58 + rng.random() * 4)
    told = f"[Rank {rank}] Watchdog caught collective operation timeout: {WORK} ran for {int(waited * 1000)} milliseconds before timing out."
    say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:750", f"[Rank {rank}] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data."))
    say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:764", f"[Rank {rank}] To avoid data inconsistency, we are taking the entire process down."))
    head = f"[PG ID 0 PG GUID 0(default_pg) Rank {rank}] Process group watchdog thread terminated with exception: {told}"
    frames = frames_of("checkTimeout at /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:692", CHECK)
    say(at, glog(at, "E", rank, "ProcessGroupNCCL.cpp:2119", head))
    for text in frames + ["terminate called after throwing an instance of 'c10::DistBackendError'", f"  what():  {head}"] + frames:
        say(at, text)
    at = after(at, 0.4 + rng.random() * 0.4)
    others = [other for other in range(node * LOCAL, node * LOCAL + LOCAL) if other != rank]
    stamp = lambda level, at: f"{level}{at:%m%d %H:%M:%S}.{at.microsecond // 1000:03}000 {agents[node]} torch/distributed/elastic/multiprocessing/api.py:"
    for other in others:
        say(at, f"{stamp('W', at)}1012] Sending process {pids[other]} closing signal SIGTERM")
    at = after(at, 5.1 + rng.random() * 3)
    say(at, f"{stamp('E', at)}986] failed (exitcode: -6) local_rank: {rank % LOCAL} (pid: {pids[rank]}) of binary: /opt/venv/bin/python3")
    for text in ["Traceback (most recent call last):", '  File "/opt/venv/bin/torchrun", line 7, in <module>', "    sys.exit(main())",
                 f'  File "{VENV}/torch/distributed/elastic/multiprocessing/errors/__init__.py", line 362, in wrapper', "    return f(*args, **kwargs)",
                 f'  File "{VENV}/torch/distributed/run.py", line 990, in main', "    run(args)", f'  File "{VENV}/torch/distributed/launcher/api.py", line 317, in launch_agent',
                 "    raise ChildFailedError(", "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "]:
        say(at, text)
    bar, dash = "=" * 57, "-" * 57
    died = lambda rank, code, signal, number: [f"  time      : {at:%Y-%m-%d_%H:%M:%S}", f"  host      : {host(rank)}", f"  rank      : {rank} (local_rank: {rank % LOCAL})",
                                               f"  exitcode  : {code} (pid: {pids[rank]})", "  error_file: <N/A>", f"  traceback : Signal {number} ({signal}) received by PID {pids[rank]}"]
    block = [bar, "pretrain.py FAILED", dash, "Failures:"]
    for number, other in enumerate(others, 1):
        block += [f"[{number}]:"] + died(other, -15, "SIGTERM", 15)
    for text in block + [dash, "Root Cause (first observed failure):", "[0]:"] + died(rank, -6, "SIGABRT", 6) + [bar]:
        say(at, text)
    at = after(at, 0.3 + rng.random())
    say(at, f"srun: error: {host(rank)}: task {node}: Exited with exit code 1")


start()
train()
fail()
time_out()
os.makedirs("logs", exist_ok=True)
with open("logs/job.log", "w") as out:
    out.writelines(text + "\n" for _, _, text in sorted(lines, key=lambda line: line[:2]))
