//! Tables that are updated row by row, and their optimizers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{AdamWStep, RowAdamW, RowGradient, RowMoments};

/// Which tables are updated how. The first gradient of a table decides, once for all, so that its moments are
/// in one place.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// By the id of the table.
    by_rows: BTreeMap<u64, Arc<RowAdamW>>,
    whole: BTreeSet<u64>,
}

impl Tables {
    pub(crate) fn is_by_rows(&self, id: u64) -> bool {
        self.by_rows.contains_key(&id)
    }

    pub(crate) fn is_whole(&self, id: u64) -> bool {
        self.whole.contains(&id)
    }

    pub(crate) fn set_whole(&mut self, id: u64) {
        self.whole.insert(id);
    }

    pub(crate) fn set_by_rows(&mut self, id: u64, dims: [usize; 2]) {
        self.by_rows.entry(id).or_insert_with(|| Arc::new(RowAdamW::new(dims)));
    }

    /// The optimizers, to read rows as they would be.
    pub(crate) fn updates(&self) -> BTreeMap<u64, Arc<RowAdamW>> {
        self.by_rows.clone()
    }

    /// Updates each table that has a gradient of rows.
    pub(crate) fn step<M: Module>(
        &mut self,
        model: M,
        gradients: &BTreeMap<u64, RowGradient>,
        scale: f64,
        step_of: &dyn Fn(u64) -> AdamWStep,
    ) -> M {
        if gradients.is_empty() {
            return model;
        }
        self.mapped(model, &mut |id, update, table| match gradients.get(&id) {
            Some(gradient) => update.step(table, gradient, scale, step_of(id)),
            None => table,
        })
    }

    /// Lets rows that wait for their weight decay take it, before somebody looks at the model.
    pub(crate) fn caught_up<M: Module>(&mut self, model: M) -> M {
        if self.by_rows.is_empty() {
            return model;
        }
        self.mapped(model, &mut |_, update, table| update.caught_up(table))
    }

    fn mapped<M: Module>(&mut self, model: M, change: Change<'_>) -> M {
        model.map(&mut EachTable { by_rows: &mut self.by_rows, change })
    }

    /// What a checkpoint keeps of them.
    pub(crate) fn moments(&self) -> impl Iterator<Item = (u64, &RowMoments)> {
        self.by_rows.iter().map(|(id, update)| (*id, update.moments()))
    }

    /// The matrices that are updated as a whole, whether rows of them are read or not.
    pub(crate) fn whole(&self) -> Vec<u64> {
        self.whole.iter().copied().collect()
    }

    /// Goes on from a checkpoint; says which table's moments are not of this model.
    pub(crate) fn restored<M: Module>(
        model: &M,
        whole: Vec<u64>,
        mut moments: BTreeMap<u64, RowMoments>,
    ) -> Result<Self, u64> {
        let mut dims = TableDims::default();
        model.visit(&mut dims);
        let mut by_rows = BTreeMap::new();
        for (id, dims) in dims.0 {
            if let Some(moments) = moments.remove(&id) {
                let update = RowAdamW::with_moments(dims, moments).ok_or(id)?;
                by_rows.insert(id, Arc::new(update));
            }
        }
        match moments.into_keys().next() {
            Some(id) => Err(id),
            None => Ok(Self { by_rows, whole: whole.into_iter().collect() }),
        }
    }
}

type Change<'a> = &'a mut dyn FnMut(u64, &mut RowAdamW, Tensor<2>) -> Tensor<2>;

struct EachTable<'a> {
    by_rows: &'a mut BTreeMap<u64, Arc<RowAdamW>>,
    change: Change<'a>,
}

impl ModuleMapper for EachTable<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id.val();
        let Some(update) = self.by_rows.get_mut(&id) else { return param };
        // As Burn's own optimizers do it: nobody else may hold the numbers that are written over.
        let (id, table, mapper) = param.consume();
        let (dims, is_tracked) = (table.dims(), table.is_require_grad());
        let [rows, width] = table.shape().dims();
        let table = table.inner().reshape([rows, width]);
        let table = (self.change)(id.val(), Arc::make_mut(update), table);
        let table = Tensor::from_inner(table.reshape(dims)).set_require_grad(is_tracked);
        Param::from_mapped_value(id, table, mapper)
    }
}

#[derive(Default)]
struct TableDims(BTreeMap<u64, [usize; 2]>);

impl burn::module::ModuleVisitor for TableDims {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 2 {
            self.0.insert(param.id.val(), param.lazy_shape().dims());
        }
    }
}
