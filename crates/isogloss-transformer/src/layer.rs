//! One layer of the encoder: attention, feed-forward, and the places where adapters sit.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Int, Tensor};
use isogloss_kernels::{AttentionShape, LayerNorm, Prefix, attention, dropout, residual_dropout};
use isogloss_peft::{Activation, LinearSite, ResidualSite, SubLayer};

use crate::hidden_states::Reading;
use crate::initialization::Initialization;
use crate::{DropoutAfter, EncoderConfig, NormOrder};

/// Self-attention: four projections, each a site for an adapter.
#[derive(Module, Debug)]
pub struct SelfAttention {
    pub(crate) query: LinearSite,
    pub(crate) key: LinearSite,
    pub(crate) value: LinearSite,
    pub(crate) output: LinearSite,
    dropout: Dropout,
    n_heads: usize,
}

impl SelfAttention {
    fn new(config: &EncoderConfig, path: &str, init: &Initialization<'_>) -> Self {
        let d_model = config.d_model;
        let linear = |name: &str| {
            LinearSite::new(init.linear(&format!("{path}.{name}"), [d_model, d_model]))
        };
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            dropout: DropoutConfig::new(config.attention_dropout).init(),
            n_heads: config.n_heads,
        }
    }

    /// Lets every token look at those of its row that it may see.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch · seq, d_model]`, the rows of `reading` one after the other
    /// - `wanted`: some of them, `[n]`; all, where it is `None`
    /// - returns: `[n, d_model]`
    fn forward(
        &self,
        x: Tensor<2>,
        reading: &Reading,
        prefix: Option<&Prefix>,
        wanted: Option<&Tensor<1, Int>>,
    ) -> Tensor<2> {
        let [batch, seq] = reading.dims;
        let shape = AttentionShape { batch, seq, n_heads: self.n_heads };
        let (q, k) = (self.query.forward(x.clone()), self.key.forward(x.clone()));
        let v = self.value.forward(x);
        let visibility = &reading.visibility;
        let context = attention([q, k, v], prefix, visibility, shape, &self.dropout);
        self.output.forward(of(context, wanted))
    }
}

/// Attention and feed-forward, each with its residual.
///
/// ```text
/// post-LN    x ← LN(x + drop(attention(x)))       x ← LN(x + drop(down(f(up(x)))))
/// pre-LN     x ← x + drop(attention(LN(x)))       x ← x + drop(down(f(up(LN(x)))))
/// ```
///
/// # Source
///
/// Vaswani et al. (2017), "Attention Is All You Need", section 3,
/// <https://arxiv.org/abs/1706.03762>; see [`NormOrder`] and [`DropoutAfter`] for what differs from
/// model to model.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub(crate) attention: SelfAttention,
    /// After attention in post-LN, before it in pre-LN.
    pub(crate) attention_norm: LayerNorm,
    pub(crate) attention_adapter: ResidualSite,
    pub(crate) up: LinearSite,
    pub(crate) down: LinearSite,
    pub(crate) adapter: ResidualSite,
    /// After the feed-forward sub-layer in post-LN, before it in pre-LN.
    pub(crate) output_norm: LayerNorm,
    attention_dropout: Dropout,
    output_dropout: Dropout,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    norm: NormOrder,
}

impl EncoderLayer {
    pub(crate) fn new(config: &EncoderConfig, path: &str, init: &Initialization<'_>) -> Self {
        let (d_model, d_ff) = (config.d_model, config.d_ff);
        let norm = || init.layer_norm(d_model, config.layer_norm_eps);
        let dropout = |other| {
            let rate = if config.dropout_after == other { 0.0 } else { config.dropout };
            DropoutConfig::new(rate).init()
        };
        Self {
            attention: SelfAttention::new(config, &format!("{path}.attention"), init),
            attention_norm: norm(),
            attention_adapter: ResidualSite::new(d_model, SubLayer::Attention),
            up: LinearSite::new(init.linear(&format!("{path}.up"), [d_model, d_ff])),
            down: LinearSite::new(init.linear(&format!("{path}.down"), [d_ff, d_model])),
            adapter: ResidualSite::new(d_model, SubLayer::FeedForward),
            output_norm: norm(),
            attention_dropout: dropout(DropoutAfter::FeedForward),
            output_dropout: dropout(DropoutAfter::Attention),
            activation: config.activation,
            norm: config.norm,
        }
    }

    /// What all tokens show, every token may look at; what follows is computed of those alone that are wanted.
    ///
    /// # Shapes
    ///
    /// As those of attention.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        reading: &Reading,
        prefix: Option<&Prefix>,
        wanted: Option<&Tensor<1, Int>>,
    ) -> Tensor<2> {
        let feed = |x| {
            let inner = self.activation.forward(self.up.forward(x)); // [n, d_ff]
            dropout(self.down.forward(inner), &self.output_dropout)
        };
        match self.norm {
            NormOrder::Post => {
                let attended = self.attention.forward(x.clone(), reading, prefix, wanted);
                let x = of(x, wanted);
                let x = self.after_attention(attended, x, |sum| self.attention_norm.forward(sum));
                let hidden = feed(x.clone());
                self.adapter.forward(hidden, x, |sum| self.output_norm.forward(sum))
            }
            NormOrder::Pre => {
                let normal = self.attention_norm.forward(x.clone());
                let attended = self.attention.forward(normal, reading, prefix, wanted);
                let x = self.after_attention(attended, of(x, wanted), |sum| sum);
                let hidden = feed(self.output_norm.forward(x.clone()));
                self.adapter.forward(hidden, x, |sum| sum)
            }
        }
    }

    /// Layers one after the other, of which the last makes the wanted rows alone.
    ///
    /// - `prefixes`: of each layer, or none at all
    pub(crate) fn forward_all(
        layers: &[Self],
        x: Tensor<2>,
        reading: &Reading,
        prefixes: &[Option<Prefix>],
        wanted: Option<&Tensor<1, Int>>,
    ) -> Tensor<2> {
        layers.iter().enumerate().fold(x, |x, (place, layer)| {
            let prefix = prefixes.get(place).and_then(Option::as_ref);
            layer.forward(x, reading, prefix, wanted.filter(|_| place + 1 == layers.len()))
        })
    }

    fn after_attention(
        &self,
        attended: Tensor<2>,
        x: Tensor<2>,
        norm: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        if self.attention_adapter.is_idle() {
            return norm(residual_dropout(x, attended, &self.attention_dropout));
        }
        let attended = dropout(attended, &self.attention_dropout);
        self.attention_adapter.forward(attended, x, norm)
    }
}

/// Some rows of a matrix, or all.
fn of(rows: Tensor<2>, wanted: Option<&Tensor<1, Int>>) -> Tensor<2> {
    match wanted {
        Some(wanted) => rows.select(0, wanted.clone()),
        None => rows,
    }
}
