//! The parameters of an adapter as a file has them.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

/// A parameter of an adapter, and how its numbers stand in a file that PyTorch wrote.
#[derive(Debug)]
pub(crate) enum Slot<'a> {
    /// A matrix, transposed there: here `[in, out]`.
    Matrix(&'a mut Param<Tensor<2>>),
    /// A matrix that stands there as it does here.
    Table(&'a mut Param<Tensor<2>>),
    /// The same, there as a vector, row after row.
    Flat(&'a mut Param<Tensor<2>>),
    /// Matrices that stand there as they do here.
    Cube(&'a mut Param<Tensor<3>>),
    /// A vector.
    Vector(&'a mut Param<Tensor<1>>),
    /// A vector, there a matrix of one column.
    Column(&'a mut Param<Tensor<1>>),
    /// A vector, there a matrix of one row.
    Row(&'a mut Param<Tensor<1>>),
    /// A matrix that does not learn, transposed there.
    Fixed(&'a mut Tensor<2>),
}

impl Slot<'_> {
    /// The shape in the file.
    pub(crate) fn file_shape(&self) -> Vec<usize> {
        let reversed = |[a, b]: [usize; 2]| vec![b, a];
        match self {
            Self::Matrix(param) => reversed(param.lazy_shape().dims()),
            Self::Fixed(tensor) => reversed(tensor.dims()),
            Self::Vector(param) => param.lazy_shape().to_vec(),
            Self::Table(param) => param.lazy_shape().to_vec(),
            Self::Cube(param) => param.lazy_shape().to_vec(),
            Self::Flat(param) => vec![param.lazy_shape().num_elements()],
            Self::Column(param) => vec![param.lazy_shape()[0], 1],
            Self::Row(param) => vec![1, param.lazy_shape()[0]],
        }
    }

    /// The numbers as the file has them.
    pub(crate) fn read(&self) -> TensorData {
        let shape = self.file_shape();
        let data = match self {
            Self::Matrix(param) => param.val().transpose().into_data(),
            Self::Fixed(tensor) => Tensor::clone(tensor).transpose().into_data(),
            Self::Table(param) | Self::Flat(param) => param.val().into_data(),
            Self::Cube(param) => param.val().into_data(),
            Self::Vector(param) | Self::Column(param) | Self::Row(param) => param.val().into_data(),
        };
        TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), shape)
    }

    /// Takes numbers of [that shape](Self::file_shape).
    pub(crate) fn write(&mut self, data: &TensorData) {
        match self {
            Self::Matrix(param) => {
                let turned = transposed(data);
                replace(param, turned);
            }
            Self::Table(param) | Self::Flat(param) => {
                let numbers: Vec<f32> = data.iter().collect();
                let shape = param.lazy_shape();
                replace(param, TensorData::new(numbers, shape));
            }
            Self::Cube(param) => {
                let numbers: Vec<f32> = data.iter().collect();
                let shape = param.lazy_shape();
                replace(param, TensorData::new(numbers, shape));
            }
            Self::Fixed(tensor) => **tensor = Tensor::from_data(transposed(data), &tensor.device()),
            Self::Vector(param) | Self::Column(param) | Self::Row(param) => {
                let numbers: Vec<f32> = data.iter().collect();
                let shape = param.lazy_shape();
                replace(param, TensorData::new(numbers, shape));
            }
        }
    }
}

/// A matrix turned around, row after row.
pub(crate) fn transposed(data: &TensorData) -> TensorData {
    let [rows, cols] = data.shape().dims();
    let numbers: Vec<f32> = data.iter().collect();
    let turned = (0..rows * cols).map(|i| numbers[(i % rows) * cols + i / rows]).collect();
    TensorData::new::<f32, _>(turned, [cols, rows])
}

/// Other numbers in the place of a parameter's, which stays trained or frozen.
fn replace<const D: usize>(param: &mut Param<Tensor<D>>, data: TensorData) {
    let device: Device = param.val().device();
    let own = std::mem::replace(param, Param::from_tensor(Tensor::zeros([1; D], &device)));
    *param = replaced(own, data);
}

/// The same, of one that is there to be given away.
pub(crate) fn replaced<const D: usize>(
    param: Param<Tensor<D>>,
    data: TensorData,
) -> Param<Tensor<D>> {
    let is_trained = param.is_require_grad();
    let device = param.val().device();
    // A parameter that was mapped is untracked whatever it was before.
    param.map(|_| Tensor::from_data(data, &device)).set_require_grad(is_trained)
}
