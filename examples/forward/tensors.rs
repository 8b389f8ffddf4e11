//! Files of tensors.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use isogloss::burn::tensor::Tensor;
use isogloss::core::write_file_atomically;
use isogloss_examples::Outcome;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// A file of whole numbers.
pub(crate) struct Inputs {
    path: PathBuf,
    bytes: Vec<u8>,
    used: RefCell<BTreeSet<String>>,
}

impl Inputs {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let this = Self { path: path.to_owned(), bytes, used: RefCell::default() };
        this.file()?;
        Ok(this)
    }

    fn file(&self) -> Outcome<SafeTensors<'_>> {
        let fault = |error| format!("{}: {error}", self.path.display());
        Ok(SafeTensors::deserialize(&self.bytes).map_err(fault)?)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file().is_ok_and(|file| file.tensor(name).is_ok())
    }

    /// A tensor of whole numbers with its shape, if there is one of that name.
    fn ints(&self, name: &str) -> Outcome<Option<(Vec<i64>, Vec<usize>)>> {
        let file = self.file()?;
        let Ok(view) = file.tensor(name) else { return Ok(None) };
        self.used.borrow_mut().insert(name.to_owned());
        let data = view.data();
        let values = match view.dtype() {
            Dtype::I64 => numbers(data, i64::from_le_bytes),
            Dtype::I32 => numbers(data, |bytes| i32::from_le_bytes(bytes).into()),
            Dtype::U32 => numbers(data, |bytes| u32::from_le_bytes(bytes).into()),
            Dtype::U8 | Dtype::BOOL => data.iter().map(|&byte| byte.into()).collect(),
            other => return Err(format!("`{name}` is of {other:?}, expected whole numbers").into()),
        };
        Ok(Some((values, view.shape().to_vec())))
    }

    /// A tensor of numbers from 0 with its shape.
    pub(crate) fn ids(&self, name: &str) -> Outcome<Option<(Vec<u32>, Vec<usize>)>> {
        let Some((values, shape)) = self.ints(name)? else { return Ok(None) };
        let id = |value: i64| {
            u32::try_from(value).map_err(|_| format!("`{name}` has {value}, expected at least 0"))
        };
        Ok(Some((values.into_iter().map(id).collect::<Result<_, _>>()?, shape)))
    }

    pub(crate) fn ids_of_shape(&self, name: &str, shape: &[usize]) -> Outcome<Option<Vec<u32>>> {
        let Some((values, found)) = self.ids(name)? else { return Ok(None) };
        check_shape(name, &found, shape)?;
        Ok(Some(values))
    }

    /// Labels, of which those below 0 do not count.
    pub(crate) fn labels(&self, name: &str, shape: &[usize]) -> Outcome<Option<Vec<i64>>> {
        let Some((values, found)) = self.ints(name)? else { return Ok(None) };
        check_shape(name, &found, shape)?;
        Ok(Some(values))
    }

    /// A tensor that changes nothing is one that was meant for something.
    pub(crate) fn check_all_used(&self) -> Outcome<()> {
        let used = self.used.borrow();
        match self.file()?.names().into_iter().find(|name| !used.contains(*name)) {
            Some(name) => Err(format!("`{name}` is no input of this model").into()),
            None => Ok(()),
        }
    }
}

fn check_shape(name: &str, found: &[usize], expected: &[usize]) -> Outcome<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("`{name}` has shape {found:?}, expected {expected:?}").into())
    }
}

fn numbers<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> i64) -> Vec<i64> {
    data.as_chunks().0.iter().map(|bytes| read(*bytes)).collect()
}

/// Tensors to be written.
#[derive(Default)]
pub(crate) struct Outputs(Vec<(&'static str, Vec<usize>, Vec<u8>)>);

impl Outputs {
    pub(crate) fn push<const D: usize>(&mut self, name: &'static str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let bytes = tensor.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
        self.0.push((name, shape, bytes));
    }

    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        let views = self.0.iter().map(|(name, shape, bytes)| {
            println(name, shape);
            Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        });
        let views = views.collect::<Outcome<Vec<_>>>()?;
        let file = safetensors::serialize(views, None)?;
        Ok(write_file_atomically(path, |out| out.write_all(&file))?)
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to its reader")]
fn println(name: &str, shape: &[usize]) {
    println!("   {name} {shape:?}");
}
