//! [`Forest::merge`] for processors with AVX2: eight lanes in one register, two registers in step.
//!
//! The same heaps, node for node. The root and the two levels below it, which every sinking node passes, are kept
//! side by side in registers, one lane beside the other: there a path is a mask, and reading or writing along it a
//! blend. The levels below are read and written lane by lane, but always as a pair of children in 8 bytes: one load
//! brings both, and a store of the whole pair can be forwarded to the next load of it. Comparing, choosing and moving
//! happens for eight lanes at once. Two groups of lanes advance level by level together, because each hides the
//! latency of the other.
//!
//! Gain: sizes take 1.3 us a lane with it and 2.3 without (see `huffman` for the texts).
//!
//! N.B. Measured on the same texts, and slower: places taken out of their register through memory (14% of the
//! whole); one group after the other (11%); two levels at a time, the four grandchildren in one load of 16 bytes (9%).
//! The loop over levels written out was 2% faster, and not worth its lines.
#![expect(unsafe_code, reason = "AVX2 intrinsics; the gain stands above")]
#![expect(clippy::inline_always, reason = "a function that uses AVX2 must be inlined into one that is allowed to")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_castpd_si128, _mm_castsi128_pd, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_loadh_pd,
    _mm_loadl_epi64, _mm_storeh_pd, _mm_storel_epi64, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_epi8, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpgt_epi32,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_max_epi32, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi32, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi32, _mm256_unpacklo_epi32,
};

use super::forest::{
    EMPTY, FREQUENCY_SHIFT, Forest, HEIGHT, HEIGHT_SHIFT, INNER, NAME, NAME_SHIFT, SECOND_SHIFT, STRIDE, WAITS,
    parents, sizes,
};
use super::lanes::LANES;
use super::trees::LITERALS;

/// Lanes in one register, and registers for all lanes.
const GROUP: usize = 8;
const GROUPS: usize = LANES / GROUP;

/// Places above which nodes are kept in registers: the root at 1 and two levels below it.
const TOP: usize = 8;

type Eight = __m256i;
type All = [Eight; GROUPS];
/// The first lane's heap of each group; those of the group's other lanes follow at [`STRIDE`].
type Heaps = [*mut u32; GROUPS];

#[derive(Clone, Copy)]
struct Children {
    left: Eight,
    right: Eight,
}

/// What one level does to a sinking node: the mask of lanes whose left child is the smaller one, what goes to the
/// node's place, and what sinks on to the child's.
struct Level {
    left_rises: Eight,
    stays: Eight,
    sinks: Eight,
}

/// Children that were read and are written back once the new value of one of them is known.
#[derive(Clone, Copy)]
struct Open {
    at: [usize; GROUP],
    children: Children,
    left_rises: Eight,
}

/// [`Forest::merge`], the same to the bit.
#[target_feature(enable = "avx2")]
pub(super) fn merge(forest: &mut Forest, most: usize) {
    assert!(most <= LITERALS, "a tree has {LITERALS} symbols at most, and a heap room for them; got {most}");
    // SAFETY: this function has AVX2, and what it calls is told no place beyond `most`.
    unsafe {
        order::<1>(forest, most);
        order::<2>(forest, most);
        order::<3>(forest, most);
        order::<4>(forest, most);
        order::<5>(forest, most);
        order::<6>(forest, most);
        order::<7>(forest, most);
        order::<8>(forest, most);
        let mut top = take_top(forest);
        shrink::<8, 6>(forest, &mut top, most);
        shrink::<7, 5>(forest, &mut top, most);
        shrink::<6, 4>(forest, &mut top, most);
        shrink::<5, 3>(forest, &mut top, most);
        shrink::<4, 2>(forest, &mut top, most);
        shrink::<3, 1>(forest, &mut top, most);
        shrink::<2, 0>(forest, &mut top, most);
        shrink::<1, 0>(forest, &mut top, most);
        shrink::<0, 0>(forest, &mut top, most);
        for (group, root) in top[1].into_iter().enumerate() {
            let height = _mm256_srli_epi32::<{ HEIGHT_SHIFT as i32 }>(_mm256_and_si256(root, splat(HEIGHT)));
            store(&mut forest.height, group, height);
        }
    }
}

/// Let the nodes sink that have this many levels below them, the last first.
#[inline(always)]
unsafe fn order<const LEVELS: u32>(forest: &mut Forest, most: usize) {
    // SAFETY: the caller has AVX2; a parent's children lie below twice `most`, within the heap.
    unsafe {
        let heaps = heaps(forest);
        for place in parents(most, LEVELS).rev() {
            let at = [place / 2; GROUP];
            let mut node = [splat(EMPTY); GROUPS];
            let mut pairs = [Children { left: node[0], right: node[0] }; GROUPS];
            for group in 0..GROUPS {
                pairs[group] = read(heaps[group], &at);
                node[group] = if place.is_multiple_of(2) { pairs[group].left } else { pairs[group].right };
            }
            let stays = sink_below::<LEVELS>(heaps, [splat(place as u32); GROUPS], node);
            for group in 0..GROUPS {
                let Children { left, right } = pairs[group];
                let left = if place.is_multiple_of(2) { stays[group] } else { left };
                let right = if place.is_multiple_of(2) { right } else { stays[group] };
                write(heaps[group], &at, Children { left, right });
            }
        }
    }
}

/// Move the top levels into registers; empties their places for the next tree.
#[inline(always)]
unsafe fn take_top(forest: &mut Forest) -> [All; TOP] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let heaps = heaps(forest);
        let mut top = [[splat(EMPTY); GROUPS]; TOP];
        for parent in 0..TOP / 2 {
            for group in 0..GROUPS {
                let pair = read(heaps[group], &[parent; GROUP]);
                top[2 * parent][group] = pair.left;
                top[2 * parent + 1][group] = pair.right;
                write(heaps[group], &[parent; GROUP], Children { left: splat(EMPTY), right: splat(EMPTY) });
            }
        }
        top
    }
}

/// Merge while the heap, one node less, has this many levels below its root; `BELOW` of them below the top.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn shrink<const LEVELS: u32, const BELOW: u32>(forest: &mut Forest, top: &mut [All; TOP], most: usize) {
    // SAFETY: AVX2 is there.
    unsafe {
        let heaps = heaps(forest);
        let symbols = [load(&forest.symbols, 0), load(&forest.symbols, 1)];
        let mut bits = [load(&forest.bits, 0), load(&forest.bits, 1)];
        for nodes in sizes(most, LEVELS).rev() {
            let least = top[1];
            let mut works = least;
            let mut sinking = take_last(heaps, top, nodes);
            for group in 0..GROUPS {
                works[group] = _mm256_cmpgt_epi32(symbols[group], splat(nodes as u32 - 1));
                sinking[group] = choose(least[group], sinking[group], works[group]);
            }
            sink::<LEVELS, BELOW>(heaps, top, sinking);
            let next = top[1];
            for group in 0..GROUPS {
                let (frequency, merged) = merged(least[group], next[group], nodes);
                let merge = choose(splat(WAITS), names(least[group], next[group]), works[group]);
                store(&mut forest.merges[nodes], group, merge);
                bits[group] = _mm256_add_epi32(bits[group], _mm256_and_si256(frequency, works[group]));
                sinking[group] = choose(next[group], merged, works[group]);
            }
            sink::<LEVELS, BELOW>(heaps, top, sinking);
        }
        for (group, bits) in bits.into_iter().enumerate() {
            store(&mut forest.bits, group, bits);
        }
    }
}

/// Take out the node at a heap's last place.
#[inline(always)]
unsafe fn take_last(heaps: Heaps, top: &mut [All; TOP], place: usize) -> All {
    // SAFETY: the caller has AVX2; a heap's last place is within the heap.
    unsafe {
        let empty = splat(EMPTY);
        if place < TOP {
            return std::mem::replace(&mut top[place], [empty; GROUPS]);
        }
        let at = [place / 2; GROUP];
        let mut last = [empty; GROUPS];
        for group in 0..GROUPS {
            let pair = read(heaps[group], &at);
            let left = if place.is_multiple_of(2) { empty } else { pair.left };
            last[group] = if place.is_multiple_of(2) { pair.left } else { pair.right };
            write(heaps[group], &at, Children { left, right: empty });
        }
        last
    }
}

/// Frequency of two nodes together, and the node that they become.
#[inline(always)]
unsafe fn merged(least: Eight, next: Eight, nodes: usize) -> (Eight, Eight) {
    // SAFETY: the caller has AVX2.
    unsafe {
        let frequency = |node| _mm256_srli_epi32::<{ FREQUENCY_SHIFT as i32 }>(node);
        let height = |node| _mm256_and_si256(node, splat(HEIGHT));
        let both = _mm256_add_epi32(frequency(least), frequency(next));
        let height = _mm256_max_epi32(height(least), height(next));
        // One level higher, and a name.
        let rest = _mm256_add_epi32(height, splat((1 << HEIGHT_SHIFT) + (INNER + nodes) as u32));
        (both, _mm256_add_epi32(_mm256_slli_epi32::<{ FREQUENCY_SHIFT as i32 }>(both), rest))
    }
}

/// A merge as [`Forest::measure`] reads it.
#[inline(always)]
unsafe fn names(least: Eight, next: Eight) -> Eight {
    // SAFETY: the caller has AVX2.
    unsafe {
        let name = splat(NAME);
        _mm256_or_si256(
            _mm256_slli_epi32::<{ NAME_SHIFT as i32 }>(_mm256_and_si256(least, name)),
            _mm256_slli_epi32::<{ SECOND_SHIFT as i32 }>(_mm256_and_si256(next, name)),
        )
    }
}

/// Let a node sink from the root.
#[inline(always)]
unsafe fn sink<const LEVELS: u32, const BELOW: u32>(heaps: Heaps, top: &mut [All; TOP], mut node: All) {
    // SAFETY: the caller has AVX2; places stay below 2^(LEVELS + 1), and LEVELS is 8 at most.
    unsafe {
        if LEVELS == 0 {
            top[1] = node;
            return;
        }
        let (mut first, mut second) = (node, node);
        for group in 0..GROUPS {
            let level = sink_level(Children { left: top[2][group], right: top[3][group] }, node[group]);
            top[1][group] = level.stays;
            (first[group], node[group]) = (level.left_rises, level.sinks);
        }
        let mut stays = node;
        if LEVELS > 1 {
            for group in 0..GROUPS {
                let left = choose(top[6][group], top[4][group], first[group]);
                let right = choose(top[7][group], top[5][group], first[group]);
                let level = sink_level(Children { left, right }, node[group]);
                stays[group] = level.stays;
                (second[group], node[group]) = (level.left_rises, level.sinks);
            }
        }
        for group in 0..GROUPS {
            top[2][group] = choose(top[2][group], stays[group], first[group]);
            top[3][group] = choose(stays[group], top[3][group], first[group]);
        }
        if LEVELS > 1 {
            let mut place = node;
            for group in 0..GROUPS {
                place[group] = child(child(splat(1), first[group]), second[group]);
            }
            let stays = sink_below::<BELOW>(heaps, place, node);
            for group in 0..GROUPS {
                let (first, second, stays) = (first[group], second[group], stays[group]);
                top[4][group] = choose(top[4][group], stays, _mm256_and_si256(first, second));
                top[5][group] = choose(top[5][group], stays, _mm256_andnot_si256(second, first));
                top[6][group] = choose(top[6][group], stays, _mm256_andnot_si256(first, second));
                top[7][group] = choose(stays, top[7][group], _mm256_or_si256(first, second));
            }
        }
    }
}

/// Let a node sink from a place below the top; gives what is to be at that place.
#[inline(always)]
unsafe fn sink_below<const LEVELS: u32>(heaps: Heaps, mut place: All, mut node: All) -> All {
    let mut first = node;
    // Overwritten on the first level.
    let [left, right] = node;
    let mut open = [Open { at: [0; GROUP], children: Children { left, right }, left_rises: left }; GROUPS];
    // SAFETY: the caller has AVX2, and places below which there are `LEVELS` levels within the heap.
    unsafe {
        for level in 0..LEVELS {
            for group in 0..GROUPS {
                let at = lanes(place[group]);
                let children = read(heaps[group], &at);
                let Level { left_rises, stays, sinks } = sink_level(children, node[group]);
                if level == 0 {
                    first[group] = stays;
                } else {
                    close(heaps[group], &open[group], stays);
                }
                open[group] = Open { at, children, left_rises };
                node[group] = sinks;
                place[group] = child(place[group], left_rises);
            }
        }
        if LEVELS == 0 {
            return node;
        }
        for group in 0..GROUPS {
            close(heaps[group], &open[group], node[group]);
        }
    }
    first
}

/// Write back children of which the smaller one is replaced.
#[inline(always)]
unsafe fn close(heap: *mut u32, open: &Open, value: Eight) {
    // SAFETY: as the caller's.
    unsafe {
        let left = choose(open.children.left, value, open.left_rises);
        let right = choose(value, open.children.right, open.left_rises);
        write(heap, &open.at, Children { left, right });
    }
}

/// See `sink` in forest.rs.
#[inline(always)]
unsafe fn sink_level(children: Children, node: Eight) -> Level {
    // SAFETY: the caller has AVX2.
    unsafe {
        let name = splat(NAME);
        let left_rises = _mm256_cmpgt_epi32(children.right, _mm256_or_si256(children.left, name));
        let child = choose(children.right, children.left, left_rises);
        let child_rises = _mm256_cmpgt_epi32(node, _mm256_or_si256(child, name));
        Level { left_rises, stays: choose(node, child, child_rises), sinks: choose(child, node, child_rises) }
    }
}

/// Place of the smaller child; a mask is -1.
#[inline(always)]
unsafe fn child(place: Eight, left_rises: Eight) -> Eight {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_add_epi32(_mm256_add_epi32(place, place), _mm256_add_epi32(left_rises, splat(1))) }
}

/// Children of the place `at[lane]` in each lane of a group.
#[inline(always)]
unsafe fn read(heap: *const u32, at: &[usize; GROUP]) -> Children {
    // SAFETY: the caller has AVX2, and both children are within the heap.
    unsafe {
        let address = |lane: usize| heap.add(lane * STRIDE + 2 * at[lane]);
        let two = |lane: usize| -> __m128i {
            let one = _mm_castsi128_pd(_mm_loadl_epi64(address(lane).cast()));
            _mm_castpd_si128(_mm_loadh_pd(one, address(lane + 1).cast()))
        };
        let even = _mm256_castsi256_ps(_mm256_set_m128i(two(4), two(0)));
        let odd = _mm256_castsi256_ps(_mm256_set_m128i(two(6), two(2)));
        Children {
            left: _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(even, odd)),
            right: _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(even, odd)),
        }
    }
}

/// The other way of [`read`].
#[inline(always)]
unsafe fn write(heap: *mut u32, at: &[usize; GROUP], children: Children) {
    // SAFETY: the caller has AVX2, and both children are within the heap.
    unsafe {
        let even = _mm256_unpacklo_epi32(children.left, children.right);
        let odd = _mm256_unpackhi_epi32(children.left, children.right);
        let address = |lane: usize| heap.add(lane * STRIDE + 2 * at[lane]);
        let two = |lane: usize, pairs: __m128i| {
            _mm_storel_epi64(address(lane).cast(), pairs);
            _mm_storeh_pd(address(lane + 1).cast(), _mm_castsi128_pd(pairs));
        };
        two(0, _mm256_castsi256_si128(even));
        two(2, _mm256_castsi256_si128(odd));
        two(4, _mm256_extracti128_si256::<1>(even));
        two(6, _mm256_extracti128_si256::<1>(odd));
    }
}

/// Each lane's number, out of the register two at a time.
#[inline(always)]
unsafe fn lanes(numbers: Eight) -> [usize; GROUP] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let (low, high) = (_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
        let two = [
            _mm_cvtsi128_si64(low).cast_unsigned() as usize,
            _mm_extract_epi64::<1>(low).cast_unsigned() as usize,
            _mm_cvtsi128_si64(high).cast_unsigned() as usize,
            _mm_extract_epi64::<1>(high).cast_unsigned() as usize,
        ];
        let (low, high) = (|two| two & 0xffff_ffff, |two| two >> 32);
        let [a, b, c, d] = two;
        [low(a), high(a), low(b), high(b), low(c), high(c), low(d), high(d)]
    }
}

#[inline(always)]
unsafe fn splat(number: u32) -> Eight {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_set1_epi32(number as i32) }
}

#[inline(always)]
unsafe fn choose(no: Eight, yes: Eight, mask: Eight) -> Eight {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_blendv_epi8(no, yes, mask) }
}

#[inline(always)]
unsafe fn load(lanes: &[u32; LANES], group: usize) -> Eight {
    // SAFETY: the caller has AVX2 and a group below `GROUPS`.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().add(GROUP * group).cast()) }
}

#[inline(always)]
unsafe fn store(lanes: &mut [u32; LANES], group: usize, numbers: Eight) {
    // SAFETY: the caller has AVX2 and a group below `GROUPS`.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().add(GROUP * group).cast(), numbers) }
}

#[inline(always)]
unsafe fn heaps(forest: &mut Forest) -> Heaps {
    let first = forest.heap.as_mut_ptr().cast::<u32>();
    // SAFETY: the forest has a heap for every lane.
    unsafe { [first, first.add(GROUP * STRIDE)] }
}
