//! The graph that the checker walked, for the fifth property: from every state, once nothing goes wrong any more, an
//! empty queue is reachable. (The library's `eventually` is unsound where the graph has cycles or joins.)

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use super::properties::is_at_rest;
use super::world::World;

/// What sort of step leads from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Somebody did what comes next.
    Progress,
    /// Something went wrong that need not have.
    Misfortune,
}

#[derive(Default)]
pub struct Graph(Mutex<Nodes>);

#[derive(Default)]
struct Nodes {
    index: HashMap<u64, u32>,
    at_rest: Vec<u32>,
    /// Pairs of from and to, steps of progress only.
    progress: Vec<(u32, u32)>,
}

impl Nodes {
    fn of(&mut self, world: &World) -> u32 {
        let next = self.index.len() as u32;
        let node = *self.index.entry(print(world)).or_insert(next);
        if node == next && is_at_rest(world) {
            self.at_rest.push(node);
        }
        node
    }
}

pub fn print(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

impl Graph {
    pub fn add(&self, from: &World, to: &World, edge: Edge) {
        let mut nodes = self.0.lock().expect("no panic while held");
        let pair = (nodes.of(from), nodes.of(to));
        if edge == Edge::Progress {
            nodes.progress.push(pair);
        }
    }

    /// A state from which no empty queue is reachable, by its print.
    pub fn stuck(&self) -> Option<u64> {
        let nodes = self.0.lock().expect("no panic while held");
        let mut reaches = vec![false; nodes.index.len()];
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); nodes.index.len()];
        for (from, to) in &nodes.progress {
            before[*to as usize].push(*from);
        }
        let mut open = nodes.at_rest.clone();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut reaches[node as usize], true) {
                open.extend(&before[node as usize]);
            }
        }
        // The numbers were given in the order of discovery: the lowest is the one that is reached soonest.
        let first = reaches.iter().position(|reached| !reached)?;
        nodes.index.iter().find(|(_, node)| **node as usize == first).map(|(print, _)| *print)
    }
}
