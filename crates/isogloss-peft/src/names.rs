//! What another library calls the parts of a model.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// What another library calls the tensors of a model.
///
/// Configurations and files of adapters speak in these names. Where a model does not say any, its own
/// paths are taken as PyTorch would have them: matrices of linear layers transposed, `gamma` and `beta` as
/// `weight` and `bias`.
#[derive(Clone, Debug, Default)]
pub struct ForeignNames {
    by_path: BTreeMap<String, ForeignName>,
    modules: BTreeMap<String, String>,
    prefix: String,
    pub(crate) model: ForeignModel,
}

/// What the model itself is called there, for files that say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForeignModel {
    pub(crate) class: String,
    pub(crate) kind: String,
}

/// A tensor's name, and how it is kept under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ForeignName {
    pub(crate) name: String,
    pub(crate) is_transposed: bool,
}

impl ForeignNames {
    /// Says what a tensor of the model is called there, and whether it is a matrix that is transposed
    /// there.
    pub fn insert(
        &mut self,
        path: impl Into<String>,
        name: impl Into<String>,
        is_transposed: bool,
    ) {
        self.by_path.insert(path.into(), ForeignName { name: name.into(), is_transposed });
    }

    /// Says what the module is called there that holds the adapters of a site which is no linear layer.
    pub fn insert_module(&mut self, path: impl Into<String>, name: impl Into<String>) {
        self.modules.insert(path.into(), name.into());
    }

    /// Sets the class of the model and the kind of models that it is one of, such as
    /// `XLMRobertaForMaskedLM` and `xlm-roberta`.
    #[must_use]
    pub fn with_model(mut self, class: impl Into<String>, kind: impl Into<String>) -> Self {
        self.model = ForeignModel { class: class.into(), kind: kind.into() };
        self
    }

    /// Sets with what names begin there in some models and not in others of the same parts, such as
    /// `roberta.` in those with a head.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A name without that prefix.
    pub(crate) fn plain<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }
}

/// The tensors of a model without its adapters: the name, and the shape here.
#[derive(Debug, Default)]
pub(crate) struct BaseTensors {
    pub(crate) by_path: BTreeMap<String, BaseTensor>,
    pub(crate) given: ForeignNames,
}

#[derive(Clone, Debug)]
pub(crate) struct BaseTensor {
    pub(crate) foreign: ForeignName,
    pub(crate) shape: Vec<usize>,
}

impl BaseTensor {
    /// What the module is called that it is a tensor of.
    pub(crate) fn module(&self) -> &str {
        self.foreign.name.rsplit_once('.').map_or("", |(module, _)| module)
    }
}

impl BaseTensors {
    /// Of a model that has no adapters on it.
    pub(crate) fn of<M: Module>(bare: &M, given: &ForeignNames) -> Self {
        let mut visitor =
            Names { path: Vec::new(), container: Vec::new(), given, found: BTreeMap::new() };
        bare.visit(&mut visitor);
        Self { by_path: visitor.found, given: given.clone() }
    }

    /// What the module at a site is called: a linear one as its matrix, without the last part.
    pub(crate) fn module(&self, site: &str) -> String {
        if let Some(module) = self.given.modules.get(site) {
            return module.clone();
        }
        let path = format!("{site}.base.weight");
        // A matrix in 8 bits is no parameter.
        let foreign = self.by_path.get(&path).map(|tensor| &tensor.foreign);
        let foreign = foreign.or_else(|| self.given.by_path.get(&path));
        let name = foreign.and_then(|foreign| foreign.name.rsplit_once('.'));
        name.map_or_else(|| site.to_owned(), |(module, _)| module.to_owned())
    }
}

struct Names<'a> {
    path: Vec<String>,
    container: Vec<String>,
    given: &'a ForeignNames,
    found: BTreeMap<String, BaseTensor>,
}

impl ModuleVisitor for Names<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.container.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
        self.container.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let foreign = self.given.by_path.get(&path).cloned().unwrap_or_else(|| self.as_pytorch());
        self.found.insert(path, BaseTensor { foreign, shape: param.lazy_shape().to_vec() });
    }
}

impl Names<'_> {
    fn as_pytorch(&self) -> ForeignName {
        let container = self.container.last().map_or("", String::as_str);
        let mut parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
        if self.container.iter().rev().nth(1).is_some_and(|it| it == "Struct:LinearSite") {
            // The layer within a site is the site.
            parts.remove(parts.len() - 2);
        }
        if let ("Struct:LayerNorm" | "Struct:BatchNorm" | "Struct:GroupNorm", Some(last)) =
            (container, parts.last_mut())
        {
            *last = match *last {
                "gamma" => "weight",
                "beta" => "bias",
                other => other,
            };
        }
        let is_transposed = container == "Struct:Linear" && parts.last() == Some(&"weight");
        ForeignName { name: parts.join("."), is_transposed }
    }
}
