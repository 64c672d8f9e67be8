//! Dice for tests that fall the same way each time.

/// A linear congruential generator with its seed (multiplier and addend of Knuth's MMIX).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `most`; 0 of none.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }

    /// One of several.
    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}
