//! The suffix automaton of the targets (Blumer et al. 1985, "The smallest automaton recognizing the subwords of a text").
//!
//! Its states are the sets of substrings that end at the same places; walking a text through it gives at each byte the
//! longest substring that ends there and is in a target, in time proportional to the text. At most two states and three
//! transitions a byte. Transitions out of a state are a list: most states have one or two.

use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::texts::Texts;

/// Ends a target: no byte, so that no match goes on into the next target.
const END: u16 = 256;

/// Transitions, three a symbol at most, have numbers of 31 bits.
const MAX_SYMBOLS: u64 = 1 << 29;

const NONE: u32 = u32::MAX;

/// Transitions from which on a state gets a table, 1 KiB. Few states near the root have so many, but most bytes of a
/// text that shares little are looked up there: without tables 64 MiB of one letter took a minute, with them 2 seconds.
const WIDE: usize = 16;

/// Marks the number of a table among those of transitions.
const TABLE: u32 = 1 << 31;

/// Symbols between two looks at the stop signal.
const CHECK_EVERY: usize = 1 << 16;

struct State {
    /// Length of the longest substring of the set.
    length: u32,
    /// The state of its longest suffix that ends at other places too.
    link: u32,
    /// Where its first occurrence ends: the number of symbols before that.
    first_end: u32,
    /// The latest transition; of a state with a table its number, with the top bit set.
    transition: u32,
}

struct Transition {
    symbol: u16,
    to: u32,
    next: u32,
}

pub(super) struct Automaton {
    states: Vec<State>,
    transitions: Vec<Transition>,
    /// By byte the next state, of states with many transitions.
    tables: Vec<[u32; 256]>,
}

impl Automaton {
    pub(super) fn new(targets: &Texts, control: &Control) -> Result<Automaton> {
        let symbols = targets.total_bytes() + targets.len() as u64;
        if symbols > MAX_SYMBOLS {
            return Err(Error::parameter(format!(
                "targets have {symbols} bytes; at most {MAX_SYMBOLS} can be explained"
            )));
        }
        let root = State { length: 0, link: NONE, first_end: 0, transition: NONE };
        let mut automaton = Automaton { states: vec![root], transitions: Vec::new(), tables: Vec::new() };
        let (mut last, mut read) = (0, 0);
        for target in targets.iter() {
            for symbol in target.iter().map(|&byte| u16::from(byte)).chain([END]) {
                if (read as usize).is_multiple_of(CHECK_EVERY) {
                    control.check()?;
                }
                read += 1;
                last = automaton.extend(last, symbol, read);
            }
        }
        automaton.make_tables(control)?;
        Ok(automaton)
    }

    fn make_tables(&mut self, control: &Control) -> Result<()> {
        for at in 0..self.states.len() {
            if at % CHECK_EVERY == 0 {
                control.check()?;
            }
            let mut table = [NONE; 256];
            let (mut next, mut count) = (self.states[at].transition, 0);
            while let Some(transition) = self.transitions.get(next as usize) {
                if let Some(to) = table.get_mut(usize::from(transition.symbol)) {
                    *to = transition.to;
                }
                (next, count) = (transition.next, count + 1);
            }
            if count >= WIDE {
                self.states[at].transition = TABLE | self.tables.len() as u32;
                self.tables.push(table);
            }
        }
        Ok(())
    }

    /// Append a symbol to what was read; the state of all that is read.
    fn extend(&mut self, last: u32, symbol: u16, read: u32) -> u32 {
        let length = self.state(last).length + 1;
        let now = self.add(State { length, link: 0, first_end: read, transition: NONE });
        let mut at = last;
        while at != NONE && self.find(at, symbol).is_none() {
            self.connect(at, symbol, now);
            at = self.state(at).link;
        }
        if at == NONE {
            return now;
        }
        let to = self.find(at, symbol).map_or(0, |transition| self.transitions[transition].to);
        let longest = self.state(at).length + 1;
        if self.state(to).length == longest {
            self.states[now as usize].link = to;
            return now;
        }
        // The shorter substrings of `to` end at more places now than the longer ones: they get a state of their own.
        let State { link, first_end, .. } = *self.state(to);
        let copy = self.add(State { length: longest, link, first_end, transition: NONE });
        let mut transition = self.state(to).transition;
        while let Some(&Transition { symbol, to, next }) = self.transitions.get(transition as usize) {
            self.connect(copy, symbol, to);
            transition = next;
        }
        self.states[to as usize].link = copy;
        self.states[now as usize].link = copy;
        while at != NONE {
            match self.find(at, symbol) {
                Some(transition) if self.transitions[transition].to == to => self.transitions[transition].to = copy,
                _ => break,
            }
            at = self.state(at).link;
        }
        now
    }

    /// Call `each(end, length, end in the targets)` for every substring of `text` that is in a target and would not be
    /// with the byte after it, nor with the byte before it; the place in the targets is that of the first occurrence.
    pub(super) fn longest_matches(
        &self,
        text: &[u8],
        control: &Control,
        mut each: impl FnMut(usize, usize, usize),
    ) -> Result<()> {
        let (mut at, mut length) = (0, 0);
        for (end, &byte) in text.iter().enumerate() {
            if end.is_multiple_of(CHECK_EVERY) {
                control.check()?;
            }
            let mut next = self.next(at, byte);
            if next.is_none() && length > 0 {
                each(end, length, self.state(at).first_end as usize);
            }
            while next.is_none() && at != 0 {
                at = self.state(at).link;
                length = self.state(at).length as usize;
                next = self.next(at, byte);
            }
            if let Some(next) = next {
                at = next;
                length += 1;
            }
        }
        if length > 0 {
            each(text.len(), length, self.state(at).first_end as usize);
        }
        Ok(())
    }

    fn state(&self, state: u32) -> &State {
        &self.states[state as usize]
    }

    fn add(&mut self, state: State) -> u32 {
        self.states.push(state);
        self.states.len() as u32 - 1
    }

    fn connect(&mut self, from: u32, symbol: u16, to: u32) {
        let next = self.state(from).transition;
        self.states[from as usize].transition = self.transitions.len() as u32;
        self.transitions.push(Transition { symbol, to, next });
    }

    /// The state after a byte, once the automaton is whole.
    fn next(&self, state: u32, byte: u8) -> Option<u32> {
        let first = self.state(state).transition;
        if first != NONE && first & TABLE != 0 {
            let to = self.tables[(first & !TABLE) as usize][usize::from(byte)];
            return (to != NONE).then_some(to);
        }
        self.find(state, u16::from(byte)).map(|transition| self.transitions[transition].to)
    }

    /// The transition of a state that has no table yet.
    fn find(&self, state: u32, symbol: u16) -> Option<usize> {
        let mut at = self.state(state).transition;
        while let Some(transition) = self.transitions.get(at as usize) {
            if transition.symbol == symbol {
                return Some(at as usize);
            }
            at = transition.next;
        }
        None
    }
}
