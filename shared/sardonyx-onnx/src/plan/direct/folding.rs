//! What is computed from one tree, element by element, depends on nothing but the leaf that a row arrives at: it is computed once for each leaf, when
//! the graph is loaded. What is added up of several such trees is one ensemble with these numbers for weights.
//!
//! That is how isolation forests are exported: a tree, and two dozen nodes that make a path length of the number of its leaf, a hundred times.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::{TVec, ToDim};

use super::{Place, Step};
use crate::operators::{Fact, Kernel, Operator, TreeLists, sum_of_trees};

/// How many elements all values together may have: a file of some nodes and a large tree must not make of it what it likes.
const MAX_ELEMENTS: usize = 1 << 24;

/// What is folded so far, by slot.
#[derive(Default)]
pub(super) struct Folding {
    trees: Vec<Tree>,
    values: HashMap<usize, Folded>,
    elements: usize,
}

/// A tree whose leaves have one weight each.
struct Tree {
    attributes: Arc<TreeLists<f32>>,
    input: Place,
    /// An ensemble has it: a second copy would be walked a second time.
    is_used: bool,
}

/// A value `[N, 1]` that depends on leaves alone.
struct Folded {
    /// The slot of the sum that this one goes on with.
    sum: Option<usize>,
    /// What is added to it; where there is no such sum and this is only one, the value is a function of one tree's leaves.
    terms: Vec<Term>,
    /// What computes the value from its operands, as if nothing were folded; nothing once it is among the steps.
    step: Option<Step>,
}

/// What a tree gives: an element for each of its leaves, `[leaves, 1]`, in the order of their weights.
#[derive(Clone)]
struct Term {
    tree: usize,
    elements: Arc<Tensor>,
}

impl Folding {
    /// Takes a step over, if what comes out depends on leaves alone; gives it back where it does not.
    pub(super) fn take(
        &mut self,
        step: Step,
        operator: &dyn Operator,
        operands: &[Fact],
        results: &[Fact],
    ) -> Option<Step> {
        let ([Some(slot)], [result]) = (&step.outputs[..], results) else {
            return Some(step);
        };
        let slot = *slot;
        let is_column = result.shape.len() == 2 && result.shape[1] == 1.to_dim();
        let folded = if !is_column || self.elements > MAX_ELEMENTS {
            None
        } else if let Some(attributes) = operator.single_tree(operands) {
            self.add_tree(attributes, &step).map(|term| (None, vec![term]))
        } else {
            let function = self.elementwise(&step, operator, operands);
            function
                .map(|term| (None, vec![term]))
                .or_else(|| self.sum(&step, operator))
        };
        let Some((sum, terms)) = folded else {
            return Some(step);
        };
        let step = Some(step);
        self.elements += terms.iter().map(|term| term.elements.data().len()).sum::<usize>();
        self.values.insert(slot, Folded { sum, terms, step });
        None
    }

    /// Adds the steps that compute what is in a slot, if it is folded and none of them does yet.
    pub(super) fn unfold(&mut self, slot: usize, steps: &mut Vec<Step>) -> Result<()> {
        // A chain of nodes may be as long as the file allows.
        let mut open = vec![(slot, false)];
        while let Some((slot, are_operands_there)) = open.pop() {
            if are_operands_there {
                steps.extend(self.values.get_mut(&slot).and_then(|folded| folded.step.take()));
                continue;
            }
            let Some(folded) = self.values.get(&slot).filter(|folded| folded.step.is_some()) else {
                continue;
            };
            let ensemble = self.ensemble(folded);
            let Some(step) = self.values.get_mut(&slot).and_then(|folded| folded.step.as_mut()) else {
                continue;
            };
            if let Some((attributes, trees, input)) = ensemble {
                step.kernel = Arc::new(FoldedTrees(sum_of_trees(&attributes)?));
                step.inputs = TVec::from_slice(&[input]);
                trees.into_iter().for_each(|tree| self.trees[tree].is_used = true);
            }
            open.push((slot, true));
            open.extend(step.inputs.iter().filter_map(|place| match place {
                Place::Slot(slot) => Some((*slot, false)),
                Place::Constant(_) => None,
            }));
        }
        Ok(())
    }

    fn add_tree(&mut self, attributes: Arc<TreeLists<f32>>, step: &Step) -> Option<Term> {
        // A sum starts from zero, so that a tree never gives a negative zero.
        let weights: Vec<f32> = attributes.weights.iter().map(|weight| 0.0 + weight).collect();
        let elements = Tensor::new(vec![weights.len(), 1], TensorData::Fp32(weights)).ok()?;
        self.trees.push(Tree {
            attributes,
            input: *step.inputs.first()?,
            is_used: false,
        });
        Some(Term {
            tree: self.trees.len() - 1,
            elements: Arc::new(elements),
        })
    }

    /// The only term of a value that is a function of one tree's leaves.
    fn function(&self, place: &Place) -> Option<&Term> {
        let Place::Slot(slot) = place else { return None };
        match self.values.get(slot)? {
            Folded { sum: None, terms, .. } if terms.len() == 1 => terms.first(),
            _ => None,
        }
    }

    /// A function of one tree's leaves and of constants that are the same for every row.
    fn elementwise(&self, step: &Step, operator: &dyn Operator, operands: &[Fact]) -> Option<Term> {
        if !operator.is_elementwise() {
            return None;
        }
        let mut tree = None;
        let mut elements: TVec<&Tensor> = TVec::new();
        for (place, fact) in step.inputs.iter().zip(operands) {
            if let Some(constant) = fact.tensor().filter(|constant| constant.data().len() == 1) {
                elements.push(constant);
                continue;
            }
            let term = self.function(place)?;
            if *tree.get_or_insert(term.tree) != term.tree {
                return None;
            }
            elements.push(&term.elements);
        }
        // What fails for a leaf must fail for the rows that arrive there, and for no others.
        let results = step.kernel.run(&elements).ok()?;
        Some(Term {
            tree: tree?,
            elements: Arc::new(results.into_iter().next()?),
        })
    }

    /// The sum of what several trees give for the same rows, as what it goes on with and what it adds.
    fn sum(&self, step: &Step, operator: &dyn Operator) -> Option<(Option<usize>, Vec<Term>)> {
        if !operator.is_sum() {
            return None;
        }
        let (first, rest) = step.inputs.split_first()?;
        let mut terms: Vec<Term> = Vec::new();
        // It is added from the left: only the first operand may be a sum itself.
        let (sum, input) = match (self.function(first), first) {
            (Some(term), _) => {
                terms.push(term.clone());
                (None, self.trees[term.tree].input)
            }
            (None, Place::Slot(slot)) => {
                let tree = self.values.get(slot)?.terms.first()?.tree;
                (Some(*slot), self.trees[tree].input)
            }
            (None, Place::Constant(_)) => return None,
        };
        for place in rest {
            terms.push(self.function(place)?.clone());
        }
        let fits = |term: &Term| self.trees[term.tree].input == input && weights(term).is_some();
        terms.iter().all(fits).then_some((sum, terms))
    }

    /// The trees of a value in the order in which they are added, with what they give for weights, which trees these are, and their input. `None`
    /// where the value is just what a tree gives anyway, or cannot be weights, or where another ensemble has one of the trees.
    fn ensemble(&self, value: &Folded) -> Option<(TreeLists<f32>, HashSet<usize>, Place)> {
        let mut sums = vec![value];
        while let Some(sum) = sums.last()?.sum {
            sums.push(self.values.get(&sum)?);
        }
        let terms: Vec<&Term> = sums.iter().rev().flat_map(|sum| &sum.terms).collect();
        if let [term] = terms[..]
            && matches!(term.elements.data(), TensorData::Fp32(elements) if *elements == self.trees[term.tree].attributes.weights)
        {
            return None;
        }
        let mut trees = HashSet::with_capacity(terms.len());
        if !terms
            .iter()
            .all(|term| trees.insert(term.tree) && !self.trees[term.tree].is_used)
        {
            return None;
        }
        let mut attributes = TreeLists::default();
        for (id, term) in terms.iter().enumerate() {
            attributes.push_tree(&self.trees[term.tree].attributes, id as i64, weights(term)?);
        }
        Some((attributes, trees, self.trees[terms.first()?.tree].input))
    }
}

/// What a tree gives as weights of its leaves. A sum of nothing but negative zeros would lose its sign, since it starts from zero.
fn weights(term: &Term) -> Option<&[f32]> {
    let TensorData::Fp32(elements) = term.elements.data() else {
        return None;
    };
    let is_weight = |element: &f32| element.is_finite() && element.to_bits() != (-0.0_f32).to_bits();
    elements.iter().all(is_weight).then_some(elements)
}

/// Trees that no node of the graph lists.
#[derive(Debug)]
struct FoldedTrees(Arc<dyn Kernel>);

impl Kernel for FoldedTrees {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.0.run(inputs)
    }
}
