//! A decoder and an encoder-decoder, written as their users would, with adapters of `peft`: see
//! `fixtures/hosts/generate.py`.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use isogloss_kernels::Prefix;
use isogloss_peft::{
    AdapterCard, AdapterHost, ForeignNames, LinearSite, PrefixSite, PromptSite, SiteMut, activate,
    effect, load_adapter, merge, save_adapter,
};
use isogloss_testing::{assert_close, device};
use safetensors::SafeTensors;

use crate::fixtures::{Tensors, tensors};

const WIDTH: usize = 8;
const HEADS: usize = 2;
const VOCABULARY: usize = 20;
/// Rows of the table of positions before the first.
const OFFSET: usize = 2;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts")
}

fn linear(inputs: usize, outputs: usize, device: &Device) -> LinearSite {
    LinearSite::new(LinearConfig::new(inputs, outputs).init(device))
}

fn norm(device: &Device) -> LayerNorm {
    LayerNormConfig::new(WIDTH).init(device)
}

/// Attention to the tokens themselves, or to a memory.
#[expect(clippy::struct_field_names, reason = "as the library calls them")]
#[derive(Module, Debug)]
struct Attention {
    q_proj: LinearSite,
    k_proj: LinearSite,
    v_proj: LinearSite,
    out_proj: LinearSite,
}

impl Attention {
    fn new(device: &Device) -> Self {
        let linear = || linear(WIDTH, WIDTH, device);
        Self { q_proj: linear(), k_proj: linear(), v_proj: linear(), out_proj: linear() }
    }

    fn forward(
        &self,
        x: Tensor<3>,
        memory: Option<&Tensor<3>>,
        prefix: Option<&Prefix>,
        is_causal: bool,
    ) -> Tensor<3> {
        let [batch, seq, _] = x.dims();
        let read = memory.unwrap_or(&x).clone();
        let (q, mut k, mut v) =
            (self.q_proj.forward(x), self.k_proj.forward(read.clone()), self.v_proj.forward(read));
        let mut before = 0;
        if let Some(prefix) = prefix {
            let [keys, values] = prefix.tensors();
            before = keys.dims()[0];
            let joined = |own: Tensor<2>, tokens: Tensor<3>| {
                let own = own.unsqueeze::<3>().expand([batch, before, WIDTH]);
                Tensor::cat(vec![own, tokens], 1)
            };
            (k, v) = (joined(keys, k), joined(values, v));
        }
        let heads = |x: Tensor<3>| {
            let seq = x.dims()[1];
            x.reshape([batch, seq, HEADS, WIDTH / HEADS]).swap_dims(1, 2)
        };
        let (q, k, v) = (heads(q), heads(k), heads(v));
        let mut scores = q.matmul(k.swap_dims(2, 3)) / ((WIDTH / HEADS) as f64).sqrt();
        if is_causal {
            let row = before + seq;
            let cell = |i: usize| if i % row > i / row + before { -1e9 } else { 0.0 };
            let bias: Vec<f32> = (0..seq * row).map(cell).collect();
            let bias = TensorData::new(bias, [1, 1, seq, row]);
            scores = scores.clone() + Tensor::from_data(bias, &scores.device());
        }
        let context = activation::softmax(scores, 3).matmul(v).swap_dims(1, 2);
        self.out_proj.forward(context.reshape([batch, seq, WIDTH]))
    }

    fn show(&mut self, path: &str, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        let sites = [
            ("q_proj", &mut self.q_proj),
            ("k_proj", &mut self.k_proj),
            ("v_proj", &mut self.v_proj),
            ("out_proj", &mut self.out_proj),
        ];
        for (name, site) in sites {
            visit(&format!("{path}.{name}"), SiteMut::Linear(site));
        }
    }
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: Attention,
    self_attn_layer_norm: LayerNorm,
    encoder_attn: Option<Attention>,
    encoder_attn_layer_norm: Option<LayerNorm>,
    fc1: LinearSite,
    fc2: LinearSite,
    final_layer_norm: LayerNorm,
}

impl Layer {
    fn new(reads_memory: bool, device: &Device) -> Self {
        Self {
            self_attn: Attention::new(device),
            self_attn_layer_norm: norm(device),
            encoder_attn: reads_memory.then(|| Attention::new(device)),
            encoder_attn_layer_norm: reads_memory.then(|| norm(device)),
            fc1: linear(WIDTH, 2 * WIDTH, device),
            fc2: linear(2 * WIDTH, WIDTH, device),
            final_layer_norm: norm(device),
        }
    }

    /// Normalised before each part, with ReLU: as OPT.
    fn before(&self, x: Tensor<3>, prefix: Option<&Prefix>) -> Tensor<3> {
        let normal = self.self_attn_layer_norm.forward(x.clone());
        let x = x + self.self_attn.forward(normal, None, prefix, true);
        let normal = self.final_layer_norm.forward(x.clone());
        x + self.fc2.forward(activation::relu(self.fc1.forward(normal)))
    }

    /// Normalised behind each part, with GELU: as BART.
    fn behind(&self, x: Tensor<3>, memory: Option<&Tensor<3>>) -> Tensor<3> {
        let own = self.self_attn.forward(x.clone(), None, None, memory.is_some());
        let mut x = self.self_attn_layer_norm.forward(x + own);
        if let (Some(attention), Some(norm), Some(memory)) =
            (&self.encoder_attn, &self.encoder_attn_layer_norm, memory)
        {
            let read = attention.forward(x.clone(), Some(memory), None, false);
            x = norm.forward(x + read);
        }
        let inner = self.fc2.forward(activation::gelu(self.fc1.forward(x.clone())));
        self.final_layer_norm.forward(x + inner)
    }

    fn show(&mut self, path: &str, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        self.self_attn.show(&format!("{path}.self_attn"), visit);
        if let Some(attention) = &mut self.encoder_attn {
            attention.show(&format!("{path}.encoder_attn"), visit);
        }
        visit(&format!("{path}.fc1"), SiteMut::Linear(&mut self.fc1));
        visit(&format!("{path}.fc2"), SiteMut::Linear(&mut self.fc2));
    }
}

/// A model that goes on with a text.
#[derive(Module, Debug)]
struct Decoder {
    embed_tokens: Embedding,
    embed_positions: Embedding,
    layers: Vec<Layer>,
    final_layer_norm: LayerNorm,
    prefix: PrefixSite,
    prompt: PromptSite,
}

impl Decoder {
    fn new(device: &Device) -> Self {
        Self {
            embed_tokens: EmbeddingConfig::new(VOCABULARY, WIDTH).init(device),
            embed_positions: EmbeddingConfig::new(16 + OFFSET, WIDTH).init(device),
            layers: (0..2).map(|_| Layer::new(false, device)).collect(),
            final_layer_norm: norm(device),
            prefix: PrefixSite::new(2, WIDTH, HEADS),
            prompt: PromptSite::new(WIDTH),
        }
    }

    /// The scores of the tokens' next. `[batch, seq, VOCABULARY]`
    fn forward(&self, ids: &Tensor<2, Int>) -> Tensor<3> {
        let [batch, seq] = ids.dims();
        let mut x = self.embed_tokens.forward(ids.clone());
        let (_, prompts) = self.prompt.forward();
        let mut prompted = 0;
        if let [Some(prompt)] = &*prompts {
            prompted = prompt.dims()[0];
            let prompt = prompt.clone().unsqueeze::<3>().expand([batch, prompted, WIDTH]);
            x = Tensor::cat(vec![prompt, x], 1);
        }
        let before = self.prefix.positions().first().copied().unwrap_or(0);
        let positions = self.embed_positions.weight.val();
        let positions = positions.narrow(0, OFFSET + before, prompted + seq).unsqueeze::<3>();
        let prefixes = self.prefix.forward();
        let layers = self.layers.iter().zip(&prefixes);
        let x = layers.fold(x + positions, |x, (layer, prefix)| layer.before(x, prefix.as_ref()));
        let x = self.final_layer_norm.forward(x.narrow(1, prompted, seq));
        scores(x, &self.embed_tokens)
    }
}

/// A model that reads a text and writes another.
#[derive(Module, Debug)]
struct Translator {
    shared: Embedding,
    encoder: Side,
    decoder: Side,
}

#[derive(Module, Debug)]
struct Side {
    embed_positions: Embedding,
    layernorm_embedding: LayerNorm,
    layers: Vec<Layer>,
}

impl Side {
    fn new(count: usize, reads_memory: bool, device: &Device) -> Self {
        Self {
            embed_positions: EmbeddingConfig::new(16 + OFFSET, WIDTH).init(device),
            layernorm_embedding: norm(device),
            layers: (0..count).map(|_| Layer::new(reads_memory, device)).collect(),
        }
    }

    fn forward(&self, words: Tensor<3>, memory: Option<&Tensor<3>>) -> Tensor<3> {
        let seq = words.dims()[1];
        let positions = self.embed_positions.weight.val().narrow(0, OFFSET, seq).unsqueeze::<3>();
        let x = self.layernorm_embedding.forward(words + positions);
        self.layers.iter().fold(x, |x, layer| layer.behind(x, memory))
    }
}

impl Translator {
    fn new(device: &Device) -> Self {
        Self {
            shared: EmbeddingConfig::new(VOCABULARY, WIDTH).init(device),
            encoder: Side::new(1, false, device),
            decoder: Side::new(2, true, device),
        }
    }

    /// The scores of the tokens' next. `[batch, seq, VOCABULARY]`
    fn forward(&self, [ids, decoder_ids]: [&Tensor<2, Int>; 2]) -> Tensor<3> {
        let words = |ids: &Tensor<2, Int>| self.shared.forward(ids.clone());
        let memory = self.encoder.forward(words(ids), None);
        scores(self.decoder.forward(words(decoder_ids), Some(&memory)), &self.shared)
    }
}

fn scores(x: Tensor<3>, table: &Embedding) -> Tensor<3> {
    x.matmul(table.weight.val().transpose().unsqueeze::<3>())
}

impl AdapterHost for Decoder {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.show(&format!("layers.{index}"), visit);
        }
        visit("prefix", SiteMut::Prefix(&mut self.prefix));
        visit("prompt", SiteMut::Prompt(&mut self.prompt));
    }

    fn foreign_names(&self) -> ForeignNames {
        ForeignNames::default().with_prefix("model.decoder.")
    }
}

impl AdapterHost for Translator {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        for (name, side) in [("encoder", &mut self.encoder), ("decoder", &mut self.decoder)] {
            for (index, layer) in side.layers.iter_mut().enumerate() {
                layer.show(&format!("{name}.layers.{index}"), visit);
            }
        }
    }

    fn foreign_names(&self) -> ForeignNames {
        ForeignNames::default().with_prefix("model.")
    }
}

/// The model with the numbers of a file, whose names begin with a prefix.
fn with_numbers<M: Module>(model: M, file: Tensors, prefix: &'static str) -> M {
    struct Fill {
        path: Vec<String>,
        file: Tensors,
        prefix: &'static str,
    }
    impl ModuleMapper for Fill {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let is_linear = self.path.iter().any(|part| part == "base");
            let parts = self.path.iter().filter(|part| *part != "base");
            let name = parts.map(|part| match part.as_str() {
                "gamma" => "weight",
                "beta" => "bias",
                other => other,
            });
            let name = format!("{}{}", self.prefix, name.collect::<Vec<_>>().join("."));
            let (numbers, shape) = self.file[&name].clone();
            param.map(|own| {
                let read = Tensor::<D>::from_data(TensorData::new(numbers, shape), &own.device());
                if D == 2 && is_linear { read.swap_dims(0, 1) } else { read }
            })
        }
    }
    model.map(&mut Fill { path: Vec::new(), file, prefix })
}

fn ids(name: &str, device: &Device) -> Tensor<2, Int> {
    let bytes = fs::read(dir().join("rows.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let eight = view.data().chunks_exact(8);
    let numbers: Vec<i64> = eight.map(|it| i64::from_le_bytes(it.try_into().unwrap())).collect();
    Tensor::from_data(TensorData::new(numbers, view.shape().to_vec()), device)
}

fn logits(dir: &Path) -> Vec<f32> {
    tensors(&dir.join("expected.safetensors"))["logits"].0.clone()
}

fn values(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// What each adapter makes of a model: there, here, merged, written here and read again; and nothing once off.
fn check<M: AdapterHost + Module>(
    kind: &str,
    base: &M,
    cases: &[&str],
    forward: impl Fn(&M) -> Tensor<3>,
) {
    let device = device();
    let alone = values(forward(base));
    assert_close(&alone, &logits(&dir().join(kind)), 1e-4);
    let out = tempfile::tempdir().unwrap();
    for case in cases {
        let path = dir().join(kind).join(case);
        let expected = logits(&path);
        let (model, read) = load_adapter(base.clone(), "it", &path, &device).unwrap();
        assert_close(&values(forward(&model)), &expected, 1e-4);
        assert!(effect(&model, "it", &forward).unwrap() > 1e-2, "{kind} {case}");
        let written = out.path().join(case);
        save_adapter(&model, "it", &AdapterCard::default(), &written).unwrap();
        let name = "adapter_model.safetensors";
        let numbers = |dir: &Path| {
            tensors(&dir.join(name)).into_values().map(|(numbers, _)| numbers).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&written), numbers(&path), "{kind} {case}");
        let (again, _) = load_adapter(base.clone(), "it", &written, &device).unwrap();
        assert_eq!(values(forward(&again)), values(forward(&model)), "{kind} {case}");
        if !read.attached.sites.iter().any(|site| site.starts_with('p')) {
            let (merged, _) = merge(model.clone()).unwrap();
            assert_close(&values(forward(&merged)), &expected, 1e-4);
        }
        let off = activate(model, &"base".parse().unwrap()).unwrap();
        assert_eq!(values(forward(&off)), alone, "{kind} {case}");
    }
}

#[test]
fn a_decoder_takes_adapters_of_peft() {
    let device = device();
    let file = tensors(&dir().join("opt/base.safetensors"));
    let base = with_numbers(Decoder::new(&device), file, "model.decoder.");
    let ids = ids("ids", &device);
    let cases = ["lora", "dora", "ia3", "prefix", "prompt"];
    check("opt", &base, &cases, |model: &Decoder| model.forward(&ids));
}

#[test]
fn an_encoder_decoder_takes_adapters_of_peft() {
    let device = device();
    let file = tensors(&dir().join("bart/base.safetensors"));
    let base = with_numbers(Translator::new(&device), file, "model.");
    let [ids, decoder_ids] = ["ids", "decoder_ids"].map(|name| ids(name, &device));
    let cases = ["lora", "cross", "ia3"];
    check("bart", &base, &cases, |model: &Translator| model.forward([&ids, &decoder_ids]));
}
