//! Seeded logs of a 1,024-rank job: the same seed makes the same bytes on every machine.

use std::io::{self, Write};

/// Ranks of the job; eight to a host.
const RANKS: u64 = 1024;

/// Ranks of which each catalogue sample is printed.
const SPEAKERS: u64 = 64;

/// What a log is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// 90 % training noise, 9 % NCCL INFO, 1 % events, ended by line feeds.
    Mixed,
    /// 72 % noise, 8 % NCCL INFO, 20 % events.
    Dense,
    /// Events only.
    Events,
    /// As [`Mix::Mixed`], ended by carriage returns only: one line, as progress bars leave it.
    OneLine,
}

impl Mix {
    pub(crate) const ALL: [Self; 4] = [Self::Mixed, Self::Dense, Self::Events, Self::OneLine];

    /// Name of the log's file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Dense => "20-percent-events",
            Self::Events => "events-only",
            Self::OneLine => "one-line",
        }
    }

    /// Of 1,000 lines: events, NCCL INFO.
    fn shares(self) -> (u64, u64) {
        match self {
            Self::Mixed | Self::OneLine => (10, 90),
            Self::Dense => (200, 80),
            Self::Events => (1000, 0),
        }
    }
}

/// Writes about `bytes` bytes of a log; `samples` are lines that some signature knows.
pub(crate) fn write(out: &mut impl Write, mix: Mix, bytes: u64, seed: u64, samples: &[String]) -> io::Result<()> {
    let end = if mix == Mix::OneLine { '\r' } else { '\n' };
    let mut writer = Writer { dice: Dice(seed), samples, line: Vec::new(), end, clock: 0 };
    let (events, info) = mix.shares();
    let mut written = 0;
    while written < bytes {
        writer.line.clear();
        match writer.dice.below(1000) {
            share if share < events => writer.event(),
            share if share < events + info => writer.info(),
            _ => writer.noise(),
        }?;
        writer.line.push(end as u8);
        out.write_all(&writer.line)?;
        written += writer.line.len() as u64;
    }
    Ok(())
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

struct Writer<'a> {
    dice: Dice,
    samples: &'a [String],
    line: Vec<u8>,
    /// What ends a line.
    end: char,
    /// Milliseconds since the job began.
    clock: u64,
}

impl Writer<'_> {
    /// A time of day, moving on.
    fn time(&mut self) -> (u64, u64, u64, u64) {
        self.clock += self.dice.below(3);
        let seconds = self.clock / 1000;
        (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, self.clock % 1000)
    }

    fn noise(&mut self) -> io::Result<()> {
        let (rank, step) = (self.dice.below(RANKS), self.clock / 900);
        let (h, m, s, ms) = self.time();
        let (a, b, c) = (self.dice.below(10_000), self.dice.below(1000), self.dice.below(100));
        match self.dice.below(10) {
            0 | 1 => write!(
                self.line,
                "{rank:4}:  [2026-05-04 {h:02}:{m:02}:{s:02}] iteration {step:8}/  500000 | consumed samples: {:12} | elapsed time per iteration (ms): {a}.{c:02} | throughput per GPU (TFLOP/s/GPU): 4{c:02}.{b:03} | learning rate: 2.{b:03}E-04 | global batch size:  1024 | lm loss: 2.{b:03}{a:04}E+00 | loss scale: 1.0 | grad norm: 0.{b:03} | number of skipped iterations:   0 | number of nan iterations:   0 |",
                step * 1024
            ),
            2 | 3 => write!(
                self.line,
                "[rank{rank}]:[titan] 2026-05-04 {h:02}:{m:02}:{s:02},{ms:03} - root - INFO - step: {step}  loss:  2.{a:04}  grad_norm:  0.{a:04}  memory: {c}.12GiB(50.78%)  tps: 8,{b:03}  tflops: 4{c:02}.11  mfu: 41.{c:02}%"
            ),
            4 => write!(
                self.line,
                "{rank:4}: {{'loss': 2.{a:04}, 'grad_norm': 0.{b:03}, 'learning_rate': 2.{c}e-05, 'epoch': 1.{c:02}, 'num_input_tokens_seen': {}}}",
                step * 4_194_304
            ),
            5 => write!(
                self.line,
                "{rank:4}: Epoch 3:  {c}%|####5     | {b}/1000 [03:21<04:05,  2.{c:02}it/s, v_num=17, train_loss=1.{b:03}, val_loss=1.301]"
            ),
            6 => write!(
                self.line,
                "{rank:4}: 2026-05-04 {h:02}:{m:02}:{s:02},{ms:03} - data.loader - DEBUG - worker {c} prefetched batch {a} of shard {b}: 4096 sequences, 8.{c:02} MiB, queue depth {c}"
            ),
            7 => write!(
                self.line,
                "[default{}]:INFO {m:02}-{s:02} {h:02}:{m:02}:{s:02} [scheduler.py:{b}] microbatch {c} of stage {} forward {b}.{c:02} ms backward {a}.{c:02} ms bubble 3.{c:02} ms",
                rank % 8,
                rank % 16
            ),
            8 => write!(
                self.line,
                "{rank:4}: [2026-05-04 {h:02}:{m:02}:{s:02},{ms:03}] [INFO] [timer.py:264:stop] epoch=0/micro_step={step}/avg_samples_per_sec=7.{b:03}, MemAllocated={c}.3GB, MaxMemAllocated=6{c:02}.1GB"
            ),
            _ => write!(
                self.line,
                "{rank:4}: (min, max) time across ranks (ms): forward-backward: ({b}.{c:02}, {a}.{c:02}) all-grads-sync: ({c}.11, {b}.70) optimizer-inner-step: (3.{c:02}, 4.{c:02}) optimizer: ({c}.3, {b}.1)"
            ),
        }
    }

    /// NCCL's own notes at NCCL_DEBUG=INFO (v2.20 to v2.27: init.cc, graph/, transport/).
    fn info(&mut self) -> io::Result<()> {
        let rank = self.dice.below(RANKS);
        let (channel, next, pid) = (self.dice.below(32), (rank + 1) % RANKS, 40_000 + rank);
        let (gpu, host) = (rank % 8, rank / 8);
        write!(self.line, "{rank:4}: gpu-{host:03}:{pid}:{} [{gpu}] NCCL INFO ", pid + 900)?;
        match self.dice.below(12) {
            0..=4 => {
                write!(self.line, "Channel {channel:02}/0 : {rank}[{gpu}] -> {next}[{}] via P2P/IPC/read", next % 8)
            }
            5..=7 => write!(
                self.line,
                "Channel {channel:02}/0 : {rank}[{gpu}] -> {next}[{}] [send] via NET/IB/{gpu}/GDRDMA",
                next % 8
            ),
            8 => write!(self.line, "Trees [0] {next}/-1/-1->{rank}->{0} [1] {next}/-1/-1->{rank}->{0}", rank / 2),
            9 => write!(self.line, "Connected all rings, use ring PXN 1 GDR 1"),
            10 => write!(self.line, "threadThresholds 8/8/64 | 8192/8/64 | 512 | 512"),
            _ => write!(
                self.line,
                "32 coll channels, 32 collnet channels, 0 nvls channels, 32 p2p channels, 2 p2p channels per peer"
            ),
        }
    }

    /// Mostly the cascade that a hung collective brings about; the rest from all over the catalogue.
    fn event(&mut self) -> io::Result<()> {
        let rank = self.dice.below(RANKS);
        let (h, m, s, ms) = self.time();
        let (sequence, gpu, host) = (1000 + self.dice.below(3), rank % 8, rank / 8);
        let torch = format!("[rank{rank}]:[E504 {h:02}:{m:02}:{s:02}.{ms:03}271257 ProcessGroupNCCL.cpp");
        match self.dice.below(10) {
            0 | 1 => write!(
                self.line,
                "{torch}:629] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum={sequence}, OpType=ALLREDUCE, NumelIn=33554432, NumelOut=33554432, Timeout(ms)=600000) ran for 600{ms:03} milliseconds before timing out."
            ),
            2 => write!(
                self.line,
                "{torch}:2168] [PG ID 0 PG GUID 0(default_pg) Rank {rank}]  failure detected by watchdog at work sequence id: {sequence} PG status: last enqueued work: {}, last completed work: {}",
                sequence + 2,
                sequence - 1
            ),
            3 => write!(
                self.line,
                "{torch}:681] [Rank {rank}] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data."
            ),
            4 => write!(
                self.line,
                "{rank:4}: gpu-{host:03}:{}:{} [{gpu}] NCCL WARN NET/IB : Got completion from peer 10.0.{}.{}<41022> with status=12 opcode=0 len=0 vendor err 129 (Send) hca mlx5_{gpu}",
                40_000 + rank,
                41_000 + rank,
                host / 250,
                host % 250
            ),
            5 => write!(
                self.line,
                "[rank{rank}]: Traceback (most recent call last):{end}[rank{rank}]:   File \"/workspace/train.py\", line 412, in training_step{end}[rank{rank}]:     loss = model(batch)[0]{end}[rank{rank}]: torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:3384, internal error - please report this issue to the NCCL developers, NCCL version 2.21.5",
                end = self.end
            ),
            _ => {
                let at = self.dice.below(self.samples.len() as u64);
                let speaker = (self.dice.below(SPEAKERS) * (RANKS / SPEAKERS) + at) % RANKS;
                write!(self.line, "{speaker:4}: {}", self.samples[at as usize])
            }
        }
    }
}
