//! The flat form of an ensemble: little-endian, read in one pass into what is walked.
//!
//! | part | bytes |
//! |---|---|
//! | format version, bytes of a number (4 or 8), bytes of a link (4 or 8), leaves (0 single, 1 many) | 4 × u8 |
//! | targets, columns, trees, nodes, starts, weights | 6 × u32 |
//! | columns: feature × 2, plus 1 where a missing value passes every test | u32 each |
//! | trees: root, depth, target | 3 × u32 each |
//! | nodes: key, column, delta | key as a number; u16 and i16, or u32 and i32 |
//! | starts of the weights of each leaf | u32 each |
//! | weights: target, value | u32 and a number each |

use crate::canonicalise::{Column, EnsembleError, MAX_FEATURES, MAX_TARGETS};
use crate::ensemble::{Ensemble, Leaves, Tree, Weight};
use crate::lockstep::{Link, NarrowLink, Node, Nodes, UNCHECKED_DEPTH, WideLink};
use crate::scalar::{Key, Scalar};

const VERSION: u8 = 1;

/// Whether what [`Ensemble::to_bytes`] wrote are trees in double precision.
pub fn is_double(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&(<f64 as Scalar>::Key::BYTES as u8))
}

impl<T: Scalar> Ensemble<T> {
    /// The ensemble as bytes, the same for the same trees.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (starts, weights): (&[u32], &[Weight<T>]) = match &self.leaves {
            Leaves::Single => (&[], &[]),
            Leaves::Many { starts, weights } => (starts, weights),
        };
        let link = match &self.nodes {
            Nodes::Narrow(_) => NarrowLink::BYTES,
            Nodes::Wide(_) => WideLink::BYTES,
        };
        let mut out = vec![VERSION, T::Key::BYTES as u8, link as u8, u8::from(!starts.is_empty())];
        let counts = [
            self.targets,
            self.columns.len(),
            self.trees.len(),
            self.nodes.len(),
            starts.len(),
            weights.len(),
        ];
        let mut write = |number: u32| out.extend_from_slice(&number.to_le_bytes());
        // Each of them counts what took up that many u32 before.
        counts.into_iter().for_each(|count| write(count as u32));
        for column in &self.columns {
            write(column.feature << 1 | u32::from(column.missing_holds));
        }
        for tree in &self.trees {
            [tree.root, tree.depth, tree.target].into_iter().for_each(&mut write);
        }
        match &self.nodes {
            Nodes::Narrow(nodes) => write_nodes(nodes, &mut out),
            Nodes::Wide(nodes) => write_nodes(nodes, &mut out),
        }
        for start in starts {
            out.extend_from_slice(&start.to_le_bytes());
        }
        for weight in weights {
            out.extend_from_slice(&weight.target.to_le_bytes());
            weight.value.bits().write(&mut out);
        }
        out
    }

    /// Reads what [`Ensemble::to_bytes`] wrote, in time and memory that the length of the bytes bounds.
    ///
    /// # Errors
    /// [`EnsembleError::Packed`] when the bytes are of another version or precision, or lead anywhere but forward to a leaf.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnsembleError> {
        let mut reader = Reader { bytes };
        let header = reader.take(4)?;
        if header[0] != VERSION {
            let problem = format!(
                "they have version {}, and this build reads version {VERSION}",
                header[0]
            );
            return Err(EnsembleError::Packed(problem));
        }
        if usize::from(header[1]) != T::Key::BYTES {
            return Err(damaged("they are in another precision"));
        }
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = reader.u32()? as usize;
        }
        let [targets, columns, trees, nodes, starts, weights] = counts;
        let columns = reader.list(columns, 4, |bytes| {
            let column = u32::read_from(bytes);
            Column {
                feature: column >> 1,
                missing_holds: column & 1 == 1,
            }
        })?;
        let trees = reader.list(trees, 12, |bytes| Tree {
            root: u32::read_from(&bytes[..4]),
            depth: u32::read_from(&bytes[4..8]),
            target: u32::read_from(&bytes[8..]),
        })?;
        let nodes = match usize::from(header[2]) {
            NarrowLink::BYTES => Nodes::Narrow(read_nodes(&mut reader, nodes)?),
            WideLink::BYTES => Nodes::Wide(read_nodes(&mut reader, nodes)?),
            _ => return Err(damaged("their nodes have another form")),
        };
        let starts = reader.list(starts, 4, u32::read_from)?;
        let weights = reader.list(weights, 4 + T::Key::BYTES, |bytes| Weight {
            target: u32::read_from(&bytes[..4]),
            value: T::from_bits(T::Key::read(&bytes[4..])),
        })?;
        if !reader.bytes.is_empty() {
            return Err(damaged("there are bytes behind them"));
        }
        let leaves = match header[3] {
            0 if starts.is_empty() && weights.is_empty() => Leaves::Single,
            1 => Leaves::Many { starts, weights },
            _ => return Err(damaged("their leaves have another form")),
        };
        check(&nodes, &trees, &columns, &leaves, targets)?;
        Ok(Self::from_parts(nodes, trees, columns, leaves, targets))
    }
}

fn damaged(problem: &str) -> EnsembleError {
    EnsembleError::Packed(problem.into())
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], EnsembleError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or_else(|| damaged("they are cut off"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, EnsembleError> {
        Ok(u32::read_from(self.take(4)?))
    }

    fn list<I>(&mut self, count: usize, size: usize, read: impl Fn(&[u8]) -> I) -> Result<Vec<I>, EnsembleError> {
        let bytes = count.checked_mul(size).ok_or_else(|| damaged("they are cut off"))?;
        Ok(self.take(bytes)?.chunks_exact(size).map(read).collect())
    }
}

/// A little-endian integer of a slice of its size.
trait ReadFrom {
    fn read_from(bytes: &[u8]) -> Self;
}

macro_rules! read_from {
    ($($type:ty),*) => {
        $(impl ReadFrom for $type {
            #[inline(always)]
            fn read_from(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<Self>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }
        })*
    };
}

read_from!(u16, i16, u32, i32);

/// A link as bytes.
trait PackedLink: Link {
    const BYTES: usize;
    fn write(self, out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! packed_link {
    ($name:ident, $column:ty, $delta:ty) => {
        impl PackedLink for $name {
            const BYTES: usize = size_of::<Self>();

            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.column.to_le_bytes());
                out.extend_from_slice(&self.delta.to_le_bytes());
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let (column, delta) = bytes.split_at(size_of::<$column>());
                Self {
                    column: <$column>::read_from(column),
                    delta: <$delta>::read_from(delta),
                }
            }
        }
    };
}

packed_link!(NarrowLink, u16, i16);
packed_link!(WideLink, u32, i32);

fn write_nodes<K: Key, L: PackedLink>(nodes: &[Node<K, L>], out: &mut Vec<u8>) {
    out.reserve(nodes.len() * (K::BYTES + L::BYTES));
    for node in nodes {
        node.key.write(out);
        node.link.write(out);
    }
}

fn read_nodes<K: Key, L: PackedLink>(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Node<K, L>>, EnsembleError> {
    reader.list(count, K::BYTES + L::BYTES, |bytes| Node {
        key: K::read(&bytes[..K::BYTES]),
        link: L::read(&bytes[K::BYTES..]),
    })
}

/// Every walk must end at a leaf of its tree.
fn check<T: Scalar>(
    nodes: &Nodes<T::Key>,
    trees: &[Tree],
    columns: &[Column],
    leaves: &Leaves<T>,
    targets: usize,
) -> Result<(), EnsembleError> {
    if targets > MAX_TARGETS {
        return Err(damaged("there are too many targets"));
    }
    if targets == 0 || trees.is_empty() || trees[0].root != 0 {
        return Err(damaged("there are no trees or no targets"));
    }
    if columns.iter().any(|column| column.feature as usize >= MAX_FEATURES) {
        return Err(damaged("a feature is out of range"));
    }
    // A batch is quantised by feature, into one column of each kind.
    let mut sorted: Vec<_> = columns
        .iter()
        .map(|column| (column.feature, column.missing_holds))
        .collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(damaged("two columns are of the same kind and feature"));
    }
    let leaf_count = match leaves {
        Leaves::Single => None,
        Leaves::Many { starts, weights } => {
            let is_sorted = starts.first() == Some(&0) && starts.is_sorted();
            if !is_sorted || starts.last().map(|end| *end as usize) != Some(weights.len()) {
                return Err(damaged("the weights are not those of the leaves"));
            }
            if weights.iter().any(|weight| weight.target as usize >= targets) {
                return Err(damaged("a weight is for no target"));
            }
            Some(starts.len() - 1)
        }
    };
    match nodes {
        Nodes::Narrow(nodes) => check_trees(nodes, trees, columns.len(), leaf_count, targets),
        Nodes::Wide(nodes) => check_trees(nodes, trees, columns.len(), leaf_count, targets),
    }
}

fn check_trees<K: Key, L: Link>(
    nodes: &[Node<K, L>],
    trees: &[Tree],
    columns: usize,
    leaf_count: Option<usize>,
    targets: usize,
) -> Result<(), EnsembleError> {
    let ends = trees.iter().skip(1).map(|tree| tree.root as usize).chain([nodes.len()]);
    let mut heights = Vec::new();
    for (tree, end) in trees.iter().zip(ends) {
        let start = tree.root as usize;
        if end > nodes.len() || start >= end {
            return Err(damaged("a tree has no nodes"));
        }
        if tree.target as usize >= targets {
            return Err(damaged("a tree is for no target"));
        }
        let nodes = &nodes[start..end];
        check_nodes(nodes, columns, leaf_count)?;
        // Walks through deeper trees go on until they arrive, whatever the file says.
        if tree.depth <= UNCHECKED_DEPTH && height(nodes, &mut heights) > tree.depth {
            return Err(damaged("a node leads deeper than its tree"));
        }
    }
    Ok(())
}

/// Checks the nodes of a tree one by one. There are no jumps in the loop, and nothing wider than it has to be, so that it is computed on
/// vectors: a large forest is loaded in the time of this.
fn check_nodes<K: Key, L: Link>(
    nodes: &[Node<K, L>],
    columns: usize,
    leaf_count: Option<usize>,
) -> Result<(), EnsembleError> {
    let (Ok(count), Ok(columns)) = (i32::try_from(nodes.len()), i32::try_from(columns)) else {
        return Err(damaged("a tree is too large"));
    };
    let [mut leads_on, mut tests_nothing, mut leads_out] = [false; 3];
    for (node, behind) in nodes.iter().zip((0..count).rev()) {
        let (column, delta) = (node.link.column() as i32, node.link.delta() as i32);
        let is_leaf = column == 0;
        leads_on |= is_leaf & (delta != 0);
        tests_nothing |= (column < 0) | (column > columns);
        // Pairs lie behind the nodes that lead to them.
        leads_out |= !is_leaf & ((delta <= 0) | (delta >= behind));
    }
    let has_weights = |node: &Node<K, L>, count: usize| {
        let number = node.key.to_u32();
        (number as usize) < count && K::from_u32(number) == node.key
    };
    let mut leaves = nodes.iter().filter(|node| node.link.column() == 0);
    let has_no_weights = leaf_count.is_some_and(|count| !leaves.all(|leaf| has_weights(leaf, count)));
    let problems = [
        (leads_on, "a leaf leads on"),
        (has_no_weights, "a leaf has no weights"),
        (tests_nothing, "a node tests no column"),
        (leads_out, "a node leads back, or out of its tree"),
    ];
    match problems.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, problem)) => Err(damaged(problem)),
        None => Ok(()),
    }
}

/// The most steps from the first node to a leaf. All pairs are inside of the tree and behind the nodes that lead to them.
fn height<K: Key, L: Link>(nodes: &[Node<K, L>], heights: &mut Vec<u32>) -> u32 {
    heights.clear();
    heights.resize(nodes.len(), 0);
    for (at, node) in nodes.iter().enumerate().rev() {
        if let Some(pair) = node.pair(at) {
            heights[at] = heights[pair].max(heights[pair + 1]) + 1;
        }
    }
    heights[0]
}
