//! What is computed from one tree, element by element, depends on nothing but the leaf that a row arrives at: it is computed once for each leaf, when
//! the graph is loaded. What is added up of several such trees is one ensemble with these numbers for weights.
//!
//! That is how isolation forests are exported: a tree, and two dozen nodes that make a path length of the number of its leaf, a hundred times.

use std::collections::HashMap;
use std::sync::Arc;

use sardonyx_core::tensor::{Tensor, TensorData};
use tract_onnx::tract_hir::internal::{TVec, ToDim, TractResult};

use super::{Place, Step};
use crate::operators::{Fact, Kernel, Operator, sum_of_trees};
use crate::trees::EnsembleAttributes;

/// What is folded so far, and not computed by any step.
#[derive(Default)]
pub(super) struct Folding {
    trees: Vec<Tree>,
    values: HashMap<usize, Folded>,
}

/// A tree whose leaves have one weight each.
struct Tree {
    attributes: EnsembleAttributes<f32>,
    input: Place,
}

/// A value `[N, 1]` that depends on leaves alone.
struct Folded {
    terms: Vec<Term>,
    /// What computes the value from its operands, as if nothing were folded.
    step: Step,
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
        let terms = if !is_column {
            None
        } else if let Some(attributes) = operator.single_tree(operands) {
            self.add_tree(attributes, &step)
        } else {
            self.elementwise(&step, operator, operands)
                .or_else(|| self.sum(&step, operator))
        };
        match terms {
            None => Some(step),
            Some(terms) => {
                self.values.insert(slot, Folded { terms, step });
                None
            }
        }
    }

    /// The steps that compute what is in a slot, if it is folded; afterwards it is not any more.
    pub(super) fn unfold(&mut self, slot: usize, steps: &mut Vec<Step>) -> TractResult<()> {
        let Some(Folded { terms, mut step }) = self.values.remove(&slot) else {
            return Ok(());
        };
        let is_tree_itself = matches!(&terms[..], [term] if self.is_of_weights(term));
        if !is_tree_itself && let Some(attributes) = self.ensemble(&terms) {
            step.kernel = Arc::new(FoldedTrees(sum_of_trees(&attributes)?));
            step.inputs = TVec::from_slice(&[self.trees[terms[0].tree].input]);
        } else {
            for operand in step.inputs.clone() {
                if let Place::Slot(operand) = operand {
                    self.unfold(operand, steps)?;
                }
            }
        }
        steps.push(step);
        Ok(())
    }

    fn add_tree(&mut self, attributes: &EnsembleAttributes<f32>, step: &Step) -> Option<Vec<Term>> {
        let weights = attributes.weights.clone();
        let elements = Tensor::new(vec![weights.len(), 1], TensorData::Fp32(weights)).ok()?;
        self.trees.push(Tree {
            attributes: attributes.clone(),
            input: *step.inputs.first()?,
        });
        Some(vec![Term {
            tree: self.trees.len() - 1,
            elements: Arc::new(elements),
        }])
    }

    /// A function of one tree's leaves and of constants that are the same for every row.
    fn elementwise(&self, step: &Step, operator: &dyn Operator, operands: &[Fact]) -> Option<Vec<Term>> {
        if !operator.is_elementwise() {
            return None;
        }
        let mut tree = None;
        let mut elements: TVec<&Tensor> = TVec::new();
        for (place, fact) in step.inputs.iter().zip(operands) {
            let term = match (place, &fact.constant) {
                (_, Some(constant)) if constant.data().len() == 1 => {
                    elements.push(constant);
                    continue;
                }
                (Place::Slot(slot), None) => self.values.get(slot)?,
                _ => return None,
            };
            let [term] = &term.terms[..] else { return None };
            if *tree.get_or_insert(term.tree) != term.tree {
                return None;
            }
            elements.push(&term.elements);
        }
        // What fails for a leaf must fail for the rows that arrive there, and for no others.
        let results = step.kernel.run(&elements).ok()?;
        Some(vec![Term {
            tree: tree?,
            elements: Arc::new(results.into_iter().next()?),
        }])
    }

    /// The sum of what several trees give for the same rows.
    fn sum(&self, step: &Step, operator: &dyn Operator) -> Option<Vec<Term>> {
        if !operator.is_sum() {
            return None;
        }
        let mut terms: Vec<Term> = Vec::new();
        for place in &step.inputs {
            let Place::Slot(slot) = place else { return None };
            let operand = &self.values.get(slot)?.terms;
            // It is added from the left: only the first operand may be a sum itself.
            if !terms.is_empty() && operand.len() > 1 {
                return None;
            }
            terms.extend(operand.iter().cloned());
        }
        let input = self.trees[terms.first()?.tree].input;
        let is_of_same_rows = terms.iter().all(|term| self.trees[term.tree].input == input);
        (is_of_same_rows && terms.iter().all(|term| weights(term).is_some())).then_some(terms)
    }

    fn is_of_weights(&self, term: &Term) -> bool {
        matches!(term.elements.data(), TensorData::Fp32(elements) if *elements == self.trees[term.tree].attributes.weights)
    }

    /// The trees of the terms in this order, with what they give for weights; `None` where that cannot be the weight of a leaf.
    fn ensemble(&self, terms: &[Term]) -> Option<EnsembleAttributes<f32>> {
        let mut all = EnsembleAttributes::default();
        for (id, term) in terms.iter().enumerate() {
            let weights = weights(term)?;
            all.push_tree(&self.trees[term.tree].attributes, id as i64, weights);
        }
        Some(all)
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
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        self.0.run(inputs)
    }
}
