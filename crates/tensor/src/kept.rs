//! What operations keep of their inputs for their backward passes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{ActivationId, Matrix, Node};

/// How an operation's output is made again, with the same bits: cheaper than keeping it until its gradient is known.
///
/// What needs it in the backward pass comes before the backward pass of the operation itself, so it is made once, for all.
pub(crate) struct Again {
    make: Box<dyn Fn() -> Matrix + Send + Sync>,
    made: Mutex<Option<Matrix>>,
}

impl Again {
    pub(crate) fn new(make: impl Fn() -> Matrix + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { make: Box::new(make), made: Mutex::default() })
    }

    fn matrix(&self) -> Matrix {
        self.made().get_or_insert_with(&self.make).clone()
    }

    /// Nobody needs it any more.
    pub(crate) fn forget(&self) {
        self.made().take();
    }

    fn made(&self) -> MutexGuard<'_, Option<Matrix>> {
        self.made.lock().expect("no panic while it is made")
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

/// An input, as an operation keeps it for its backward pass: its values, or how they are made again.
pub(crate) struct Kept {
    id: ActivationId,
    values: Values,
}

enum Values {
    Here(Matrix),
    Again(Arc<Again>),
}

impl Kept {
    pub(crate) fn matrix(&self) -> Matrix {
        match &self.values {
            Values::Here(matrix) => matrix.clone(),
            Values::Again(again) => again.matrix(),
        }
    }
}

impl From<Node> for Kept {
    fn from(node: Node) -> Self {
        let id = ActivationId::from(&node);
        let (matrix, again) = node.split();
        Self { id, values: again.map_or_else(|| Values::Here(matrix), Values::Again) }
    }
}

impl From<&Kept> for ActivationId {
    fn from(kept: &Kept) -> Self {
        kept.id
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{matrix, values};

    #[test]
    fn it_is_made_once_for_all_until_it_is_forgotten() {
        let times = Arc::new(AtomicUsize::new(0));
        let counted = times.clone();
        let again = Again::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            matrix(vec![1.0, 2.0], 1, 2)
        });
        let node = Node::new(vec![1.0, 2.0], 1, 2).that_is_made_again(again.clone());
        let kept = [node.clone(), node].map(Kept::from);
        assert_eq!(times.load(Ordering::Relaxed), 0, "not before it is needed");
        for kept in &kept {
            assert_eq!(values(&kept.matrix()), [1.0, 2.0]);
        }
        assert_eq!(times.load(Ordering::Relaxed), 1);
        again.forget();
        assert_eq!(values(&kept[0].matrix()), [1.0, 2.0]);
        assert_eq!(times.load(Ordering::Relaxed), 2);
    }
}
