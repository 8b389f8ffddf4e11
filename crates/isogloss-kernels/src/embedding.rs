//! Rows of a table.

use burn::module::Param;
use burn::tensor::{Int, Tensor};

/// The rows of a table that ids name.
///
/// Going backwards on Flex, rows are added where they belong to what the table's gradient is already, as from
/// the output layer that is tied to it; only a table that has none yet gets a gradient of zeros first. While a
/// [`RowTape`](crate::RowTape) is there, the rows that are read have a gradient of their own, and the table gets
/// none of them. Elsewhere it is Burn's own.
///
/// # Shapes
///
/// - `table`: `[rows, d_model]`; `ids`: `[n]`, below `rows`
/// - returns: `[n, d_model]`
///
/// # Panics
///
/// Where an id is no row of the table, as Burn's operations do.
pub fn embedding(table: &Param<Tensor<2>>, ids: Tensor<1, Int>) -> Tensor<2> {
    let (id, table) = (table.id, table.val());
    #[cfg(feature = "flex")]
    if crate::flex::serves(&table) {
        let ids = crate::flex::indices(&ids, table.dims()[0]);
        return match crate::rows::read(id, &table, &ids) {
            Some((rows, places)) => flex::embedding(rows, places),
            None => flex::embedding(table, ids),
        };
    }
    #[cfg(not(feature = "flex"))]
    let _ = id;
    table.select(0, ids)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, backend_extension,
    };
    use burn::tensor::Tensor;

    use crate::flex::{numbers, numbers_mut, owned, tensor};

    pub(super) fn embedding(table: Tensor<2>, ids: Vec<usize>) -> Tensor<2> {
        Tensor::from_dispatch(<Dispatch as Rows>::rows_of(table.into_dispatch(), ids))
    }

    #[backend_extension(Autodiff, Flex)]
    trait Rows: Backend {
        fn rows_of(table: FloatTensor<Self>, ids: Vec<usize>) -> FloatTensor<Self>;
    }

    /// What goes backwards, on the backends that compute.
    trait RowsGradient: Rows {
        /// Adds the rows of `grad` to those of a table, which begins with zeros.
        fn with_rows_added(
            table: Option<FloatTensor<Self>>,
            dims: [usize; 2],
            grad: FloatTensor<Self>,
            ids: &[usize],
        ) -> FloatTensor<Self>;
    }

    impl Rows for Flex {
        fn rows_of(table: FloatTensor<Self>, ids: Vec<usize>) -> FloatTensor<Self> {
            let table = table.to_contiguous();
            let [_, width]: [usize; 2] = table.shape().dims();
            let mut values = Vec::with_capacity(ids.len() * width);
            for id in &ids {
                values.extend_from_slice(&numbers(&table)[id * width..][..width]);
            }
            tensor(values, [ids.len(), width])
        }
    }

    impl RowsGradient for Flex {
        fn with_rows_added(
            table: Option<FloatTensor<Self>>,
            [rows, width]: [usize; 2],
            grad: FloatTensor<Self>,
            ids: &[usize],
        ) -> FloatTensor<Self> {
            let grad = grad.to_contiguous();
            let zeros = || tensor(vec![0.0; rows * width], [rows, width]);
            let mut table = table.map_or_else(zeros, owned);
            let values = numbers_mut(&mut table);
            for (id, grad) in ids.iter().zip(numbers(&grad).chunks_exact(width.max(1))) {
                let row = &mut values[id * width..][..width];
                row.iter_mut().zip(grad).for_each(|(value, grad)| *value += grad);
            }
            table
        }
    }

    impl<B: RowsGradient, C: CheckpointStrategy> Rows for Autodiff<B, C> {
        fn rows_of(table: FloatTensor<Self>, ids: Vec<usize>) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct Gather;

            impl<B: RowsGradient> Backward<B, 1> for Gather {
                // The table is what its gradient is found by.
                type State = (FloatTensor<Autodiff<B>>, Vec<usize>);

                fn backward(
                    self,
                    ops: Ops<Self::State, 1>,
                    grads: &mut Gradients,
                    _: &mut Checkpointer,
                ) {
                    let grad = grads.consume::<B>(&ops.node);
                    let ([parent], (table, ids)) = (ops.parents, ops.state);
                    if let Some(parent) = parent {
                        let so_far = grads.remove::<B>(&table);
                        let dims = table.shape().dims();
                        let sum = B::with_rows_added(so_far, dims, grad, &ids);
                        grads.register::<B>(parent.id, sum);
                    }
                }
            }

            let node = table.node();
            match Gather.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let rows = B::rows_of(Self::inner(table.clone()), ids.clone());
                    prep.finish((table, ids), rows)
                }
                OpsKind::UnTracked(prep) => prep.finish(B::rows_of(Self::inner(table), ids)),
            }
        }
    }
}
