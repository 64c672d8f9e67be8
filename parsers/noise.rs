//! What healthy training prints by the million: a literal, or part of one, that stands in it makes work.

/// Lines of common trainers and of NCCL at its informative level.
const NOISE: &str = "\
[rank12]: 2026-05-04 03:12:41,250 - INFO - iteration     1200/   50000 | consumed samples:      1228800 | \
elapsed time per iteration (ms): 1234.5 | learning rate: 3.000000E-04 | global batch size:  1024 | lm loss: 2.345678E+00 | \
loss scale: 1.0 | grad norm: 0.321 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 | \
throughput per GPU (TFLOP/s/GPU): 412.1 | tokens per second: 12345.6 | memory (GiB) 61.2 | lr 0.0003 | step 1200 loss 2.3456\n\
Epoch 3:  45%|####5     | 450/1000 [03:21<04:05,  2.24it/s, v_num=17, train_loss=1.234, val_loss=1.301, accuracy=0.87]\n\
{'loss': 1.2345, 'grad_norm': 0.4321, 'learning_rate': 2.5e-05, 'epoch': 1.23, 'num_input_tokens_seen': 123456789}\n\
12: gpu-017:4121:4310 [3] NCCL INFO Channel 05/0 : 11[3] -> 12[4] via P2P/IPC/read, comm 0x55d0c8 nRanks 1024\n\
gpu-017:4121:4310 [3] NCCL INFO Channel 05/0 : 11[3] -> 12[4] [send] via NET/IB/3/GDRDMA(PXN) [receive] via SHM/direct\n\
gpu-017:4121:4310 [3] NCCL INFO Trees [0] 12/-1/-1->11->10 [1] 12/-1/-1->11->10 Ring 00 : 10 -> 11 -> 12 busId 5d000\n\
gpu-017:4121:4310 [3] NCCL INFO Connected all rings, use ring PXN 1 GDR 1 Setting affinity for GPU 3 to ffff\n\
gpu-017:4121:4310 [3] NCCL INFO threadThresholds 8/8/64 32 coll channels, 32 collnet channels, 2 p2p channels per peer\n\
gpu-017:4121:4310 [3] NCCL INFO AllReduce: opCount 1a sendbuff 0x7f count 33554432 datatype 9 op 0 root 0 comm [nranks=1024]\n\
[2026-05-04 03:12:41,250] [INFO] [timer.py:264:stop] epoch=0/micro_step=1/global_step=1, RunningAvgSamplesPerSec=7.1, \
CurrSamplesPerSec=7.1, MemAllocated=2.3GB, MaxMemAllocated=61.1GB [logging.py:107:log_dist] [Rank 0] step=10, skipped=0\n\
(min, max) time across ranks (ms): forward-backward: (1.1, 2.2) all-grads-sync: (1.1, 2.2) optimizer-inner-step: (3.1, 4.2)\n\
INFO 05-04 03:12:41 model loaded, dataset shard 17 of 128, tokenizer, dataloader worker, checkpoint saved at step 1000\n\
[rank0]:[titan] 2026-05-04 03:12:41,101 - root - INFO - step: 10  loss:  8.1240  tps: 8,120  tflops: 410.11  mfu: 41.10%\n\
DEBUG evaluation batch optimizer forward backward gradient microbatch pipeline stage tensor data parallel group\n";

/// How often a literal stands in the noise.
pub(crate) fn count(literal: &[u8]) -> usize {
    std::str::from_utf8(literal).map_or(0, |text| NOISE.matches(text).count())
}

/// The noise itself.
pub(crate) fn bytes() -> &'static [u8] {
    NOISE.as_bytes()
}
