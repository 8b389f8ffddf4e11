//! Parameters of a model that an adapter has in full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::Composition;
use crate::held::About;
use crate::slot::replaced;

/// What adapters have in the place of parameters of the model itself: heads that are trained whole, biases.
///
/// While an adapter acts, its numbers stand in the model, where they are trained like any; here it is kept
/// what stood there before, and what adapters that do not act have. A model that has this as a field takes
/// such adapters.
#[derive(Clone, Debug, Default)]
pub struct FullParameters {
    adapters: Vec<Full>,
    /// The model's own numbers, of what is replaced.
    base: Values,
    active: Composition,
    /// What was trained before the first adapter came, by path.
    trained_before: Option<BTreeSet<String>>,
}

/// The numbers of a parameter, and whether it learns.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) data: Arc<TensorData>,
    pub(crate) is_trained: bool,
}

pub(crate) type Values = BTreeMap<String, Value>;

#[derive(Clone, Debug)]
struct Full {
    about: Arc<About>,
    /// Its parameters by their paths; those of one that acts are in the model.
    values: Values,
    acts: bool,
}

impl FullParameters {
    /// The adapters whose parameters stand in the place of the model's own, which is not to be saved then.
    pub fn acting(&self) -> Vec<String> {
        self.adapters.iter().filter(|full| full.acts).map(|full| full.about.name.clone()).collect()
    }

    fn get(&self, name: &str) -> Option<&Full> {
        self.adapters.iter().find(|full| full.about.name == name)
    }

    pub(crate) fn abouts(&self) -> impl Iterator<Item = &Arc<About>> {
        self.adapters.iter().map(|full| &full.about)
    }

    pub(crate) fn active(&self) -> &Composition {
        &self.active
    }

    pub(crate) fn activate(&mut self, composition: &Composition) {
        self.active = composition.clone();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn paths(&self, name: &str) -> BTreeSet<String> {
        self.get(name).map(|full| full.values.keys().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn acts(&self, name: &str) -> bool {
        self.get(name).is_some_and(|full| full.acts)
    }

    /// What an adapter that does not act has.
    pub(crate) fn values(&self, name: &str) -> Option<&Values> {
        self.get(name).map(|full| &full.values)
    }

    /// Takes one in that does not act yet.
    pub(crate) fn push(&mut self, about: Arc<About>, values: Values) {
        self.adapters.push(Full { about, values, acts: false });
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.adapters.retain(|full| full.about.name != name);
    }

    /// Forgets all of them, so that what is in the model is the model's own.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The same, but for what was trained before.
    pub(crate) fn forget_adapters(&mut self) {
        *self = Self { trained_before: self.trained_before.take(), ..Self::default() };
    }

    /// Takes note of what is trained before the first adapter comes.
    pub(crate) fn note_trained(&mut self, paths: impl FnOnce() -> BTreeSet<String>) {
        self.trained_before.get_or_insert_with(paths);
    }

    /// What was noted; it is asked for once.
    pub(crate) fn take_trained(&mut self) -> Option<BTreeSet<String>> {
        self.trained_before.take()
    }

    /// None of those that do not act learns once it does.
    pub(crate) fn freeze_stored(&mut self) {
        for value in self.adapters.iter_mut().flat_map(|full| full.values.values_mut()) {
            value.is_trained = false;
        }
    }

    /// A path that two of these adapters have.
    pub(crate) fn conflict(&self, names: &BTreeSet<&str>) -> Option<(String, [String; 2])> {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for full in &self.adapters {
            let name = full.about.name.as_str();
            for path in full.values.keys().filter(|_| names.contains(name)) {
                if let Some(other) = owners.insert(path, name) {
                    return Some((path.clone(), [other.to_owned(), name.to_owned()]));
                }
            }
        }
        None
    }

    /// What of a model is to be read before others act: what those have that act now, and what is replaced.
    pub(crate) fn affected(&self, names: &BTreeSet<&str>) -> BTreeSet<String> {
        let of = self.adapters.iter().filter(|full| full.acts || names.contains(&*full.about.name));
        of.flat_map(|full| full.values.keys().cloned()).collect()
    }

    /// An adapter with a path that is not among those of a model: it was attached to another.
    pub(crate) fn moved(&self, there: &Values, names: &BTreeSet<&str>) -> Option<(String, String)> {
        let of = self.adapters.iter().filter(|full| full.acts || names.contains(&*full.about.name));
        of.flat_map(|full| full.values.keys().map(|path| (full.about.name.clone(), path.clone())))
            .find(|(_, path)| !there.contains_key(path))
    }

    /// Lets others act, of a model in which `now` stands, which has all that is
    /// [affected](Self::affected); returns what is to stand there.
    pub(crate) fn switch(&mut self, names: &BTreeSet<&str>, now: &Values) -> Values {
        let mut next = std::mem::take(&mut self.base);
        // Whatever was trained before, the model under adapters is frozen.
        for value in next.values_mut() {
            value.is_trained = false;
        }
        for full in &mut self.adapters {
            if std::mem::take(&mut full.acts) {
                for (path, value) in &mut full.values {
                    value.clone_from(&now[path]);
                }
            }
        }
        // `next` is the model alone wherever something is replaced; `now` is everywhere else.
        for full in &mut self.adapters {
            if names.contains(full.about.name.as_str()) {
                full.acts = true;
                for (path, value) in &full.values {
                    let own = next.get(path).unwrap_or(&now[path]).clone();
                    self.base.insert(path.clone(), own);
                    next.insert(path.clone(), value.clone());
                }
            }
        }
        next
    }
}

/// The numbers of some parameters.
pub(crate) fn read<M: Module>(model: &M, paths: &BTreeSet<String>) -> Values {
    let mut reader = Reader { path: Vec::new(), paths, found: BTreeMap::new() };
    if !paths.is_empty() {
        model.visit(&mut reader);
    }
    reader.found
}

/// Puts numbers in the place of some parameters, which then learn or not as is said.
pub(crate) fn write<M: Module>(model: M, values: &Values) -> M {
    if values.is_empty() { model } else { model.map(&mut Writer { path: Vec::new(), values }) }
}

/// Lets some parameters learn, beside those that do.
pub(crate) fn train<M: Module>(model: M, paths: &BTreeSet<String>) -> M {
    if paths.is_empty() {
        return model;
    }
    model.map(&mut Trainer { path: Vec::new(), paths, others: None })
}

/// Lets some parameters learn and no other.
pub(crate) fn train_only<M: Module>(model: M, paths: &BTreeSet<String>) -> M {
    model.map(&mut Trainer { path: Vec::new(), paths, others: Some(false) })
}

/// The paths of the parameters that learn.
pub(crate) fn trained<M: Module>(model: &M) -> BTreeSet<String> {
    #[derive(Default)]
    struct Trained {
        path: Vec<String>,
        found: BTreeSet<String>,
    }
    impl ModuleVisitor for Trained {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.found.insert(self.path.join("."));
            }
        }
    }
    let mut visitor = Trained::default();
    model.visit(&mut visitor);
    visitor.found
}

struct Reader<'a> {
    path: Vec<String>,
    paths: &'a BTreeSet<String>,
    found: Values,
}

struct Writer<'a> {
    path: Vec<String>,
    values: &'a Values,
}

struct Trainer<'a> {
    path: Vec<String>,
    paths: &'a BTreeSet<String>,
    /// What becomes of the others, if anything.
    others: Option<bool>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if self.paths.contains(&path) {
            let (data, is_trained) = (Arc::new(param.val().into_data()), param.is_require_grad());
            self.found.insert(path, Value { data, is_trained });
        }
    }
}

macro_rules! mapper {
    ($name:ident, $self:ident, $path:ident, $param:ident => $result:expr) => {
        impl ModuleMapper for $name<'_> {
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.path.push(name.to_owned());
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.path.pop();
            }

            fn map_float<const D: usize>(
                &mut $self,
                $param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                let $path = $self.path.join(".");
                $result
            }
        }
    };
}

mapper!(Writer, self, path, param => {
    match self.values.get(&path) {
        Some(value) => {
            replaced(param, TensorData::clone(&value.data)).set_require_grad(value.is_trained)
        }
        None => param,
    }
});

mapper!(Trainer, self, path, param => {
    match (self.paths.contains(&path), self.others) {
        (true, _) => param.set_require_grad(true),
        (false, Some(is_trained)) => param.set_require_grad(is_trained),
        (false, None) => param,
    }
});
