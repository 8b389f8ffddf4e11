//! A layer on top of the pooled vector.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use isogloss_transformer::Activation;

/// `f(W v + b)`: the dense layer of LaBSE and of models whose vectors were made narrower.
#[derive(Module, Debug)]
pub struct Dense {
    pub(crate) linear: Linear,
    #[module(skip)]
    pub(crate) activation: Option<Activation>,
}

impl Dense {
    /// A layer with an activation, or none.
    pub fn new(linear: Linear, activation: Option<Activation>) -> Self {
        Self { linear, activation }
    }

    /// # Shapes
    ///
    /// - `vectors`: `[n, d_input]`
    /// - returns: `[n, d_output]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<2> {
        let vectors = self.linear.forward(vectors);
        match self.activation {
            Some(activation) => activation.forward(vectors),
            None => vectors,
        }
    }

    /// The width of what goes in, and of what comes out.
    pub fn dims(&self) -> [usize; 2] {
        self.linear.weight.lazy_shape().dims()
    }
}
