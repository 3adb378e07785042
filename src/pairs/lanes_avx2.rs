#![expect(unsafe_code, reason = "x")]
#![allow(unsafe_op_in_unsafe_fn, unused_unsafe)]
use super::huffman::{EMPTY, FREQUENCY_SHIFT, Forest, HEIGHT, HEIGHT_SHIFT, INNER, LANES, NODE, NO_NODE, PLACES};
use std::arch::x86_64::*;

type Both = [__m256i; 2];
const STRIDE: usize = PLACES + 64;

#[inline(always)]
unsafe fn splat(v: u32) -> __m256i {
    _mm256_set1_epi32(v as i32)
}
#[inline(always)]
unsafe fn select(zero: __m256i, one: __m256i, mask: __m256i) -> __m256i {
    _mm256_blendv_epi8(zero, one, mask)
}
#[inline(always)]
unsafe fn load(row: &[u32; LANES], g: usize) -> __m256i {
    unsafe { _mm256_loadu_si256(row.as_ptr().add(8 * g).cast()) }
}
#[inline(always)]
unsafe fn store(row: &mut [u32; LANES], g: usize, v: __m256i) {
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().add(8 * g).cast(), v) }
}

/// Children of place i of each of 8 lanes
#[inline(always)]
unsafe fn gather(heap: *const u32, at: *const u32) -> (__m256i, __m256i) {
    unsafe {
        let p = |lane: usize| heap.add(lane * STRIDE).add(2 * at.add(lane).read_volatile() as usize);
        let two = |lane: usize| {
            let low = _mm_loadl_epi64(p(lane).cast());
            _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), p(lane + 1).cast()))
        };
        let y0 = _mm256_castsi256_ps(_mm256_set_m128i(two(4), two(0)));
        let y1 = _mm256_castsi256_ps(_mm256_set_m128i(two(6), two(2)));
        (
            _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(y0, y1)),
            _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(y0, y1)),
        )
    }
}
#[inline(always)]
unsafe fn scatter(heap: *mut u32, at: *const u32, left: __m256i, right: __m256i) {
    unsafe {
        let y0 = _mm256_unpacklo_epi32(left, right);
        let y1 = _mm256_unpackhi_epi32(left, right);
        let p = |lane: usize| heap.add(lane * STRIDE).add(2 * at.add(lane).read_volatile() as usize);
        let two = |lane: usize, x: __m128i| {
            _mm_storel_epi64(p(lane).cast(), x);
            _mm_storeh_pd(p(lane + 1).cast(), _mm_castsi128_pd(x));
        };
        two(0, _mm256_castsi256_si128(y0));
        two(2, _mm256_castsi256_si128(y1));
        two(4, _mm256_extracti128_si256::<1>(y0));
        two(6, _mm256_extracti128_si256::<1>(y1));
    }
}


#[inline(always)]
unsafe fn gather_uniform(heap: *const u32, at: usize) -> (__m256i, __m256i) {
    unsafe {
        let p = |lane: usize| heap.add(lane * STRIDE).add(2 * at);
        let two = |lane: usize| {
            let low = _mm_loadl_epi64(p(lane).cast());
            _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), p(lane + 1).cast()))
        };
        let y0 = _mm256_castsi256_ps(_mm256_set_m128i(two(4), two(0)));
        let y1 = _mm256_castsi256_ps(_mm256_set_m128i(two(6), two(2)));
        (
            _mm256_castps_si256(_mm256_shuffle_ps::<0x88>(y0, y1)),
            _mm256_castps_si256(_mm256_shuffle_ps::<0xdd>(y0, y1)),
        )
    }
}
#[inline(always)]
unsafe fn scatter_uniform(heap: *mut u32, at: usize, left: __m256i, right: __m256i) {
    unsafe {
        let y0 = _mm256_unpacklo_epi32(left, right);
        let y1 = _mm256_unpackhi_epi32(left, right);
        let p = |lane: usize| heap.add(lane * STRIDE).add(2 * at);
        let two = |lane: usize, x: __m128i| {
            _mm_storel_epi64(p(lane).cast(), x);
            _mm_storeh_pd(p(lane + 1).cast(), _mm_castsi128_pd(x));
        };
        two(0, _mm256_castsi256_si128(y0));
        two(2, _mm256_castsi256_si128(y1));
        two(4, _mm256_extracti128_si256::<1>(y0));
        two(6, _mm256_extracti128_si256::<1>(y1));
    }
}

/// One level: children and the sinking value to (mask: left rises, the value that rises or stays, value that goes on).
#[inline(always)]
unsafe fn level(a: __m256i, b: __m256i, v: __m256i) -> (__m256i, __m256i, __m256i) {
    let node = splat(NODE);
    let left = _mm256_cmpgt_epi32(b, _mm256_or_si256(a, node));
    let least = select(b, a, left);
    let sinks = _mm256_cmpgt_epi32(v, _mm256_or_si256(least, node));
    (left, select(v, least, sinks), select(least, v, sinks))
}

#[inline(always)]
unsafe fn child(at: __m256i, left: __m256i) -> __m256i {
    // 2 at + 1 - left rises
    _mm256_add_epi32(_mm256_add_epi32(at, at), _mm256_add_epi32(left, splat(1)))
}

#[derive(Clone, Copy)]
struct Above {
    a: __m256i,
    b: __m256i,
    left: __m256i,
    slot: *mut [u32; 8],
}

#[inline(always)]
unsafe fn deep<const I: usize>(heap: [*mut u32; 2], at: &mut Both, v: &mut Both, pending: &mut Both, above: &mut [Above; 2], slots: *mut [[u32; 8]; 16]) {
    unsafe {
        for g in 0..2 {
            let slot = slots.cast::<[u32; 8]>().add(2 * I + g);
            _mm256_store_si256(slot.cast(), at[g]);
            let (a, b) = gather(heap[g], slot.cast());
            let (left, here, next) = level(a, b, v[g]);
            if I == 0 {
                pending[g] = here;
            } else {
                let Above { a, b, left, slot } = above[g];
                scatter(heap[g], slot.cast(), select(a, here, left), select(here, b, left));
            }
            above[g] = Above { a, b, left, slot };
            v[g] = next;
            at[g] = child(at[g], left);
        }
    }
}
/// From given place in the lanes' memory
#[inline(always)]
unsafe fn sift_deep<const LEVELS: u32>(heap: [*mut u32; 2], mut at: Both, mut v: Both, pending: &mut Both) {
    #[repr(align(32))]
    struct Slots([[u32; 8]; 16]);
    // value for the slot at `at` is returned in `pending`, the rest written
    unsafe {
        let mut slots = std::mem::MaybeUninit::<Slots>::uninit();
        let slots = slots.as_mut_ptr().cast();
        let mut above: [Above; 2] = [Above { a: at[0], b: at[0], left: at[0], slot: std::ptr::null_mut() }; 2];
        if LEVELS > 0 { deep::<0>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 1 { deep::<1>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 2 { deep::<2>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 3 { deep::<3>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 4 { deep::<4>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 5 { deep::<5>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 6 { deep::<6>(heap, &mut at, &mut v, pending, &mut above, slots); }
        if LEVELS > 7 { deep::<7>(heap, &mut at, &mut v, pending, &mut above, slots); }
        for g in 0..2 {
            if LEVELS == 0 {
                pending[g] = v[g];
            } else {
                let Above { a, b, left, slot } = above[g];
                scatter(heap[g], slot.cast(), select(a, v[g], left), select(v[g], b, left));
            }
        }
    }
}

struct Top([Both; 8]);

#[inline(always)]
unsafe fn sift<const LEVELS: u32, const DEEP: u32>(heap: [*mut u32; 2], top: &mut Top, mut v: Both) {
    let t = &mut top.0;
    if LEVELS == 0 {
        t[1] = v;
        return;
    }
    let mut left1 = v;
    for g in 0..2 {
        let (left, here, next) = level(t[2][g], t[3][g], v[g]);
        t[1][g] = here;
        v[g] = next;
        left1[g] = left;
    }
    let mut here2 = v;
    let mut left2 = v;
    if LEVELS >= 2 {
        for g in 0..2 {
            let a = select(t[6][g], t[4][g], left1[g]);
            let b = select(t[7][g], t[5][g], left1[g]);
            let (left, here, next) = level(a, b, v[g]);
            here2[g] = here;
            v[g] = next;
            left2[g] = left;
        }
    }
    for g in 0..2 {
        t[2][g] = select(t[2][g], here2[g], left1[g]);
        t[3][g] = select(here2[g], t[3][g], left1[g]);
    }
    if LEVELS >= 2 {
        let mut here3 = v;
        if LEVELS >= 3 {
            let mut at = v;
            for g in 0..2 {
                // 7 - 2 * left1 - left2
                at[g] = _mm256_add_epi32(_mm256_add_epi32(left1[g], left1[g]), _mm256_add_epi32(left2[g], splat(7)));
            }
            unsafe { sift_deep::<DEEP>(heap, at, v, &mut here3) };
        }
        for g in 0..2 {
            let (l1, l2, w) = (left1[g], left2[g], here3[g]);
            t[4][g] = select(t[4][g], w, _mm256_and_si256(l1, l2));
            t[5][g] = select(t[5][g], w, _mm256_andnot_si256(l2, l1));
            t[6][g] = select(t[6][g], w, _mm256_andnot_si256(l1, l2));
            t[7][g] = select(w, t[7][g], _mm256_or_si256(l1, l2));
        }
    }
}

#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn phase<const LEVELS: u32, const DEEP: u32>(forest: &mut Forest, top: &mut Top, most: usize) {
    let heap = forest.heap.as_mut_ptr().cast::<u32>();
    let heap = unsafe { [heap, heap.add(8 * STRIDE)] };
    let mut bits = [load(&forest.bits, 0), load(&forest.bits, 1)];
    let symbols = [load(&forest.symbols, 0), load(&forest.symbols, 1)];
    let mut h = ((2_usize << LEVELS)).min(most);
    while h > 1 << LEVELS {
        let mut v = top.0[1];
        let least = top.0[1];
        let mut active = v;
        for g in 0..2 {
            active[g] = _mm256_cmpgt_epi32(symbols[g], splat(h as u32 - 1));
            let last = if h < 8 {
                std::mem::replace(&mut top.0[h & 7][g], splat(EMPTY))
            } else {
                unsafe {
                    let index = h >> 1;
                    let (a, b) = gather_uniform(heap[g], index);
                    let (last, left) = if h & 1 == 1 { (b, a) } else { (a, b) };
                    scatter_uniform(heap[g], index, if h & 1 == 1 { left } else { splat(EMPTY) }, splat(EMPTY));
                    last
                }
            };
            v[g] = select(least[g], last, active[g]);
        }
        unsafe { sift::<LEVELS, DEEP>(heap, top, v) };
        let next = top.0[1];
        for g in 0..2 {
            let frequency = _mm256_add_epi32(_mm256_srli_epi32::<15>(least[g]), _mm256_srli_epi32::<15>(next[g]));
            let height = splat(HEIGHT);
            let height = _mm256_max_epi32(_mm256_and_si256(least[g], height), _mm256_and_si256(next[g], height));
            let rest = splat((1 << HEIGHT_SHIFT) + (INNER + h) as u32);
            let node = _mm256_add_epi32(_mm256_slli_epi32::<{ FREQUENCY_SHIFT as i32 }>(frequency), _mm256_add_epi32(height, rest));
            v[g] = select(next[g], node, active[g]);
            bits[g] = _mm256_add_epi32(bits[g], _mm256_and_si256(frequency, active[g]));
            let mask = splat(NODE);
            let nodes = _mm256_or_si256(
                _mm256_slli_epi32::<4>(_mm256_and_si256(least[g], mask)),
                _mm256_slli_epi32::<20>(_mm256_and_si256(next[g], mask)),
            );
            let none = splat((NO_NODE as u32) << 4 | (NO_NODE as u32) << 20);
            store(&mut forest.merges[h], g, select(none, nodes, active[g]));
        }
        unsafe { sift::<LEVELS, DEEP>(heap, top, v) };
        h -= 1;
    }
    store(&mut forest.bits, 0, bits[0]);
    store(&mut forest.bits, 1, bits[1]);
}

#[inline(always)]
unsafe fn heapify<const LEVELS: u32>(heap: [*mut u32; 2], most: usize) {
    // places with LEVELS levels below
    let mut place = most >> LEVELS;
    while place > most >> (LEVELS + 1) {
        unsafe {
            let index = place >> 1;
            let at = [splat(place as u32); 2];
            let (a0, b0) = gather_uniform(heap[0], index);
            let (a1, b1) = gather_uniform(heap[1], index);
            let odd = place & 1 == 1;
            let v = if odd { [b0, b1] } else { [a0, a1] };
            let mut pending = v;
            sift_deep::<LEVELS>(heap, at, v, &mut pending);
            if odd {
                scatter_uniform(heap[0], index, a0, pending[0]);
                scatter_uniform(heap[1], index, a1, pending[1]);
            } else {
                scatter_uniform(heap[0], index, pending[0], b0);
                scatter_uniform(heap[1], index, pending[1], b1);
            }
        }
        place -= 1;
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn merge(forest: &mut Forest, most: usize) {
    let heap = forest.heap.as_mut_ptr().cast::<u32>();
    unsafe {
        let heap = [heap, heap.add(8 * STRIDE)];
        heapify::<1>(heap, most);
        heapify::<2>(heap, most);
        heapify::<3>(heap, most);
        heapify::<4>(heap, most);
        heapify::<5>(heap, most);
        heapify::<6>(heap, most);
        heapify::<7>(heap, most);
        heapify::<8>(heap, most);
        let mut top = Top([[splat(EMPTY); 2]; 8]);
        for g in 0..2 {
            for pair in 0..4 {
                let (a, b) = gather_uniform(heap[g], pair);
                top.0[2 * pair][g] = a;
                top.0[2 * pair + 1][g] = b;
                // The places are empty again for the next tree
                scatter_uniform(heap[g], pair, splat(EMPTY), splat(EMPTY));
            }
        }
        phase::<8, 6>(forest, &mut top, most);
        phase::<7, 5>(forest, &mut top, most);
        phase::<6, 4>(forest, &mut top, most);
        phase::<5, 3>(forest, &mut top, most);
        phase::<4, 2>(forest, &mut top, most);
        phase::<3, 1>(forest, &mut top, most);
        phase::<2, 0>(forest, &mut top, most);
        phase::<1, 0>(forest, &mut top, most);
        phase::<0, 0>(forest, &mut top, most);
        for g in 0..2 {
            let height = _mm256_srli_epi32::<{ HEIGHT_SHIFT as i32 }>(_mm256_and_si256(top.0[1][g], splat(HEIGHT)));
            store(&mut forest.height, g, height);
        }
    }
}
