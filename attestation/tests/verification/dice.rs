//! Choices that a seed decides, or a fuzzer.

/// Choices, by numbers from wherever they come.
pub(crate) struct Dice<'n>(Box<dyn FnMut() -> u64 + 'n>);

impl<'n> Dice<'n> {
    pub(crate) fn new(numbers: impl FnMut() -> u64 + 'n) -> Self {
        Self(Box::new(numbers))
    }

    /// A choice for each byte, and zeros when they are used up.
    pub(crate) fn of_bytes(bytes: &'n [u8]) -> Self {
        let mut bytes = bytes.iter();
        Self::new(move || bytes.next().copied().unwrap_or_default().into())
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        // A byte of a fuzzer is too small for the places of a document; two of them are enough.
        let number = match end {
            0..=256 => (self.0)(),
            _ => (self.0)().wrapping_mul(251).wrapping_add((self.0)()),
        };
        (number % end as u64) as usize
    }

    pub(crate) fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Changes, removes and inserts one to three bytes.
    pub(crate) fn edit(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let position = self.below(bytes.len().max(1));
            let byte = self.pick(&[0x00, 0x01, 0x17, 0x18, 0x5f, 0x7f, 0x80, 0xbf, 0xf6, 0xff]);
            match (bytes.get_mut(position), self.below(4)) {
                (Some(there), 0) => *there ^= 1 << self.below(8),
                (Some(there), 1) => *there = byte,
                (Some(_), 2) => drop(bytes.remove(position)),
                _ => bytes.insert(position, byte),
            }
        }
    }
}
