use super::lanes::{LANES, Lanes};
use super::trees::{self, MANY_ZEROS, MAX_BITS, MAX_LENGTH_BITS, REPEAT, REPEAT_EXTRA_BITS, SENDING_ORDER, ZEROS};

type Bytes = Lanes<u8>;
type Words = Lanes<i16>;
const LENGTH_SYMBOLS: usize = 19;
/// Code-length symbols of the two trees.
pub(super) struct Header {
    /// [symbol][lane]
    used: [Lanes<i16>; LENGTH_SYMBOLS],
}

impl Header {
    pub(super) fn new() -> Header {
        Header { used: [Lanes::<i16>::ZERO; LENGTH_SYMBOLS] }
    }

    pub(super) fn count(&mut self, lengths: &[[u8; LANES]], active: &[u16], first: u16, highest: u8) {
        self.count_zeros(lengths, active, first);
        let mut written = [Bytes::ZERO; 286 + 2];
        let written = &mut written[..active.len() + 2];
        self.count_repeats(lengths, active, written);
        for first in (1..=highest).step_by(4) {
            for (i, count) in count_lengths(written, first).into_iter().enumerate() {
                self.add((usize::from(first) + i).min(MAX_BITS), count);
            }
        }
    }

    #[inline(never)]
    fn add(&mut self, symbol: usize, count: Bytes) {
        self.used[symbol] = self.used[symbol].plus(Lanes(count.0.map(i16::from)));
    }

    #[inline(never)]
    fn count_zeros(&mut self, lengths: &[[u8; LANES]], active: &[u16], first: u16) {
        let mut zeros = Bytes::ZERO;
        let [mut one, mut two, mut some, mut many, mut full] = [Bytes::ZERO; 5];
        let mut next_row = first;
        for &row in active {
            let gap = (row - next_row).min(255) as u8;
            next_row = row + 1;
            let uncoded = Lanes(lengths[usize::from(row)]).equals(Bytes::ZERO);
            let before = zeros.saturating_plus(Bytes::all(gap));
            zeros = before.saturating_plus(Bytes::all(1)).and(uncoded);
            let closed = before.and_not(uncoded);
            let is_full = closed.exceeds(Bytes::all(138));
            full = full.minus(is_full);
            let left = closed.minus(is_full.and(Bytes::all(138)));
            one = one.minus(left.equals(Bytes::all(1)));
            two = two.minus(left.equals(Bytes::all(2)));
            some = some.minus(left.exceeds(Bytes::all(2)));
            many = many.minus(left.exceeds(Bytes::all(10)));
        }
        self.add(0, one.plus(two).plus(two));
        self.add(ZEROS, some.minus(many));
        self.add(MANY_ZEROS, many.plus(full));
    }

    #[inline(never)]
    fn count_repeats(&mut self, lengths: &[[u8; LANES]], active: &[u16], written: &mut [Bytes]) {
        let [mut previous, mut run, mut repeat, mut one_ago, mut two_ago] = [Bytes::ZERO; 5];
        let mut next_row = 0;
        for (&row, out) in active.iter().zip(written.iter_mut()) {
            if row != next_row {
                previous = Bytes::ZERO;
            }
            next_row = row + 1;
            let now = Lanes(lengths[usize::from(row)]);
            let uncoded = now.equals(Bytes::ZERO);
            let same = now.equals(previous);
            // 1..7, then 2 again
            let last = run.equals(Bytes::all(7)).and(Bytes::all(6));
            run = run.minus(last).and(same).plus(Bytes::all(1)).and_not(uncoded);
            previous = now;
            let repeats = run.equals(Bytes::all(4));
            repeat = repeat.minus(repeats);
            *out = two_ago.and_not(repeats);
            two_ago = one_ago.and_not(repeats);
            one_ago = now.and_not(run.exceeds(Bytes::all(3)));
        }
        written[active.len()] = two_ago;
        written[active.len() + 1] = one_ago;
        self.add(REPEAT, repeat);
    }

    #[inline(never)]
    pub(super) fn bits(&self, odd: &mut [bool; LANES]) -> [u32; LANES] {
        let none = Words::all(i16::MAX);
        let mut sent = Words::all(4);
        for rank in 4..LENGTH_SYMBOLS {
            let unused = self.used[SENDING_ORDER[rank]].equals(Words::ZERO);
            sent = sent.max(Words::all(rank as i16 + 1).and_not(unused));
        }
        let mut sorted = [none; LENGTH_SYMBOLS + 2];
        for (place, used) in self.used.iter().enumerate() {
            let unused = used.equals(Words::ZERO);
            let mut sinking = Lanes(used.0.map(|count| count << 5)).or(none.and(unused));
            for row in &mut sorted[..=place] {
                (*row, sinking) = (row.min(sinking), row.max(sinking));
            }
        }
        let (mut bits, mut height) = (Words::ZERO, Words::ZERO);
        let depth = Words::all(31);
        for nodes in (2..=LENGTH_SYMBOLS).rev() {
            let (a, b) = (sorted[0], sorted[1]);
            let deeper = a.and(depth).max(b.and(depth)).plus(Words::all(1));
            let missing = b.equals(none);
            let merged = a.and_not(depth).saturating_plus(b.and_not(depth)).saturating_plus(deeper);
            bits = bits.plus(Lanes(merged.and_not(missing).0.map(|key| key >> 5)));
            height = height.max(deeper.and_not(missing));
            let mut sinking = merged.or(none.and(missing));
            for place in 0..nodes - 1 {
                let next = sorted[place + 2];
                (sorted[place], sinking) = (next.min(sinking), next.max(sinking));
            }
        }
        let mut all = [0; LANES];
        for lane in 0..LANES {
            odd[lane] |= height.0[lane] > MAX_LENGTH_BITS as i16;
            let repeats: u32 =
                (REPEAT..).zip(REPEAT_EXTRA_BITS).map(|(symbol, bits)| self.used[symbol].0[lane] as u32 * bits).sum();
            all[lane] = bits.0[lane] as u32 + repeats + trees::header_bits(sent.0[lane] as u32);
        }
        all
    }
}

/// How often `first` and the three lengths after it occur.
#[inline(never)]
fn count_lengths(written: &[Bytes], first: u8) -> [Bytes; 4] {
    let wanted: [Bytes; 4] = std::array::from_fn(|i| Bytes::all(first + i as u8));
    let mut counts = [Bytes::ZERO; 4];
    for &row in written {
        for i in 0..4 {
            counts[i] = counts[i].minus(row.equals(wanted[i]));
        }
    }
    counts
}
