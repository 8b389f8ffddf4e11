//! Where adapters may sit: the models' side of `isogloss-peft`.

use isogloss_peft::{AdapterHost, ForeignNames, SiteMut};

use crate::pretrained::foreign_names;

use crate::{Encoder, MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier};

/// Sites are visited from below. Their paths are those of the modules: `embeddings.word_adapter` beside the
/// words, `embeddings.adapter`, `embeddings.prompt`, `prefix` before the tokens of all layers, and of each layer
/// `layers.0.attention.query`, `.key`, `.value`, `.output`, `layers.0.attention_adapter` after attention,
/// `layers.0.up`, `layers.0.down`, and `layers.0.adapter` after the feed-forward sub-layer.
impl AdapterHost for Encoder {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        visit("embeddings.word_adapter", SiteMut::Embedding(&mut self.embeddings.word_adapter));
        visit("embeddings.adapter", SiteMut::Invertible(&mut self.embeddings.adapter));
        visit("embeddings.prompt", SiteMut::Prompt(&mut self.embeddings.prompt));
        visit("prefix", SiteMut::Prefix(&mut self.prefix));
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let attention = &mut layer.attention;
            let sites = [
                ("attention.query", SiteMut::Linear(&mut attention.query)),
                ("attention.key", SiteMut::Linear(&mut attention.key)),
                ("attention.value", SiteMut::Linear(&mut attention.value)),
                ("attention.output", SiteMut::Linear(&mut attention.output)),
                ("attention_adapter", SiteMut::Residual(&mut layer.attention_adapter)),
                ("up", SiteMut::Linear(&mut layer.up)),
                ("down", SiteMut::Linear(&mut layer.down)),
                ("adapter", SiteMut::Residual(&mut layer.adapter)),
            ];
            for (name, site) in sites {
                visit(&format!("layers.{index}.{name}"), site);
            }
        }
        visit("full", SiteMut::Full(&mut self.full));
    }

    /// Those of transformers, for a model of one of its families.
    fn foreign_names(&self) -> ForeignNames {
        foreign_names(self)
    }
}

macro_rules! through_the_encoder {
    ($($model:ident),+) => {$(
        /// The sites of the encoder, under `encoder.`.
        impl AdapterHost for $model {
            fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
                let mut visit = |path: &str, site: SiteMut<'_>| {
                    visit(&format!("encoder.{path}"), site);
                };
                self.encoder.for_each_site(&mut visit);
            }

            /// Those of transformers, for a model of one of its families.
            fn foreign_names(&self) -> ForeignNames {
                foreign_names(self)
            }
        }
    )+};
}

through_the_encoder!(MaskedLanguageModel, SequenceClassifier, TokenClassifier, QuestionAnswerer);
