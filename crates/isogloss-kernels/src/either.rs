//! A place in a model for one of two modules.

use burn::module::{
    Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

/// One of two modules, such as a layer and the same in 8 bits.
///
/// The derive of Burn puts the name of an enum's variant into the paths of parameters; here they are
/// those of the module alone, so that a file of weights does not know of the choice.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The one.
    A(A),
    /// The other.
    B(B),
}

macro_rules! both {
    ($this:expr, $module:ident => $result:expr) => {
        match $this {
            Self::A($module) => $result,
            Self::B($module) => $result,
        }
    };
}

macro_rules! map {
    ($this:expr, $module:ident => $result:expr) => {
        match $this {
            Self::A($module) => Self::A($result),
            Self::B($module) => Self::B($result),
        }
    };
}

impl<A: Module, B: Module> Module for Either<A, B> {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        both!(self, module => module.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        map!(self, module => module.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        map!(self, module => module.to_device(device))
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        both!(self, module => module.visit(visitor));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        map!(self, module => module.map(mapper))
    }

    fn train(self) -> Self {
        map!(self, module => module.train())
    }

    fn valid(&self) -> Self {
        map!(self, module => module.valid())
    }

    fn materialize(self) -> Self {
        map!(self, module => module.materialize())
    }
}

impl<A: ModuleDisplay, B: ModuleDisplay> ModuleDisplayDefault for Either<A, B> {
    fn content(&self, content: Content) -> Option<Content> {
        both!(self, module => content.add_single(module).optional())
    }
}

impl<A: ModuleDisplay, B: ModuleDisplay> ModuleDisplay for Either<A, B> {}
