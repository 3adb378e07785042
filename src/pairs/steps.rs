//! The steps of the fast engine one by one, for `benches/steps.rs`.

use super::fast::{Index, Worker};
use super::huffman::LANES;
use crate::error::Result;
use crate::parallel::Control;
use crate::texts::Texts;

/// A target set of one block, ready for sources.
pub struct Prepared(Index);

impl Prepared {
    /// Index the targets.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn new(target: &Texts) -> Result<Prepared> {
        Index::new(target, 0, 1, &Control::default()).map(Prepared)
    }

    /// The steps of one source. Each does its work anew whenever it is called, on what the one before left.
    #[must_use]
    pub fn steps<'a>(&'a self, source: &'a [u8], vectors: bool) -> Steps<'a> {
        Steps { worker: Worker::new(&self.0, vectors), source }
    }
}

/// One source on its way through the engine.
pub struct Steps<'a> {
    worker: Worker<'a>,
    source: &'a [u8],
}

impl Steps<'_> {
    /// The source's own parse.
    pub fn source(&mut self) {
        self.worker.source.parse(self.source);
    }

    /// Its matches with all targets.
    pub fn walk(&mut self) {
        self.worker.walk.start(self.source);
        self.worker.walk.run(&self.worker.index.blocks[0]);
    }

    /// The seams.
    pub fn seams(&mut self) {
        self.worker.seams.start(&self.worker.source, self.source);
        self.worker.seams.run(&self.worker.source, self.source, &self.worker.index.blocks[0]);
    }

    /// The tokens of the first sixteen targets, counted.
    pub fn parse(&mut self) {
        self.worker.count(self.source, &self.worker.index.blocks[0], 0);
    }

    /// The sizes that those counts make.
    pub fn huffman(&mut self) -> [u32; LANES] {
        let mut sizes = [0; LANES];
        self.worker.huffman.sizes(&self.worker.counts, &[u32::MAX / 2; LANES], &mut sizes);
        sizes
    }
}
