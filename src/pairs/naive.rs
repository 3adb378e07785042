//! The naive engine: one compression a pair, as the formula is written. The oracle of every faster engine; never
//! optimised. Cost: n + 1 compressions a source.

use crate::codec::Compressor;
use crate::error::Result;
use crate::parallel::Control;
use crate::texts::Texts;

/// C(x) as the result, C(x `p_j`) in `joint[j]`.
pub(super) fn row(
    compressor: &mut dyn Compressor,
    x: &[u8],
    target: &Texts,
    joint: &mut [u64],
    control: &Control,
) -> Result<u64> {
    for (p, size) in target.iter().zip(joint) {
        *size = compressor.compressed_size(&[x, p], control)?;
    }
    compressor.compressed_size(&[x], control)
}
