//! Walking trees node by node, many walks at the same time. This suits every tree, every batch and every CPU.
//!
//! A node has eight bytes in single precision: its key, and a link of its column and of how far away the pair of nodes is that it
//! leads to. A step goes to the first of the pair when `column <= key`, else to the second. A leaf tests column 0, for which every
//! test holds, and leads to itself, so that a walk may take more steps than its path has.

use super::ensemble::Tree;
use super::scalar::Key;

/// How many walks go on at the same time, so that the memory accesses of one hide those of the others.
pub(super) const LANES: usize = 16;

/// So many steps are walked without asking whether all walks have arrived; in trees of this depth, that is to the end.
pub(super) const UNCHECKED_DEPTH: u32 = 8;

/// From this depth on, in the mean of the trees, the walks of a row wait so long for the longest that they had better not.
const DEEP: usize = 20;

/// Whether a row had better be walked as through deep trees.
pub(super) fn are_deep(trees: &[Tree]) -> bool {
    trees.iter().map(|tree| tree.depth as usize).sum::<usize>() > DEEP * trees.len()
}

/// The nodes of all trees.
#[derive(Clone, Debug)]
pub(super) enum Nodes<K> {
    Narrow(Vec<Node<K, NarrowLink>>),
    /// For more columns or wider trees than 16 bits can tell apart.
    Wide(Vec<Node<K, WideLink>>),
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Node<K, L> {
    /// What a branch compares its column with; what a leaf gives.
    pub(super) key: K,
    pub(super) link: L,
}

impl<K, L: Link> Node<K, L> {
    /// The first of the two nodes that this one, which is at `at`, leads to; nothing for a leaf.
    #[inline(always)]
    pub(super) fn pair(&self, at: usize) -> Option<usize> {
        (self.link.column() != 0).then(|| at.wrapping_add_signed(self.link.delta()))
    }
}

/// The column that a branch tests, and the distance to the pair of nodes that it leads to.
pub(super) trait Link: Copy + std::fmt::Debug + Send + Sync + 'static {
    fn column(self) -> usize;
    fn delta(self) -> isize;
}

macro_rules! link {
    ($name:ident, $column:ty, $delta:ty) => {
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        pub(super) struct $name {
            pub(super) column: $column,
            pub(super) delta: $delta,
        }

        impl Link for $name {
            #[inline(always)]
            fn column(self) -> usize {
                self.column as usize
            }
            #[inline(always)]
            fn delta(self) -> isize {
                self.delta as isize
            }
        }
    };
}

link!(NarrowLink, u16, i16);
link!(WideLink, u32, i32);

/// Runs the same expression on the nodes of either width.
macro_rules! with_nodes {
    ($nodes:expr, $name:ident => $body:expr) => {
        match $nodes {
            $crate::lockstep::Nodes::Narrow($name) => $body,
            $crate::lockstep::Nodes::Wide($name) => $body,
        }
    };
}
pub(super) use with_nodes;

impl<K: Key> Nodes<K> {
    pub(super) fn len(&self) -> usize {
        with_nodes!(self, nodes => nodes.len())
    }

    /// What the leaves give that one row arrives at, tree by tree; `is_deep` is what [`are_deep`] says of the trees. `row` has the keys of the
    /// columns, column 0 among them.
    #[inline(always)]
    pub(super) fn walk_row(&self, trees: &[Tree], is_deep: bool, row: &[K], mut visit: impl FnMut(&Tree, K)) {
        if is_deep {
            for (tree, leaf) in trees.iter().zip(self.walk_deep(trees, row)) {
                visit(tree, leaf);
            }
            return;
        }
        for group in trees.chunks(LANES) {
            for (tree, leaf) in group.iter().zip(self.walk_trees(group, row)) {
                visit(tree, leaf);
            }
        }
    }

    // What follows is not inlined: there are many who visit leaves, and a walk is a lot of code.

    /// What the leaves of at most as many trees give as there are lanes.
    #[inline(never)]
    fn walk_trees(&self, trees: &[Tree], row: &[K]) -> [K; LANES] {
        let roots = std::array::from_fn(|lane| trees[lane.min(trees.len() - 1)].root as usize);
        let depth = trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
        with_nodes!(self, nodes => walk(nodes, roots, depth, |_, column| row[column]))
    }

    #[inline(never)]
    fn walk_deep(&self, trees: &[Tree], row: &[K]) -> Vec<K> {
        let mut leaves = vec![K::LEAST; trees.len()];
        with_nodes!(self, nodes => walk_deep(nodes, trees, row, &mut leaves));
        leaves
    }

    /// What the leaves of a tree give that the rows of a group arrive at. `group` has the columns, one key for each row in each.
    #[inline(never)]
    pub(super) fn walk_group(&self, tree: &Tree, group: &[[K; LANES]]) -> [K; LANES] {
        with_nodes!(self, nodes => {
            walk(nodes, [tree.root as usize; LANES], tree.depth, |lane, column| group[column][lane])
        })
    }
}

/// Walks one row through trees of very different depths: where a walk arrives, that of the next tree begins. `leaves`
/// has a place for each tree.
#[inline(always)]
fn walk_deep<K: Key, L: Link>(nodes: &[Node<K, L>], trees: &[Tree], row: &[K], leaves: &mut [K]) {
    /// Whether a walk has arrived is asked now and then: no CPU can guess the answer.
    const STEPS: usize = 4;

    let mut roots = trees.iter().map(|tree| tree.root as usize).enumerate();
    let mut walked = [trees.len(); LANES];
    let mut at = [0; LANES];
    for (walk, next) in walked.iter_mut().zip(&mut at).zip(&mut roots) {
        (*walk.0, *walk.1) = next;
    }
    let mut left = trees.len();
    while left > 0 {
        for _ in 0..STEPS {
            for at in &mut at {
                *at = step(nodes, *at, |column| row[column]);
            }
        }
        for (tree, at) in walked.iter_mut().zip(&mut at) {
            let node = &nodes[*at];
            if node.link.column() == 0 && *tree < trees.len() {
                leaves[*tree] = node.key;
                left -= 1;
                (*tree, *at) = roots.next().unwrap_or((trees.len(), *at));
            }
        }
    }
}

/// The node after a node.
#[inline(always)]
fn step<K: Key, L: Link>(nodes: &[Node<K, L>], at: usize, value: impl Fn(usize) -> K) -> usize {
    let node = &nodes[at];
    let fails = value(node.link.column()) > node.key;
    at.wrapping_add_signed(node.link.delta())
        .wrapping_add(usize::from(fails))
}

#[inline(always)]
fn walk<K: Key, L: Link>(
    nodes: &[Node<K, L>],
    mut at: [usize; LANES],
    depth: u32,
    value: impl Fn(usize, usize) -> K,
) -> [K; LANES] {
    let step = |lane: usize, at: usize| step(nodes, at, |column| value(lane, column));
    for _ in 0..depth.min(UNCHECKED_DEPTH) {
        for (lane, at) in at.iter_mut().enumerate() {
            *at = step(lane, *at);
        }
    }
    if depth > UNCHECKED_DEPTH {
        // Whether any walk still moves is asked at every other step: asking takes as long as a quarter of a step.
        loop {
            for (lane, at) in at.iter_mut().enumerate() {
                *at = step(lane, *at);
            }
            let mut moved = 0;
            for (lane, at) in at.iter_mut().enumerate() {
                let next = step(lane, *at);
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                break;
            }
        }
    }
    at.map(|at| nodes[at].key)
}
