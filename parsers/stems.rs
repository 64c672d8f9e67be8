//! Choosing what the fast scan looks for: short literals of which every anchor holds one.
//!
//! A SIMD search for a few dozen short literals runs at memory speed; an automaton of all anchors does not. So the
//! scan looks for *stems* first. They are chosen, not written by hand: a cover of all anchors that is small and
//! rare in the noise of training logs. That no line is missed follows from the choice.

use std::collections::{BTreeMap, BTreeSet};

/// Lengths of a stem, in bytes. Shorter ones occur by chance, longer ones cover little.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=8;

/// What one occurrence in [`NOISE`] costs, beside the 1 that each stem costs.
const NOISE_COST: f64 = 40.0;

/// What a stem costs that is as likely as can be.
const CHANCE_COST: f64 = 40_000.0;

/// Lines as healthy training prints them by the million: a stem that is in them makes work.
const NOISE: &str = "\
[rank12]: 2026-05-04 03:12:41,250 - INFO - iteration     1200/   50000 | consumed samples:      1228800 | \
elapsed time per iteration (ms): 1234.5 | learning rate: 3.000000E-04 | global batch size:  1024 | lm loss: 2.345678E+00 | \
loss scale: 1.0 | grad norm: 0.321 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 | \
throughput per GPU (TFLOP/s/GPU): 412.1 | tokens per second: 12345.6 | memory (GiB) 61.2 | lr 0.0003 | step 1200 loss 2.3456\n\
Epoch 3:  45%|####5     | 450/1000 [03:21<04:05,  2.24it/s, v_num=17, train_loss=1.234, val_loss=1.301, accuracy=0.87]\n\
{'loss': 1.2345, 'grad_norm': 0.4321, 'learning_rate': 2.5e-05, 'epoch': 1.23, 'num_input_tokens_seen': 123456789}\n\
12: gpu-017:4121:4310 [3] NCCL INFO Channel 05/0 : 11[3] -> 12[4] via P2P/IPC/read, comm 0x55d0c8 nRanks 1024\n\
gpu-017:4121:4310 [3] NCCL INFO Trees [0] 12/-1/-1->11->10 [1] 12/-1/-1->11->10 Ring 00 : 10 -> 11 -> 12 busId 5d000\n\
gpu-017:4121:4310 [3] NCCL INFO Connected all rings, use ring PXN 1 GDR 1 Setting affinity for GPU 3 to ffff\n\
INFO 05-04 03:12:41 model loaded, dataset shard 17 of 128, tokenizer, dataloader worker, checkpoint saved at step 1000\n\
DEBUG evaluation batch optimizer forward backward gradient microbatch pipeline stage tensor data parallel group\n";

/// Stems for a set of anchors: each anchor holds at least one.
pub fn choose(anchors: &[&[u8]]) -> Vec<Vec<u8>> {
    let candidates = candidates(anchors);
    let mut open: BTreeSet<usize> = (0..anchors.len()).collect();
    let mut stems = Vec::new();
    while !open.is_empty() {
        let gain = |covers: &Vec<usize>, cost: f64| covers.iter().filter(|at| open.contains(at)).count() as f64 / cost;
        let best = candidates.iter().max_by(|a, b| gain(&a.1.0, a.1.1).total_cmp(&gain(&b.1.0, b.1.1)));
        let Some((stem, (covers, _))) = best else { break };
        if !covers.iter().any(|at| open.contains(at)) {
            break;
        }
        open.retain(|at| !covers.contains(at));
        stems.push(stem.to_vec());
    }
    stems
}

type Candidates<'a> = BTreeMap<&'a [u8], (Vec<usize>, f64)>;

/// Every part of an anchor that may be a stem, with the anchors it covers and its cost.
fn candidates<'a>(anchors: &[&'a [u8]]) -> Candidates<'a> {
    let mut all: Candidates<'a> = BTreeMap::new();
    for (at, anchor) in anchors.iter().enumerate() {
        let whole = anchor.len().min(*LENGTHS.start());
        for len in whole..=anchor.len().min(*LENGTHS.end()) {
            for part in anchor.windows(len.max(1)) {
                let covers = &mut all.entry(part).or_insert_with(|| (Vec::new(), cost(part))).0;
                if covers.last() != Some(&at) {
                    covers.push(at);
                }
            }
        }
    }
    all
}

/// What looking for a stem costs: itself, its hits in noise, and its chance hits in text of any kind.
fn cost(stem: &[u8]) -> f64 {
    let chance: f64 = stem.iter().map(|byte| frequency(*byte)).product();
    let noise = memchr::memmem::find_iter(NOISE.as_bytes(), stem).count() as f64;
    1.0 + CHANCE_COST * chance + NOISE_COST * noise
}

/// How often a byte stands in log text, roughly.
fn frequency(byte: u8) -> f64 {
    match byte {
        b' ' => 0.14,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.06,
        b'a'..=b'z' => 0.025,
        b'0'..=b'9' => 0.03,
        _ => 0.008,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anchor_holds_a_stem() {
        let anchors: [&[u8]; 4] = [b"Watchdog caught", b"watchdog thread terminated", b"last enqueued", b"Xid"];
        let stems = choose(&anchors);
        for anchor in anchors {
            assert!(stems.iter().any(|stem| memchr::memmem::find(anchor, stem).is_some()), "{anchor:?}");
        }
        assert!(stems.len() < anchors.len());
    }
}
